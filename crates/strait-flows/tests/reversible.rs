//! Gradients by layer-wise inversion equal those of ordinary autograd, for every layer, in both directions, with and
//! without a tangent.

use strait_autodiff::{Graph, Jet, Order, gradient};
use strait_core::{Bijection, Condition, ConditionJet, Error, Init, Parameters, Scope, Seed};
use strait_flows::reversible::{Direction, Gradients, Memory, Point, Start, pull_back};
use strait_flows::{
    ActNorm, Active, Chain, CouplingLayer, Exponential, FactorOut, FlowError, Gate, Glow, Layer, Permutation, Plan,
    Plu, Reversible, Setting, Squeezed, Transform,
};
use tch::{Device, Kind, Tensor};

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

fn normal(name: &str, shape: &[i64]) -> Tensor {
    Seed(5).stream(name).at(0).normal(shape, DOUBLE.0, DOUBLE.1).unwrap()
}

fn perturb(parameters: &Parameters) {
    for (name, tensor) in parameters.named() {
        let noise = normal(&name, &tensor.size()) * 0.2;
        tch::no_grad(|| tensor.shallow_clone().f_add_(&noise).map(drop)).unwrap();
    }
}

/// A loss that sees all there is, with weights of its own.
fn gradients(flow: &dyn Layer, start: &Start<'_>, weight: &Tensor, memory: Memory) -> Gradients {
    pull_back(flow, start, std::slice::from_ref(weight), memory, |y, log_det| {
        let tangent = y.tangent.as_ref().map_or_else(|| Tensor::from(0.0), |dy| (dy.square() * weight).sum(DOUBLE.0));
        Ok((y.value.sin() * weight).sum(DOUBLE.0) + log_det.square().sum(DOUBLE.0) + tangent)
    })
    .unwrap()
}

fn agrees(
    name: &str,
    event: &[i64],
    context: &[i64],
    build: impl Fn(&mut Scope<'_>) -> Result<Box<dyn Layer + Send>, Error>,
) {
    let mut parameters = Parameters::new(Seed(1), DOUBLE.0, DOUBLE.1);
    let flow = build(&mut parameters.root()).unwrap();
    perturb(&parameters);
    let batch = |shape: &[i64]| [&[3], shape].concat();
    let x = normal("x", &batch(event));
    let c = normal("c", &batch(context)).set_requires_grad(true);
    let t = Tensor::from_slice(&[0.0f64, 0.3, 0.9]).set_requires_grad(true);
    let (dt, weight) = (t.ones_like().detach(), normal("w", &batch(event)).set_requires_grad(true));
    for direction in [Direction::Forward, Direction::Inverse] {
        for tangent in [None, Some(normal("dx", &batch(event)))] {
            let point = Point { value: x.shallow_clone(), tangent };
            let condition = Condition { context: Some(&c), t: Some(&t) };
            let dt = point.tangent.is_some().then_some(&dt);
            let start = Start { direction, point: &point, condition, dt };
            let ordinary = gradients(flow.as_ref(), &start, &weight, Memory::Ordinary);
            let reversible = gradients(flow.as_ref(), &start, &weight, Memory::Reversible);
            let all = |g: Gradients| {
                let mut all = vec![g.loss, g.value];
                all.extend(g.tangent);
                // A condition that nothing depends on has a gradient of zero, or none.
                all.push(g.context.unwrap_or_else(|| c.zeros_like()));
                all.push(g.t.unwrap_or_else(|| t.zeros_like()));
                all.into_iter().chain(g.others).chain(g.parameters).collect::<Vec<Tensor>>()
            };
            let (ordinary, reversible) = (all(ordinary), all(reversible));
            assert_eq!(ordinary.len(), reversible.len());
            for (i, (a, b)) in ordinary.iter().zip(&reversible).enumerate() {
                let (off, size) = ((a - b).abs().max().double_value(&[]), a.abs().max().double_value(&[]));
                let tangent = point.tangent.is_some();
                assert!(off <= 1e-9 * (1.0 + size), "{name} {direction:?} tangent {tangent}: {i} is off by {off:e}");
            }
        }
    }
}

fn boxed<L: Layer + Send + 'static>(layer: L) -> Result<Box<dyn Layer + Send>, Error> {
    Ok(Box::new(layer))
}

fn setting(event: &[i64]) -> Setting<'_> {
    Setting { event, context: &[2], gate: Gate::Start, hidden: &[5] }
}

