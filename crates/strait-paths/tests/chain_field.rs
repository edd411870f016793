//! The kernel of a Glow path's marginal field against the same by double reverse mode, operation by operation.
#![cfg(feature = "kernels")]

use strait_autodiff::{AutodiffError, Graph, gradient, vjp};
use strait_core::{Error, InvertibleInterpolant, MovingMarginal, Parameters, Points, Scope, Seed, StandardNormal};
use strait_flows::{
    self as flows, Active, Chain, ChannelMixing, CouplingLayer, Gate, Permutation, Plan, Setting, Transform,
};
use strait_paths::{Along, ExactField, GlowPath, MovingExact};
use tch::{Device, Kind, Tensor};

/// A Glow path away from its start, and where its field is asked for.
struct Setup {
    path: GlowPath<Box<dyn flows::Layer>>,
    parameters: Parameters,
    x: Tensor,
    x1: Tensor,
    t: Tensor,
}

fn normal(seed: u64, shape: &[i64], kind: Kind) -> Tensor {
    Seed(seed).stream("x").at(0).normal(shape, Kind::Double, Device::Cpu).unwrap().to_kind(kind)
}

/// A whole Glow, with a permutation, that sees the end or not; couplings alone, of both halves; couplings that are not
/// gated or see no time.
#[derive(Debug, Clone, Copy)]
enum Flow {
    Glow,
    Blind,
    Couplings(Gate),
}

fn build(flow: Flow, d: i64, scope: &mut Scope<'_>) -> Result<Box<dyn flows::Layer>, Error> {
    Ok(match flow {
        Flow::Glow | Flow::Blind => {
            let context: &[i64] = if matches!(flow, Flow::Glow) { &[d] } else { &[] };
            let plan = Plan { steps: 2, hidden: &[5], context, gate: Gate::Start, ..Plan::default() };
            let glow = flows::Glow::vector(scope, d, &plan)?;
            Box::new(Chain::new().then(glow).then(Permutation::reverse(d)))
        }
        Flow::Couplings(gate) => {
            let setting = Setting { event: &[d], context: &[d], gate, hidden: &[6] };
            let halves = [Active::First, Active::Last, Active::First];
            Box::new(halves.into_iter().enumerate().try_fold(Chain::new(), |chain, (i, active)| {
                Ok::<_, Error>(chain.then(CouplingLayer::new(
                    &mut scope.sub(&i.to_string()),
                    &setting,
                    Transform::Affine { bound: 1.5 },
                    active,
                )?))
            })?)
        }
    })
}

impl Setup {
    /// Q points at each of three times and K endpoints, `spread` apart.
    fn new(flow: Flow, d: i64, [points, endpoints]: [i64; 2], spread: f64, kind: Kind) -> Self {
        let mut parameters = Parameters::new(Seed(3), kind, Device::Cpu);
        let path = GlowPath::new(build(flow, d, &mut parameters.root()).unwrap());
        for (i, p) in parameters.tensors().iter().enumerate() {
            let noise = normal(i as u64, &p.size(), kind) * 0.4;
            let _ = tch::no_grad(|| p.shallow_clone().f_add_(&noise).unwrap());
        }
        let t = Tensor::from_slice(&[0.05f64, 0.5, 0.9]).to_kind(kind);
        let x = normal(1, &[3, points, d], kind) * spread;
        Self { path, parameters, x, x1: normal(2, &[endpoints, d], kind) * spread, t }
    }

    /// The values, and the gradients in the points and in every parameter of a sum that sees each value.
    fn everything(&self, moving: impl Fn(&Tensor) -> [Tensor; 3]) -> Vec<Tensor> {
        let x = self.x.detach().set_requires_grad(true);
        let values = moving(&x);
        let cotangents: Vec<Tensor> =
            values.iter().zip(7u64..).map(|(v, seed)| normal(seed, &v.size(), v.kind())).collect();
        let leaves: Vec<Tensor> =
            std::iter::once(&x).chain(self.parameters.tensors()).map(Tensor::shallow_clone).collect();
        let gradients = vjp(&values, &cotangents, &leaves, Graph::Free).unwrap();
        values.iter().map(Tensor::detach).chain(gradients).collect()
    }

    fn by_kernel(&self) -> Vec<Tensor> {
        self.everything(|x| {
            let at = Points { x_t: x, x1: &self.x1, t: &self.t };
            let source = StandardNormal::new(&self.x1.size()[1..]);
            let MovingMarginal { marginal, derivative } = self.path.moving_marginal(&source, at).unwrap().unwrap();
            // Its gradient is by definition that of twice the log-weight; its value says how many endpoints count.
            let square = marginal.effective().detach();
            assert!(square.min().double_value(&[]) > 0.999);
            [marginal.velocity, derivative, marginal.log_weight]
        })
    }

