//! The exact field where the determinant differs from candidate to candidate, against weights from normal densities.

use strait_autodiff::{Jet, Order};
use strait_core::{Coupling, Draws, Error, Pairs, Seed, StandardNormal, TimeFunction};
use strait_paths::{Affine, AffineConfig, ExactField, Mixing};
use tch::{Device, Kind, Tensor};

/// A log-scale that is the data point itself, and no shift.
struct Scales;

impl TimeFunction for Scales {
    fn jet(&self, context: &Tensor, _: &Tensor, _: Order) -> Result<Jet, Error> {
        Ok(Jet::constant(&Tensor::cat(&[context, &context.zeros_like()], 1)))
    }
}

struct Independent;

impl Coupling for Independent {
    fn couple(&self, x0: Tensor, x1: Tensor, _: &mut Draws) -> Result<Pairs, Error> {
        Ok(Pairs { x0, x1, target_rows: None })
    }
    fn is_independent(&self) -> bool {
        true
    }
    fn name(&self) -> &str {
        "independent"
    }
}

/// $x_t = (1-t) e^{t s} x_0 + t x_1$ with $s = x_1$ is normal given $x_1$, so its weights need no Jacobian.
#[test]
fn weights_are_the_conditional_densities() {
    let normal = |name: &str, n: i64| Seed(4).stream(name).at(0).normal(&[n, 1], Kind::Double, Device::Cpu).unwrap();
    let (x1, x) = (normal("candidates", 5), normal("x", 7) * 1.5);
    let t = Tensor::linspace(0.05, 0.9, 7, (Kind::Double, Device::Cpu));
    let config = AffineConfig { dimensions: 1, mixing: Mixing::Diagonal, log_scale_bound: 1e6 };
    let path = Affine::new(Scales, config).unwrap();
    let source = StandardNormal::new(&[1]);
    let field = ExactField::new(&path, &source, &Independent, x1.shallow_clone(), 1 << 10).unwrap();
    let found = field.at(&x, &t).unwrap();

    let (s, s1, time) = (&x1.tr(), &x1.tr(), &t.unsqueeze(1));
    let rest: Tensor = 1.0 - time;
    let sd: Tensor = &rest * (time * s).exp();
    let offset = &x - time * s1;
    let weights = ((&offset / &sd).square() * -0.5 - sd.log()).softmax(1, Kind::Double);
    let rate: Tensor = s - rest.reciprocal();
    let velocity: Tensor = s1 + offset * rate;
    let expected = (&weights * velocity).sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
    assert!(found.velocity.allclose(&expected, 1e-9, 1e-9, false), "{} {expected}", found.velocity);
    let effective = weights.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double).reciprocal();
    assert!(found.effective.allclose(&effective, 1e-9, 1e-9, false));
}
