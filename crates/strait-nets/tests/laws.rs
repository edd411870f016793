//! The networks under the laws of a velocity field, and of gradients through a tangent.

use strait_core::{Error, Scope};
use strait_laws::field::{Case, Suite};
use strait_nets::{
    Activation, EmbeddingConfig, Mlp, MlpConfig, TimeFeatures, Transformer, TransformerConfig, Unet, UnetConfig,
};

/// For samples of a case, each way of seeing t in turn.
fn mlp(activation: Activation) -> impl Fn(&Case, &mut Scope<'_>) -> Result<Mlp, Error> {
    move |case, scope| {
        let d = case.event.iter().product();
        let time = [TimeFeatures::None, TimeFeatures::Raw, TimeFeatures::Fourier(3)][case.seed as usize % 3];
        let config = MlpConfig { input: d, hidden: vec![8, 8], output: d, activation, time, zero_last: false };
        Mlp::new(&config, scope)
    }
}

fn embedding(case: &Case) -> EmbeddingConfig {
    let features = [TimeFeatures::Raw, TimeFeatures::Fourier(2)][case.seed as usize % 2];
    EmbeddingConfig { times: 1 + case.seed as usize % 2, features, condition: None, width: 4 }
}

fn event(case: &Case) -> [i64; 3] {
    case.event[..].try_into().unwrap()
}

/// Every third.
fn checkpointed(case: &Case) -> bool {
    case.seed.is_multiple_of(3)
}

fn unet(case: &Case, scope: &mut Scope<'_>) -> Result<Unet, Error> {
    let (embedding, stem) = (embedding(case), 1 + case.seed as i64 % 2);
    let of = UnetConfig { gradient_checkpointing: checkpointed(case), ..UnetConfig::of(event(case)) };
    let config = UnetConfig { stem, channels: 4, attention: 2, heads: 2, groups: 2, embedding, ..of };
    Unet::new(&config, scope)
}

fn transformer(case: &Case, scope: &mut Scope<'_>) -> Result<Transformer, Error> {
    let embedding = embedding(case);
    let of = TransformerConfig { gradient_checkpointing: checkpointed(case), ..TransformerConfig::of(event(case)) };
    let config = TransformerConfig { patch: 2, width: 4, depth: 2, heads: 2, expansion: 2, embedding, ..of };
    Transformer::new(&config, scope)
}

const IMAGES: [&[i64]; 2] = [&[1, 4, 4], &[2, 4, 8]];

#[test]
fn smooth_perceptrons_keep_the_laws() {
    Suite::new("silu").check_differentiable(mlp(Activation::Silu)).unwrap();
    Suite::new("tanh").check_differentiable(mlp(Activation::Tanh)).unwrap();
    Suite::new("silu").check_through_tangent(mlp(Activation::Silu)).unwrap();
    Suite::new("tanh").check_through_tangent(mlp(Activation::Tanh)).unwrap();
}

/// Its kink is none for a difference to cross.
#[test]
fn selu_keeps_the_laws_of_a_value() {
    Suite::new("selu").check(mlp(Activation::Selu)).unwrap();
}

#[test]
fn a_unet_keeps_the_laws() {
    Suite::new("U-Net").events(&IMAGES).cases(32).check_differentiable(unet).unwrap();
}

#[test]
fn a_unet_has_right_gradients_through_a_tangent() {
    Suite::new("U-Net").events(&IMAGES).cases(32).check_through_tangent(unet).unwrap();
}

#[test]
fn a_transformer_keeps_the_laws() {
    Suite::new("transformer").events(&IMAGES).cases(32).check_differentiable(transformer).unwrap();
}

#[test]
fn a_transformer_has_right_gradients_through_a_tangent() {
    Suite::new("transformer").events(&IMAGES).cases(32).check_through_tangent(transformer).unwrap();
}