#[test]
fn single_layers() {
    agrees("act norm", &[3], &[2], |s| boxed(ActNorm::new(s, 3, Gate::Start)?));
    agrees("plu", &[3], &[2], |s| boxed(Plu::new(s, 3, Gate::Start)?));
    agrees("plu of images", &[3, 2, 2], &[2], |s| boxed(Plu::new(s, 3, Gate::Timeless)?));
    agrees("exponential", &[3], &[2], |s| boxed(Exponential::new(s, 3, Gate::Start)?));
    agrees("additive", &[3], &[2], |s| {
        boxed(CouplingLayer::new(s, &setting(&[3]), Transform::Additive, Active::First)?)
    });
    agrees("affine", &[3], &[2], |s| boxed(CouplingLayer::new(s, &setting(&[3]), Transform::affine(), Active::First)?));
    agrees("spline", &[3], &[2], |s| boxed(CouplingLayer::new(s, &setting(&[3]), Transform::spline(), Active::Last)?));
    agrees("one dimension", &[1], &[2], |s| {
        boxed(CouplingLayer::new(s, &setting(&[1]), Transform::affine(), Active::Last)?)
    });
}

#[test]
fn compositions() {
    agrees("permuted", &[3], &[2], |s| {
        boxed(Chain::new().then(Permutation::reverse(3)).then(ActNorm::new(s, 3, Gate::Endpoints)?))
    });
    agrees("factor-out", &[3], &[2], |s| boxed(FactorOut::new(Plu::new(s, 2, Gate::Start)?, 2)?));
    agrees("squeezed", &[1, 2, 4], &[2], |s| boxed(Squeezed::new(Plu::new(s, 4, Gate::Start)?)));
    let plan = Plan { steps: 3, hidden: &[5], context: &[2], gate: Gate::Start, ..Plan::default() };
    agrees("glow", &[3], &[2], |s| boxed(Glow::vector(s, 3, &plan)?));
    agrees("glow of images", &[1, 4, 4], &[2], |s| boxed(Glow::image(s, [1, 4, 4], 2, &plan)?));
    let plan = Plan { context: &[1, 4, 4], ..plan };
    agrees("glow of images beside an image", &[1, 4, 4], &[1, 4, 4], |s| boxed(Glow::image(s, [1, 4, 4], 2, &plan)?));
}

/// As a bijection, in a graph of others: forward, inverse and along a time, of which two calls share parameters.
#[test]
fn a_reversible_flow_is_one_node_of_the_same_gradients() {
    let plan = Plan { steps: 3, hidden: &[5], context: &[2], gate: Gate::Start, ..Plan::default() };
    let build = |s: &mut Scope<'_>, event: &[i64]| match *event {
        [c, h, w] => Glow::image(s, [c, h, w], 2, &plan).unwrap(),
        _ => Glow::vector(s, event[0], &plan).unwrap(),
    };
    for event in [&[3i64] as &[i64], &[1, 4, 4]] {
        let shape = [&[3], event].concat();
        let x = normal("x", &shape).set_requires_grad(true);
        let dx = normal("dx", &shape).set_requires_grad(true);
        let c = normal("c", &[3, 2]).set_requires_grad(true);
        let t = Tensor::from_slice(&[0.0f64, 0.3, 0.9]).set_requires_grad(true);
        let gradients = |is_reversible: bool| -> (Tensor, Vec<Tensor>) {
            let mut parameters = Parameters::new(Seed(1), DOUBLE.0, DOUBLE.1);
            let flow = build(&mut parameters.root(), event);
            perturb(&parameters);
            let flow: Box<dyn Layer> = if is_reversible { Box::new(Reversible::new(flow)) } else { Box::new(flow) };
            let condition = Condition { context: Some(&c), t: Some(&t) };
            let image = flow.forward(&(&x * 2.0), condition).unwrap();
            let back = flow.inverse(&image.value.sin(), condition).unwrap();
            let point = Jet::with_derivatives(back.value.shallow_clone(), dx.shallow_clone(), None);
            let time = Jet::variable(&t, Order::First);
            let moved = flow.push(&point, ConditionJet { context: Some(&c), t: &time }).unwrap().unwrap();
            let loss = (moved.first().sin() * normal("w", &shape)).sum(DOUBLE.0)
                + moved.value().square().sum(DOUBLE.0)
                + image.log_det.square().sum(DOUBLE.0)
                + (back.log_det * &t).sum(DOUBLE.0);
            let leaves = [&x, &dx, &c, &t].map(Tensor::shallow_clone);
            let all: Vec<Tensor> =
                leaves.into_iter().chain(parameters.tensors().iter().map(Tensor::shallow_clone)).collect();
            (loss.detach(), gradient(&loss, &all, Graph::Free).unwrap())
        };
        let ((loss, ordinary), (same, reversible)) = (gradients(false), gradients(true));
        assert!((loss - same).abs().double_value(&[]) < 1e-10);
        for (i, (a, b)) in ordinary.iter().zip(&reversible).enumerate() {
            let (off, size) = ((a - b).abs().max().double_value(&[]), a.abs().max().double_value(&[]));
            assert!(size > 0.0 && off <= 1e-9 * (1.0 + size), "{event:?}: {i} is off by {off:e} of {size:e}");
        }
    }
}

