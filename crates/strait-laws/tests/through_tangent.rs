//! The law of gradients through a tangent distinguishes right networks from those that libtorch differentiates wrongly.

use strait_core::{Error, Init, Scope, VelocityField};
use strait_laws::field::{Case, Law, Suite};
use strait_laws::through_tangent::check;
use tch::{Kind, Tensor};

#[derive(Clone, Copy)]
enum Middle {
    Nothing,
    LayerNorm,
    GroupNorm,
    RmsNorm,
    Softmax,
    SoftmaxByHand,
    BatchNorm,
}

/// Two linear layers with something between them.
struct Net {
    middle: Middle,
    layers: [Tensor; 2],
}

impl Net {
    fn new(middle: Middle, case: &Case, scope: &mut Scope<'_>) -> Result<Self, Error> {
        let d = case.event.iter().product();
        let first = scope.sub("first").tensor("weight", &[6, d], Init::Uniform(1.0))?;
        let second = scope.sub("second").tensor("weight", &[d, 6], Init::Uniform(1.0))?;
        Ok(Self { middle, layers: [first, second] })
    }
}

impl VelocityField for Net {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let none = None::<&Tensor>;
        let h = x.f_flatten(1, -1)?.f_linear(&self.layers[0], none)?.f_add(&t.f_unsqueeze(1)?.f_sin()?)?;
        let h = match self.middle {
            Middle::Nothing => h,
            Middle::LayerNorm => h.f_layer_norm([6], none, none, 1e-5, false)?,
            Middle::GroupNorm => h.f_group_norm(1, none, none, 1e-5, false)?,
            Middle::RmsNorm => h.f_rms_norm([6], none, 1e-5)?,
            Middle::Softmax => h.f_softmax(-1, h.kind())?,
            Middle::SoftmaxByHand => {
                let e = h.f_sub(&h.f_detach()?.f_amax([-1i64].as_slice(), true)?)?.f_exp()?;
                e.f_div(&e.f_sum_dim_intlist([-1i64].as_slice(), true, Kind::Double)?)?
            }
            Middle::BatchNorm => h.f_batch_norm(none, none, none, none, true, 0.1, 1e-5, false)?,
        };
        Ok(h.f_tanh()?.f_linear(&self.layers[1], none)?.f_view_as(x)?)
    }
}

#[test]
fn right_networks_pass() {
    for middle in [Middle::Nothing, Middle::GroupNorm, Middle::RmsNorm, Middle::SoftmaxByHand] {
        check("right", |case, scope| Net::new(middle, case, scope)).unwrap();
    }
}

/// Value, tangent and gradient of these are right; what is wrong, or refused, is the gradient of the tangent.
#[test]
fn a_layer_whose_derivative_of_a_derivative_is_wrong_is_named_with_its_remedy() {
    for middle in [Middle::LayerNorm, Middle::Softmax] {
        let build = |case: &Case, scope: &mut Scope<'_>| Net::new(middle, case, scope);
        let broken = check("user's network", build).unwrap_err();
        assert_eq!(broken.law, Law::ThroughTangent, "{broken}");
        let message = broken.to_string();
        assert!(message.starts_with("user's network breaks ThroughTangent: the forward derivative"), "{message}");
        assert!(message.contains("layer_norm") && message.contains("use group_norm"), "{message}");
    }
    let build = |case: &Case, scope: &mut Scope<'_>| Net::new(Middle::BatchNorm, case, scope);
    let broken = Suite::new("user's network").events(&[&[3]]).check_through_tangent(build).unwrap_err();
    assert_eq!(broken.law, Law::ThroughTangent, "{broken}");
}
