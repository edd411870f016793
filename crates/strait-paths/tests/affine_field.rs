//! The kernel of an affine path's marginal field against the same with libtorch's operations.

use crate::common::{Net, affine};
use strait_autodiff::{Graph, gradient, vjp};
use strait_core::{
    Draws, Error, InvertibleInterpolant, MovingMarginal, Order, Parameters, Points, Seed, Source, StandardNormal,
    TimeFunction,
};
use strait_laws::interpolant::Case;
use strait_paths::{Affine, Mixing};
use tch::{Device, Kind, Tensor};

/// A standard normal source that does not say so.
struct Unnamed(StandardNormal);

impl Source for Unnamed {
    fn event_shape(&self) -> &[i64] {
        self.0.event_shape()
    }
    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        self.0.sample(n, draws, kind, device)
    }
    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.0.log_density(x)
    }
}

/// An affine path away from its start, and where its field is asked for.
struct Setup {
    path: Affine<Net>,
    parameters: Parameters,
    x: Tensor,
    x1: Tensor,
    t: Tensor,
}

impl Setup {
    /// Q points at each of three times and K endpoints, `spread` apart.
    fn new(event: &[i64], mixing: Mixing, [points, endpoints]: [i64; 2], spread: f64, kind: Kind) -> Self {
        let mut parameters = Parameters::new(Seed(3), kind, Device::Cpu);
        let case = Case { batch: 1, event: event.to_vec(), seed: 5 };
        let path = affine(mixing)(&case, &mut parameters.root()).unwrap();
        let normal = |seed: u64, shape: &[i64]| {
            let mut draws = Seed(seed).stream("x").at(0);
            draws.normal(&[shape, event].concat(), Kind::Double, Device::Cpu).unwrap().to_kind(kind)
        };
        for (i, p) in parameters.tensors().iter().enumerate() {
            let mut draws = Seed(i as u64).stream("noise").at(0);
            let noise = draws.normal(&p.size(), Kind::Double, Device::Cpu).unwrap().to_kind(kind) * 0.3;
            let _ = tch::no_grad(|| p.shallow_clone().f_add_(&noise).unwrap());
        }
        let t = Tensor::from_slice(&[0.05f64, 0.5, 0.9]).to_kind(kind);
        Self { path, parameters, x: normal(1, &[3, points]) * spread, x1: normal(2, &[endpoints]) * spread, t }
    }

    fn shape(&self) -> Vec<i64> {
        self.x1.size()[1..].to_vec()
    }

    fn moving(&self, source: &dyn Source, x: &Tensor) -> MovingMarginal {
        let at = Points { x_t: x, x1: &self.x1, t: &self.t };
        self.path.moving_marginal(source, at).unwrap().unwrap()
    }

    /// The values, and the gradients in the points and in every parameter of a sum that sees each value.
    fn everything(&self, source: &dyn Source) -> Vec<Tensor> {
        let x = self.x.detach().set_requires_grad(true);
        let MovingMarginal { marginal, derivative } = self.moving(source, &x);
        let values = [marginal.velocity, derivative, marginal.log_weight];
        let cotangents: Vec<Tensor> = (values.iter().zip(7u64..))
            .map(|(v, seed)| Seed(seed).stream("w").at(0).normal(&v.size(), v.kind(), Device::Cpu).unwrap())
            .collect();
        let leaves: Vec<Tensor> =
            std::iter::once(&x).chain(self.parameters.tensors()).map(Tensor::shallow_clone).collect();
        let gradients = vjp(&values, &cotangents, &leaves, Graph::Free).unwrap();
        let effective = marginal.log_effective.detach();
        values.iter().map(Tensor::detach).chain([effective]).chain(gradients).collect()
    }
}

/// How far apart, relative to the largest of each tensor.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    let scale = b.abs().max().double_value(&[]).max(1.0);
    (a - b).abs().max().double_value(&[]) / scale
}

