//! The MLP under the laws of a velocity field.

use strait_core::{Error, Scope};
use strait_laws::field::{Case, Suite};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};

/// For samples of a case, each way of seeing t in turn.
fn mlp(activation: Activation) -> impl Fn(&Case, &mut Scope<'_>) -> Result<Mlp, Error> {
    move |case, scope| {
        let d = case.event.iter().product();
        let time = [TimeFeatures::None, TimeFeatures::Raw, TimeFeatures::Fourier(3)][case.seed as usize % 3];
        let config = MlpConfig { input: d, hidden: vec![8, 8], output: d, activation, time, zero_last: false };
        Mlp::new(&config, scope)
    }
}

#[test]
fn smooth_networks_keep_the_laws() {
    Suite::new("silu").check_differentiable(mlp(Activation::Silu)).unwrap();
    Suite::new("tanh").check_differentiable(mlp(Activation::Tanh)).unwrap();
}

/// Its kink is none for a difference to cross.
#[test]
fn selu_keeps_the_laws_of_a_value() {
    Suite::new("selu").check(mlp(Activation::Selu)).unwrap();
}
