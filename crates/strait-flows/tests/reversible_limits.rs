//! Where a walk back is hard: whatever the layers, the samples and the conditions are, its gradients are right or refused.

use strait_autodiff::{Graph, gradient};
use strait_core::{Bijection, Condition, Error, Parameters, Scope, Seed};
use strait_flows::reversible::{Direction, Gradients, Memory, Point, Start, pull_back};
use strait_flows::{Chain, Exponential, FlowError, Gate, Glow, Layer, Plan, Plu, Reversible, Transform};
use tch::{Device, Kind, Tensor};

const KIND: Kind = Kind::Float;
const ROWS: i64 = 32;

fn draw(name: &str, shape: &[i64]) -> Tensor {
    Seed(6).stream(name).at(0).normal(shape, KIND, Device::Cpu).unwrap()
}

/// A flow whose parameters are normal, of a size.
fn flow<L: Layer>(size: f64, build: impl FnOnce(&mut Scope<'_>) -> Result<L, Error>) -> L {
    let mut parameters = Parameters::new(Seed(1), KIND, Device::Cpu);
    let flow = build(&mut parameters.root()).unwrap();
    for (name, tensor) in parameters.named() {
        let noise = Seed(5).stream(&name).at(0).normal(&tensor.size(), KIND, Device::Cpu).unwrap() * size;
        tch::no_grad(|| tensor.shallow_clone().f_copy_(&noise).map(drop)).unwrap();
    }
    flow
}

/// What a case came to.
#[derive(Debug, PartialEq)]
enum Found {
    Right,
    Refused,
    /// Off by such a share.
    Wrong(f64),
}

/// Each number of a sample weighs as much as any other, whatever its size is.
fn held(flow: &dyn Layer, start: &Start<'_>) -> Found {
    let weight = start.point.value.abs().mean_dim([0i64].as_slice(), true, KIND).clamp_min(1e-6).reciprocal();
    let run = |memory| {
        pull_back(flow, start, &[], memory, |z, log_det| {
            let tangent = z.tangent.as_ref().map_or_else(|| Tensor::from(0.0), |dz| dz.square().mean(KIND));
            Ok((&z.value * &weight).tanh().mean(KIND) - log_det.mean(KIND) * 0.01 + tangent)
        })
    };
    let ordinary = run(Memory::Ordinary).unwrap();
    let reversible = match run(Memory::Reversible) {
        Ok(reversible) => reversible,
        Err(Error::Other(error)) if matches!(error.downcast_ref(), Some(FlowError::NotReversible { .. })) => {
            return Found::Refused;
        }
        Err(error) => panic!("{error}"),
    };
    let of = |g: &Gradients| Tensor::cat(&g.parameters.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0);
    let values = |g: &Gradients| g.value.flatten(0, -1);
    let off = |a: Tensor, b: Tensor| ((b - &a).norm() / a.norm()).double_value(&[]);
    let off = off(of(&ordinary), of(&reversible)).max(off(values(&ordinary), values(&reversible)));
    if off < 0.02 { Found::Right } else { Found::Wrong(off) }
}

fn check(what: &str, flow: &dyn Layer, x: &Tensor, dx: Option<&Tensor>, condition: Condition<'_>) -> [Found; 2] {
    [Direction::Forward, Direction::Inverse].map(|direction| {
        let point = Point { value: x.shallow_clone(), tangent: dx.map(Tensor::shallow_clone) };
        let found = held(flow, &Start { direction, point: &point, condition, dt: None });
        assert!(!matches!(found, Found::Wrong(_)), "{what}, {direction:?}: {found:?}");
        found
    })
}

/// One number of each sample is far larger than the others, which are lost beside it.
#[test]
fn numbers_of_a_sample_are_held_to_their_own_size() {
    let mut refused = 0;
    for ratio in [1e-4, 1.0, 1e2, 1e4, 1e6] {
        for (size, steps) in [(0.02, 4), (0.05, 8), (0.1, 4)] {
            let plan = Plan { steps, ..Plan::default() };
            let flow = flow(size, |scope| Glow::vector(scope, 8, &plan));
            let x = draw("x", &[ROWS, 8]);
            let _ = x.narrow(1, 2, 1).f_mul_scalar_(ratio).unwrap();
            let found = check(&format!("{ratio:e}, {size}, {steps}"), &flow, &x, None, Condition::NONE);
            refused += found.iter().filter(|found| **found == Found::Refused).count();
        }
    }
    println!("{refused} of 30 refused");
}

#[test]
fn splines_images_and_conditions_are_right_or_refused() {
    for size in [0.02, 0.1, 0.3, 1.0] {
        for steps in [2, 8] {
            let plan = Plan { steps, transform: Transform::spline(), ..Plan::default() };
            let spline = flow(size, |scope| Glow::vector(scope, 6, &plan));
            check(&format!("spline {size}"), &spline, &(draw("x", &[ROWS, 6]) * 3.0), None, Condition::NONE);
            let plan = Plan { steps, ..Plan::default() };
            let image = flow(size, |scope| Glow::image(scope, [1, 8, 8], 2, &plan));
            check(&format!("image {size}"), &image, &draw("x", &[ROWS, 1, 8, 8]), None, Condition::NONE);
            let plan = Plan { steps, context: &[3], gate: Gate::Start, ..Plan::default() };
            let given = flow(size, |scope| Glow::vector(scope, 6, &plan));
            for far in [1.0, 1e3] {
                let context = draw("c", &[ROWS, 3]) * far;
                let t = Tensor::linspace(0.0, 1.0, ROWS, (KIND, Device::Cpu));
                let condition = Condition { context: Some(&context), t: Some(&t) };
                check(&format!("context {far} {size}"), &given, &draw("x", &[ROWS, 6]), None, condition);
            }
        }
    }
}

/// Tangents of another size than their points, and matrices that are nearly singular.
#[test]
fn tangents_and_stiff_matrices_are_right_or_refused() {
    for size in [0.02, 0.1, 0.3] {
        let plan = Plan { steps: 4, ..Plan::default() };
        let glow = flow(size, |scope| Glow::vector(scope, 8, &plan));
        for scale in [1e-6, 1.0, 1e6] {
            let (x, dx) = (draw("x", &[ROWS, 8]), draw("dx", &[ROWS, 8]) * scale);
            check(&format!("tangent {scale:e} {size}"), &glow, &x, Some(&dx), Condition::NONE);
        }
    }
    for size in [0.5, 1.0, 2.0, 3.0] {
        let x = draw("x", &[ROWS, 4]);
        let stiff = flow(size, |scope| {
            Ok(Chain::new().then(Exponential::new(scope, 4, Gate::Timeless)?).then(Plu::new(
                &mut scope.sub("second"),
                4,
                Gate::Timeless,
            )?))
        });
        check(&format!("stiff {size}"), &stiff, &x, Some(&draw("dx", &[ROWS, 4])), Condition::NONE);
    }
}

/// A gradient of parameters that have moved since is that of no function at all.
#[test]
fn parameters_that_moved_before_the_walk_back_are_refused() {
    let mut parameters = Parameters::new(Seed(1), KIND, Device::Cpu);
    let plan = Plan { steps: 2, hidden: &[8], ..Plan::default() };
    let flow = Reversible::new(Glow::vector(&mut parameters.root(), 3, &plan).unwrap());
    let x = draw("x", &[ROWS, 3]).set_requires_grad(true);
    for (name, tensor) in parameters.named() {
        let before = tensor.detach().copy();
        let loss = flow.forward(&x, Condition::NONE).unwrap().value.tanh().sum(KIND);
        tch::no_grad(|| tensor.shallow_clone().f_add_scalar_(1e-3).map(drop)).unwrap();
        let found = gradient(&loss, &[x.shallow_clone()], Graph::Free);
        assert!(found.is_err(), "{name} moved, and nothing is said");
        tch::no_grad(|| tensor.shallow_clone().f_copy_(&before).map(drop)).unwrap();
    }
}