/// What a walk back cannot give is an error, and not a wrong number.
#[test]
fn a_reversible_flow_refuses_what_it_cannot_give() {
    let mut parameters = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
    let plan = Plan { steps: 8, hidden: &[8], ..Plan::default() };
    let flow = Reversible::new(Glow::vector(&mut parameters.root(), 3, &plan).unwrap());
    let x = (normal("x", &[3, 3]) * 3.0).to_kind(Kind::Float).set_requires_grad(true);
    let loss = |flow: &Reversible<Glow>| flow.forward(&x, Condition::NONE).unwrap().value.square().sum(Kind::Float);
    let leaf = [x.shallow_clone()];
    let twice = gradient(&loss(&flow), &leaf, Graph::Record).unwrap_err().to_string();
    assert!(twice.contains("no gradient of its gradient"), "{twice}");
    // Layers that blow up lose the digits of where they began.
    for tensor in parameters.tensors() {
        tch::no_grad(|| tensor.shallow_clone().f_add_(&(tensor.ones_like() * 2.5)).map(drop)).unwrap();
    }
    let lost = gradient(&loss(&flow), &leaf, Graph::Free).unwrap_err().to_string();
    assert!(lost.contains("the input came back off by"), "{lost}");
}

/// A layer of one's own needs `parameters` only.
#[test]
fn a_layer_of_ones_own() {
    struct Double(Tensor);
    impl strait_core::Bijection for Double {
        fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<strait_core::Transformed, Error> {
            let log_det = strait_core::sum_per_sample(&self.0.expand_as(x));
            Ok(strait_core::Transformed { value: x * self.0.exp(), log_det })
        }
        fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<strait_core::Transformed, Error> {
            let log_det = -strait_core::sum_per_sample(&self.0.expand_as(y));
            Ok(strait_core::Transformed { value: y * (-&self.0).exp(), log_det })
        }
    }
    impl std::fmt::Display for Double {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Double")
        }
    }
    impl Layer for Double {
        fn parameters(&self) -> Vec<Tensor> {
            vec![self.0.shallow_clone()]
        }
    }
    agrees("one's own", &[3], &[2], |s| boxed(Chain::new().then(Double(s.tensor("s", &[3], Init::Constant(0.0))?))));
}