    fn by_operations(&self) -> Vec<Tensor> {
        let source = StandardNormal::new(&self.x1.size()[1..]);
        self.everything(|x| {
            let field = ExactField::new(
                &self.path,
                &source,
                &crate::common::Independent(true),
                self.x1.shallow_clone(),
                1 << 40,
            );
            let field = field.unwrap();
            let MovingExact { velocity, derivative, .. } = field.moving(x, &self.t, Along::Reverse).unwrap();
            let log_density = field.at_times(x, &self.t).unwrap().log_density;
            [velocity, derivative, log_density + (self.x1.size()[0] as f64).ln()]
        })
    }
}

/// How far apart, relative to the largest of each tensor.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    let scale = b.abs().max().double_value(&[]).max(1.0);
    (a - b).abs().max().double_value(&[]) / scale
}

const FLOWS: [Flow; 6] = [
    Flow::Glow,
    Flow::Blind,
    Flow::Couplings(Gate::Start),
    Flow::Couplings(Gate::Endpoints),
    Flow::Couplings(Gate::Open),
    Flow::Couplings(Gate::Timeless),
];

#[test]
fn the_kernel_is_the_marginal_with_its_gradients() {
    for flow in FLOWS {
        for d in [1, 2, 3, 8] {
            // Fewer endpoints than lanes, as many, and more; and far apart, where most weights are nothing.
            for (endpoints, spread) in [(1, 1.0), (4, 1.0), (13, 1.0), (13, 6.0)] {
                let setup = Setup::new(flow, d, [3, endpoints], spread, Kind::Double);
                let tolerance = if spread > 2.0 { 1e-8 } else { 1e-10 };
                for (i, (a, b)) in setup.by_kernel().iter().zip(&setup.by_operations()).enumerate() {
                    assert_eq!(a.size(), b.size());
                    let off = apart(a, b);
                    assert!(
                        off < tolerance,
                        "{flow:?}, {d} dimensions, {endpoints} endpoints {spread} apart, tensor {i}: {off:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn in_single_precision_it_is_as_good_as_libtorch() {
    let setup = |kind| Setup::new(Flow::Glow, 2, [8, 32], 1.5, kind);
    let exact = setup(Kind::Double).by_operations();
    let single = setup(Kind::Float);
    for (i, ((a, b), exact)) in single.by_kernel().iter().zip(&single.by_operations()).zip(&exact).enumerate() {
        let off = |x: &Tensor| apart(&x.to_kind(Kind::Double), exact);
        assert!(off(a) < 3.0 * off(b) + 3e-6, "tensor {i}: {:e} against {:e}", off(a), off(b));
    }
}

#[test]
fn nan_stays_with_its_point_and_a_second_derivative_is_refused() {
    let setup = Setup::new(Flow::Glow, 2, [2, 9], 1.0, Kind::Float);
    let x = setup.x.copy();
    let _ = x.get(1).get(0).get(1).fill_(f64::NAN);
    let x = x.set_requires_grad(true);
    let at = Points { x_t: &x, x1: &setup.x1, t: &setup.t };
    let found = setup.path.moving_marginal(&StandardNormal::new(&[2]), at).unwrap().unwrap();
    for value in [&found.derivative, &found.marginal.velocity] {
        let finite = value.isfinite().all_dim(2, false);
        assert_eq!(Vec::<bool>::try_from(finite.flatten(0, 1)).unwrap(), [true, true, false, true, true, true]);
    }
    let refused = gradient(&found.derivative.square().sum(Kind::Float), &[x], Graph::Record).unwrap_err();
    assert!(matches!(refused, AutodiffError::NoSecondDerivative { .. }), "{refused}");
}

#[test]
fn a_flow_that_is_not_lowered_has_no_closed_form() {
    let kind = Kind::Double;
    let spline = Plan {
        steps: 1,
        hidden: &[5],
        transform: Transform::spline(),
        context: &[2],
        gate: Gate::Start,
        ..Plan::default()
    };
    let deep = Plan { transform: Transform::affine(), hidden: &[5, 5], ..spline };
    let mixed = Plan { transform: Transform::affine(), mixing: ChannelMixing::Exponential, ..spline };
    let (x, x1, t) = (normal(1, &[1, 3, 2], kind), normal(2, &[4, 2], kind), Tensor::from_slice(&[0.5f64]));
    for plan in [spline, deep, mixed] {
        let mut parameters = Parameters::new(Seed(3), kind, Device::Cpu);
        let path = GlowPath::new(flows::Glow::vector(&mut parameters.root(), 2, &plan).unwrap());
        let at = Points { x_t: &x, x1: &x1, t: &t };
        assert!(path.moving_marginal(&StandardNormal::new(&[2]), at).unwrap().is_none(), "{plan:?}");
    }
}