#[test]
fn the_kernel_is_the_marginal_with_its_gradients() {
    for mixing in [Mixing::Triangular, Mixing::Diagonal] {
        for event in [&[1i64] as &[i64], &[2], &[3], &[8], &[1, 2, 2]] {
            // Fewer endpoints than lanes, as many, and more; and far apart, where most weights are nothing.
            for (endpoints, spread) in [(1, 1.0), (3, 1.0), (8, 1.5), (21, 1.0), (21, 12.0)] {
                let setup = Setup::new(event, mixing, [5, endpoints], spread, Kind::Double);
                let source = StandardNormal::new(&setup.shape());
                // Far apart, log-weights of some ten thousand are rounded before their differences are taken.
                let tolerance = if spread > 2.0 { 1e-9 } else { 1e-10 };
                let (ours, theirs) = (setup.everything(&source), setup.everything(&Unnamed(source.clone())));
                for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                    assert_eq!(a.size(), b.size());
                    let off = apart(a, b);
                    assert!(
                        off < tolerance,
                        "{mixing:?} {event:?}, {endpoints} endpoints {spread} apart, tensor {i}: {off:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn in_single_precision_it_is_as_good_as_libtorch() {
    let setup = |kind| Setup::new(&[2], Mixing::Triangular, [16, 64], 1.5, kind);
    let source = StandardNormal::new(&[2]);
    let (double, single) = (setup(Kind::Double), setup(Kind::Float));
    let exact = double.everything(&source);
    let (ours, theirs) = (single.everything(&source), single.everything(&Unnamed(source.clone())));
    for (i, ((a, b), exact)) in ours.iter().zip(&theirs).zip(&exact).enumerate() {
        let off = |x: &Tensor| apart(&x.to_kind(Kind::Double), exact);
        assert!(off(a) < 3.0 * off(b) + 2e-6, "tensor {i}: {:e} against {:e}", off(a), off(b));
    }
}

#[test]
fn nan_is_not_hidden() {
    let setup = Setup::new(&[2], Mixing::Triangular, [2, 9], 1.0, Kind::Float);
    let x = setup.x.copy();
    let _ = x.get(1).get(0).get(1).fill_(f64::NAN);
    let found = setup.moving(&StandardNormal::new(&[2]), &x);
    for value in [found.derivative.abs().sum(Kind::Float), found.marginal.velocity.abs().sum(Kind::Float)] {
        assert!(value.double_value(&[]).is_nan());
    }
    // A point sees its own numbers alone.
    assert!(found.derivative.get(2).isfinite().all().int64_value(&[]) == 1);
}

/// Of the kernel: libtorch's operations have one.
#[cfg(feature = "kernels")]
#[test]
fn a_second_derivative_is_refused_by_name() {
    let setup = Setup::new(&[2], Mixing::Triangular, [2, 9], 1.0, Kind::Float);
    let x = setup.x.detach().set_requires_grad(true);
    let loss = setup.moving(&StandardNormal::new(&[2]), &x).derivative.square().sum(Kind::Float);
    let refused = gradient(&loss, &[x], Graph::Record).unwrap_err();
    assert!(matches!(refused, strait_autodiff::AutodiffError::NoSecondDerivative { .. }), "{refused}");
}

/// A wanted derivative in t goes by the operations that have one.
#[test]
fn what_the_kernel_cannot_do_is_left_to_others() {
    let setup = Setup::new(&[2], Mixing::Triangular, [2, 9], 1.0, Kind::Double);
    let t = setup.t.detach().set_requires_grad(true);
    let at = Points { x_t: &setup.x, x1: &setup.x1, t: &t };
    let source = StandardNormal::new(&[2]);
    let found = setup.path.moving_marginal(&source, at).unwrap().unwrap();
    let gradients = gradient(&found.derivative.square().sum(Kind::Double), &[t], Graph::Free).unwrap();
    assert!(gradients[0].abs().min().double_value(&[]) > 0.0);
    assert!(
        setup.path.network().jet(&setup.x1, &Tensor::zeros([9], (Kind::Double, Device::Cpu)), Order::First).is_ok()
    );
}