/// A walk back that loses its digits is refused: its gradients would be those of other points.
#[test]
fn a_walk_back_that_does_not_arrive_is_refused() {
    let mut refused = 0;
    for (size, steps) in [(0.02, 4), (0.05, 8), (0.1, 16), (0.3, 16), (1.0, 16)] {
        for kind in [Kind::Float, Kind::Double] {
            let mut parameters = Parameters::new(Seed(1), kind, Device::Cpu);
            let plan = Plan { steps, ..Plan::default() };
            let flow = Glow::vector(&mut parameters.root(), 8, &plan).unwrap();
            for (name, tensor) in parameters.named() {
                let noise = Seed(5).stream(&name).at(0).normal(&tensor.size(), kind, Device::Cpu).unwrap() * size;
                tch::no_grad(|| tensor.shallow_clone().f_copy_(&noise).map(drop)).unwrap();
            }
            let x = Seed(6).stream("x").at(0).normal(&[64, 8], kind, Device::Cpu).unwrap();
            let point = Point { value: x, tangent: None };
            let start = Start { direction: Direction::Inverse, point: &point, condition: Condition::NONE, dt: None };
            let run = |memory| {
                pull_back(&flow, &start, &[], memory, |z, log_det| {
                    Ok((z.value.square().flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, kind) * 0.5
                        - log_det)
                        .mean(kind))
                })
            };
            let ordinary = run(Memory::Ordinary).unwrap();
            let flat = |g: &[Tensor]| Tensor::cat(&g.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0);
            let exact = flat(&ordinary.parameters);
            match run(Memory::Reversible) {
                Ok(found) => {
                    let off = (flat(&found.parameters) - &exact).norm() / exact.norm();
                    println!("{size} {steps} {kind:?}: {:e}", off.double_value(&[]));
                    assert!(off.double_value(&[]) < 0.02, "{size} {steps} {kind:?}: {:e}", off.double_value(&[]));
                }
                Err(error) => {
                    println!("{size} {steps} {kind:?}: {error}");
                    let strait_core::Error::Other(error) = error else { panic!("{error}") };
                    assert!(matches!(error.downcast_ref(), Some(FlowError::NotReversible { .. })), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0, "the hardest of these cases lose all digits");
}

/// The gradients of a batch by both ways, or what was refused.
fn both(flow: &dyn Layer, point: &Point, kind: Kind) -> (Gradients, Result<Gradients, Error>) {
    let start = Start { direction: Direction::Inverse, point, condition: Condition::NONE, dt: None };
    let run = |memory| {
        pull_back(flow, &start, &[], memory, |z, log_det| {
            let tangent = z.tangent.as_ref().map_or_else(|| Tensor::from(0.0), |dz| dz.square().mean(kind));
            Ok(z.value.tanh().mean(kind) - log_det.mean(kind) * 0.01 + tangent)
        })
    };
    (run(Memory::Ordinary).unwrap(), run(Memory::Reversible))
}

/// Whether a batch has one sample that is large or samples that are 0: what is right is not refused, and what was lost in
/// the small samples is not hidden by the large one.
#[test]
fn samples_are_held_to_their_own_size() {
    let kind = Kind::Float;
    let build = |size: f64, steps| {
        let mut parameters = Parameters::new(Seed(1), kind, Device::Cpu);
        let plan = Plan { steps, ..Plan::default() };
        let flow = Glow::vector(&mut parameters.root(), 8, &plan).unwrap();
        for (name, tensor) in parameters.named() {
            let noise = Seed(5).stream(&name).at(0).normal(&tensor.size(), kind, Device::Cpu).unwrap() * size;
            tch::no_grad(|| tensor.shallow_clone().f_copy_(&noise).map(drop)).unwrap();
        }
        flow
    };
    let draw = |name: &str| Seed(6).stream(name).at(0).normal(&[64, 8], kind, Device::Cpu).unwrap();
    let off = |ordinary: &Gradients, found: &Gradients| {
        let flat = |g: &[Tensor]| Tensor::cat(&g.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0);
        let (a, b) = (flat(&ordinary.parameters), flat(&found.parameters));
        ((b - &a).norm() / a.norm()).double_value(&[])
    };
    // A tame flow: zeros, or a sample of another size, are no reason to refuse.
    let tame = build(0.02, 4);
    let with = |row: f64, factor: f64| {
        let x = draw("x") * row;
        let _ = x.narrow(0, 5, 1).f_mul_scalar_(factor).unwrap();
        x
    };
    for (what, x) in [
        ("all are 0", with(0.0, 1.0)),
        ("one is 0", with(1.0, 0.0)),
        ("one is large", with(1.0, 1e4)),
        ("one is small", with(1.0, 1e-6)),
        ("all are small", with(1e-3, 1.0)),
    ] {
        for dx in [None, Some(x.zeros_like()), Some(draw("dx")), Some(with(1.0, 0.0))] {
            let moves = dx.as_ref().map(|dx| dx.abs().max().double_value(&[]));
            let (ordinary, found) = both(&tame, &Point { value: x.shallow_clone(), tangent: dx }, kind);
            let found = found.unwrap_or_else(|error| panic!("{what}, {moves:?}: {error}"));
            assert!(off(&ordinary, &found) < 1e-3, "{what}, {moves:?}: {:e}", off(&ordinary, &found));
        }
    }
    // A layer that moves points so far that they lose digits is refused, and stays so beside a sample that is larger than
    // what is lost.
    let mut parameters = Parameters::new(Seed(1), kind, Device::Cpu);
    let wild = ActNorm::new(&mut parameters.root(), 8, Gate::Timeless).unwrap();
    let shift = parameters.named().into_iter().find(|(name, _)| name.ends_with("shift")).unwrap().1;
    tch::no_grad(|| shift.shallow_clone().f_fill_(1e5).map(drop)).unwrap();
    for factor in [1.0, 1e3, 1e4] {
        let (_, found) = both(&wild, &Point { value: with(1.0, factor), tangent: None }, kind);
        let Err(Error::Other(error)) = found else { panic!("{factor}: it is not refused") };
        assert!(matches!(error.downcast_ref(), Some(FlowError::NotReversible { .. })), "{factor}: {error}");
    }
}
