//! Edge cases: fresh layers, closed gates, inputs far from 0, depth, initialisation from data, refusals.

use strait_core::{Bijection, Condition, ConditionJet, Error, Jet, Parameters, Scope, Seed};
use strait_flows::{
    ActNorm, Active, Base, Chain, ChannelMixing, CouplingLayer, Density, Exponential, FlowError, Gate, Glow, Layer,
    Memory, Permutation, Plan, Plu, Setting, Transform, bits_per_dimension, dequantise,
};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

fn normal(name: &str, shape: &[i64], kind: Kind) -> Tensor {
    Seed(3).stream(name).at(0).normal(shape, kind, CPU).unwrap()
}

fn perturb(parameters: &Parameters, by: f64) {
    for (name, tensor) in parameters.named() {
        let noise = normal(&name, &tensor.size(), tensor.kind()) * by;
        tch::no_grad(|| tensor.shallow_clone().f_add_(&noise).map(drop)).unwrap();
    }
}

fn every_layer(scope: &mut Scope<'_>, event: &[i64], gate: Gate) -> Result<Vec<Box<dyn Layer + Send>>, Error> {
    let c = event[0];
    let setting = Setting { event, context: &[2], gate, hidden: &[8] };
    let mut layers: Vec<Box<dyn Layer + Send>> = vec![
        Box::new(ActNorm::new(&mut scope.sub("norm"), c, gate)?),
        Box::new(Plu::new(&mut scope.sub("plu"), c, gate)?),
        Box::new(Exponential::new(&mut scope.sub("exponential"), c, gate)?),
    ];
    for (i, transform) in [Transform::Additive, Transform::affine(), Transform::spline()].into_iter().enumerate() {
        let scope = &mut scope.sub(&format!("coupling{i}"));
        layers.push(Box::new(CouplingLayer::new(scope, &setting, transform, Active::Last)?));
    }
    for mixing in [ChannelMixing::Plu, ChannelMixing::Exponential] {
        let plan = Plan { steps: 2, hidden: &[8], context: &[2], gate, mixing, transform: Transform::spline() };
        let scope = &mut scope.sub(&format!("{mixing:?}"));
        layers.push(match *event {
            [c, h, w] => Box::new(Glow::image(scope, [c, h, w], 1, &plan)?),
            _ => Box::new(Glow::vector(scope, c, &plan)?),
        });
    }
    Ok(layers)
}

fn is_identity(layer: &dyn Layer, x: &Tensor, condition: Condition<'_>) {
    for out in [layer.forward(x, condition).unwrap(), layer.inverse(x, condition).unwrap()] {
        assert_eq!(out.value, *x, "{layer}");
        assert_eq!(out.log_det, x.new_zeros([x.size()[0]], (x.kind(), CPU)), "{layer}");
    }
}

#[test]
fn fresh_layers_are_the_identity_to_the_bit() {
    for kind in [Kind::Float, Kind::Double] {
        for event in [&[5i64][..], &[3, 4, 4]] {
            for gate in [Gate::Timeless, Gate::Open, Gate::Start] {
                let mut parameters = Parameters::new(Seed(0), kind, CPU);
                let layers = every_layer(&mut parameters.root(), event, gate).unwrap();
                let x = normal("x", &[&[4], event].concat(), kind) * 3.0;
                let (c, t) = (normal("c", &[4, 2], kind), Tensor::from_slice(&[0.0, 0.3, 0.7, 1.0]).to_kind(kind));
                for layer in layers {
                    is_identity(layer.as_ref(), &x, Condition { context: Some(&c), t: Some(&t) });
                }
            }
        }
    }
}

#[test]
fn closed_gates_are_the_identity_to_the_bit_whatever_the_parameters() {
    for (gate, closed) in [(Gate::Start, vec![0.0f32; 4]), (Gate::Endpoints, vec![0.0, 1.0, 0.0, 1.0])] {
        for event in [&[5i64][..], &[3, 4, 4]] {
            let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
            let layers = every_layer(&mut parameters.root(), event, gate).unwrap();
            perturb(&parameters, 0.5);
            let x = normal("x", &[&[4], event].concat(), Kind::Float) * 3.0;
            let (c, t) = (normal("c", &[4, 2], Kind::Float), Tensor::from_slice(&closed));
            for layer in layers {
                is_identity(layer.as_ref(), &x, Condition { context: Some(&c), t: Some(&t) });
                let open = Tensor::from_slice(&[0.5f32; 4]);
                let moved = layer.forward(&x, Condition { context: Some(&c), t: Some(&open) }).unwrap();
                assert_ne!(moved.value, x, "{layer}");
            }
        }
    }
}

#[test]
fn inputs_far_out_stay_finite_and_come_back() {
    for transform in [Transform::Additive, Transform::affine(), Transform::spline()] {
        let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
        let setting = Setting { event: &[4], context: &[], gate: Gate::Timeless, hidden: &[32, 32] };
        let coupling = CouplingLayer::new(&mut parameters.root(), &setting, transform, Active::Last).unwrap();
        perturb(&parameters, 0.3);
        for size in [1.0, 1e2, 1e4, 1e6] {
            let x = normal("x", &[64, 4], Kind::Float) * size;
            let (y, back) =
                (coupling.forward(&x, Condition::NONE).unwrap(), coupling.inverse(&x, Condition::NONE).unwrap());
            for tensor in [&y.value, &y.log_det, &back.value, &back.log_det] {
                assert!(bool::try_from(tensor.isfinite().all()).unwrap(), "{transform} at {size:e}");
            }
            // What float32 allows: an error of the size of the larger of the two numbers that were added.
            let home = coupling.inverse(&y.value, Condition::NONE).unwrap().value;
            let scale = x.abs().max().double_value(&[]).max(y.value.abs().max().double_value(&[]));
            let off = (home - &x).abs().max().double_value(&[]) / scale;
            // A flat part of a spline magnifies it by one over its slope.
            let tolerance = if matches!(transform, Transform::Spline { .. }) { 1e-3 } else { 1e-5 };
            assert!(off < tolerance, "{transform} at {size:e}: off by {off:e} of the largest");
        }
    }
}

/// 32 steps on slightly moved parameters: round trips within 1e-10 in float64, 1e-4 in float32.
#[test]
fn deep_flows_come_back() {
    for transform in [Transform::Additive, Transform::affine(), Transform::spline()] {
        for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-4)] {
            let plan = Plan { steps: 32, hidden: &[16], transform, ..Plan::default() };
            let mut parameters = Parameters::new(Seed(0), kind, CPU);
            let flows: [Box<dyn Layer + Send>; 2] = [
                Box::new(Glow::vector(&mut parameters.root().sub("v"), 6, &plan).unwrap()),
                Box::new(
                    Glow::image(&mut parameters.root().sub("i"), [1, 4, 4], 2, &Plan { steps: 16, ..plan }).unwrap(),
                ),
            ];
            perturb(&parameters, 0.05);
            for (flow, shape) in flows.iter().zip([&[32i64, 6][..], &[32, 1, 4, 4]]) {
                let x = normal("x", shape, kind);
                let y = flow.forward(&x, Condition::NONE).unwrap();
                let back = flow.inverse(&y.value, Condition::NONE).unwrap();
                let off = ((back.value - &x).abs() / (x.abs() + 1.0)).max().double_value(&[]);
                let opposite = ((back.log_det + &y.log_det).abs() / (y.log_det.abs() + 1.0)).max().double_value(&[]);
                assert!(
                    off < tolerance && opposite < tolerance,
                    "{transform} {kind:?} {shape:?}: {off:e}, {opposite:e}"
                );
            }
        }
    }
}

fn flow_error(error: &Error) -> Option<&FlowError> {
    match error {
        Error::Other(error) => error.downcast_ref(),
        _ => None,
    }
}

#[test]
fn initialisation_standardises_or_says_why_not() {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
    let norm = ActNorm::new(&mut parameters.root(), 2, Gate::Timeless).unwrap();
    let refused = |batch: &Tensor| flow_error(&norm.initialise(batch, Condition::NONE).unwrap_err()).cloned();
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, CPU));
    assert_eq!(refused(&zeros(&[0, 2])), Some(FlowError::EmptyBatch));
    assert_eq!(refused(&zeros(&[1, 2])), Some(FlowError::OneValue));
    let still = Tensor::from_slice(&[3.0f32, 7.0, 3.0, 7.0]).view([2, 2]);
    assert_eq!(refused(&still), Some(FlowError::ConstantBatch { value: 3.0 }));
    assert!(parameters.tensors().iter().all(|p| p.abs().max().double_value(&[]) == 0.0), "a refusal changed something");
    let far = normal("x", &[500, 2], Kind::Float) * 0.01 + 1000.0;
    let z = norm.initialise(&far, Condition::NONE).unwrap();
    assert!(z.mean(Kind::Double).double_value(&[]).abs() < 1e-2);
    assert!((z.std(false).double_value(&[]) - 1.0).abs() < 1e-2);
    assert_eq!(z, norm.inverse(&far, Condition::NONE).unwrap().value);
}

/// What initialisation set is in the parameters, so that a resumed run has it and needs no second one.
/// What the loaders say is usable: a column that never varies, and one that varies in few rows, which a batch need not hold.
#[test]
fn a_constant_channel_is_centred_and_left_at_the_scale_of_the_others() {
    for (kind, value) in [(Kind::Float, 0.1), (Kind::Double, -7.0)] {
        let mut x = normal("x", &[50, 3], kind) * Tensor::from_slice(&[2.0, 4.0, 0.0]).to_kind(kind);
        x += Tensor::from_slice(&[1.0, 2.0, value]).to_kind(kind);
        for transform in [Transform::affine(), Transform::spline()] {
            let mut parameters = Parameters::new(Seed(0), kind, CPU);
            let plan = Plan { steps: 4, hidden: &[8], transform, ..Plan::default() };
            let glow = Glow::vector(&mut parameters.root(), 3, &plan).unwrap();
            let z = glow.initialise(&x, Condition::NONE).unwrap();
            assert_eq!(z.select(1, 2).abs().max().double_value(&[]), 0.0, "{kind:?}, {transform}");
            let back = glow.forward(&z, Condition::NONE).unwrap().value;
            assert!((back - &x).abs().max().double_value(&[]) < 1e-5, "{kind:?}, {transform}");
            // A row in which the column is another number is no outlier of many scales.
            let rare = &x + Tensor::from_slice(&[0.0, 0.0, 1.0]).to_kind(kind);
            let z = glow.inverse(&rare, Condition::NONE).unwrap().value;
            assert!(z.select(1, 2).abs().max().double_value(&[]) < 1.0, "{kind:?}, {transform}");
        }
    }
}

#[test]
fn initialisation_survives_a_file() {
    let build = |seed: u64| {
        let mut parameters = Parameters::new(Seed(seed), Kind::Float, CPU);
        let plan = Plan { steps: 2, hidden: &[8], ..Plan::default() };
        let flow = Glow::image(&mut parameters.root().sub("flow"), [1, 4, 4], 2, &plan).unwrap();
        let base = Base::learned(&mut parameters.root().sub("base"), &[1, 4, 4]).unwrap();
        (parameters, Density::new(flow, base))
    };
    let x = normal("x", &[64, 1, 4, 4], Kind::Float) * 3.0 + 5.0;
    let (parameters, density) = build(0);
    density.initialise(&x, Condition::NONE).unwrap();
    let z = density.flow.inverse(&x, Condition::NONE).unwrap().value;
    assert!((z.std(false).double_value(&[]) - 1.0).abs() < 1e-4 && z.mean(Kind::Double).double_value(&[]).abs() < 1e-4);
    let file = std::env::temp_dir().join(format!("strait-flows-{}.safetensors", std::process::id()));
    strait_flows::save(&parameters, &file).unwrap();
    let (other, twin) = build(1);
    strait_flows::load(&other, &file).unwrap();
    let at = |density: &Density<Glow>| density.log_density(&x, Condition::NONE).unwrap();
    assert_eq!(at(&density), at(&twin));
    let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
    let plan = Plan { steps: 2, hidden: &[9], ..Plan::default() };
    Glow::image(&mut parameters.root().sub("flow"), [1, 4, 4], 2, &plan).unwrap();
    let message = strait_flows::load(&parameters, &file).unwrap_err().to_string();
    assert!(message.contains("tensor `flow.level1.step0.coupling.layer0.weight`: shape"), "{message}");
    std::fs::remove_file(&file).unwrap();
    let message = strait_flows::load(&parameters, &file).unwrap_err().to_string();
    assert!(message.contains("strait-flows-"), "{message}");
}

#[test]
fn refusals_name_what_is_wrong() {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
    let setting = Setting { event: &[4], context: &[2], gate: Gate::Start, hidden: &[8] };
    let coupling = CouplingLayer::new(&mut parameters.root(), &setting, Transform::affine(), Active::Last).unwrap();
    let (x, c, t) =
        (normal("x", &[3, 4], Kind::Float), normal("c", &[3, 2], Kind::Float), normal("t", &[3], Kind::Float));
    let message = |x: &Tensor, context: Option<&Tensor>, t: Option<&Tensor>| {
        coupling.forward(x, Condition { context, t }).unwrap_err().to_string()
    };
    assert_eq!(message(&x, None, Some(&t)), "a coupling needs a context in its condition");
    assert_eq!(message(&x, Some(&c), None), "a coupling needs a time in its condition");
    assert!(message(&x.narrow(1, 0, 3), Some(&c), Some(&t)).starts_with("x: shape [3, 3], expected (B, 4)"));
    assert!(message(&x, Some(&c.narrow(0, 0, 2)), Some(&t)).starts_with("context: shape [2, 2]"));
    assert!(message(&x, Some(&c), Some(&t.narrow(0, 0, 2))).starts_with("t: shape [2], expected (3,)"));
    assert!(
        message(&x.to_kind(Kind::Double), Some(&c), Some(&t)).starts_with("x is Double on Cpu, and the layer Float")
    );
    assert!(message(&x, Some(&c.to_kind(Kind::Double)), Some(&t)).starts_with("context is Double"));
    for order in [&[0i64, 0][..], &[1, 2], &[-1, 0]] {
        assert!(matches!(flow_error(&Permutation::new(order).unwrap_err()), Some(FlowError::NotAPermutation { .. })));
    }
    let bad = [
        Setting { event: &[], ..setting },
        Setting { event: &[0], ..setting },
        Setting { context: &[1, 4, 4], ..setting },
        Setting { hidden: &[0], ..setting },
    ];
    for setting in bad {
        let error = CouplingLayer::new(&mut parameters.root().sub("bad"), &setting, Transform::affine(), Active::Last);
        assert!(matches!(flow_error(&error.unwrap_err()), Some(FlowError::Setting { .. })), "{setting:?}");
    }
    for transform in [Transform::Affine { bound: f64::NAN }, Transform::Spline { bins: 0, bound: 1.0 }] {
        let error = CouplingLayer::new(&mut parameters.root().sub("bad"), &setting, transform, Active::Last);
        assert!(matches!(flow_error(&error.unwrap_err()), Some(FlowError::Setting { .. })), "{transform}");
    }
    let plan = Plan { hidden: &[4], ..Plan::default() };
    let error = Glow::image(&mut parameters.root().sub("bad"), [1, 4, 6], 2, &plan).map(drop).unwrap_err();
    assert!(matches!(flow_error(&error), Some(FlowError::Setting { setting: "scales", .. })));
}

#[test]
fn a_coupling_of_vectors_takes_no_images_and_one_of_images_no_vectors() {
    let t = Tensor::from_slice(&[0.2f32, 0.4, 0.9]);
    for (event, other) in [(&[4i64] as &[i64], &[3i64, 4, 4, 4] as &[i64]), (&[4, 4, 4], &[3, 4])] {
        for context in [&[] as &[i64], &[2]] {
            let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
            let setting = Setting { event, context, gate: Gate::Start, hidden: &[8] };
            let coupling =
                CouplingLayer::new(&mut parameters.root(), &setting, Transform::affine(), Active::Last).unwrap();
            let (x, c) = (normal("x", other, Kind::Float), normal("c", &[3, 2], Kind::Float));
            let condition = Condition { context: Some(&c), t: Some(&t) };
            let pushed = coupling.push(&Jet::constant(&x), ConditionJet { context: Some(&c), t: &Jet::constant(&t) });
            let found = [
                coupling.forward(&x, condition).map(drop),
                coupling.inverse(&x, condition).map(drop),
                pushed.map(drop),
            ];
            for found in found {
                assert!(matches!(found, Err(Error::Shape { what: "x", .. })), "{event:?}, {context:?}: {found:?}");
            }
        }
    }
}

#[test]
fn an_empty_batch_comes_through() {
    for event in [&[5i64][..], &[3, 4, 4]] {
        for gate in [Gate::Timeless, Gate::Start] {
            let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
            let x = normal("x", &[&[0], event].concat(), Kind::Float);
            let (c, t) = (normal("c", &[0, 2], Kind::Float), normal("t", &[0], Kind::Float));
            let condition = Condition { context: Some(&c), t: Some(&t) };
            for layer in every_layer(&mut parameters.root(), event, gate).unwrap() {
                is_identity(layer.as_ref(), &x, condition);
                let pushed = layer.push(&Jet::constant(&x), ConditionJet { context: Some(&c), t: &Jet::constant(&t) });
                assert!(pushed.unwrap().is_none_or(|y| y.value().size() == x.size()), "{layer}");
            }
        }
    }
}

#[test]
fn a_density_integrates_to_one_and_its_samples_carry_it() {
    let mut parameters = Parameters::new(Seed(0), Kind::Double, CPU);
    let plan = Plan { steps: 3, hidden: &[8], transform: Transform::spline(), ..Plan::default() };
    let flow = Glow::vector(&mut parameters.root().sub("flow"), 2, &plan).unwrap();
    let density = Density::new(flow, Base::learned(&mut parameters.root().sub("base"), &[2]).unwrap());
    perturb(&parameters, 0.2);
    let n = 400;
    let axis = Tensor::linspace(-12.0, 12.0, n, (Kind::Double, CPU));
    let grid = Tensor::cartesian_prod(&[&axis, &axis]);
    let cell = (24.0 / (n - 1) as f64).powi(2);
    let total = density.log_density(&grid, Condition::NONE).unwrap().exp().sum(Kind::Double).double_value(&[]) * cell;
    assert!((total - 1.0).abs() < 1e-3, "{total}");
    let samples = density.sample(100, 0.7, Condition::NONE, &mut Seed(0).stream("z").at(0)).unwrap();
    let again = density.log_density(&samples.value, Condition::NONE).unwrap();
    assert!(samples.log_density.allclose(&again, 1e-9, 1e-9, false));
    let cold = density.sample(100, 0.0, Condition::NONE, &mut Seed(0).stream("z").at(0)).unwrap().value;
    assert_eq!(cold.get(0), cold.get(99));
}

/// A uniform law on the integers has log2 n bits a dimension.
#[test]
fn bits_per_dimension_of_a_known_law() {
    let k = Seed(0).stream("k").at(0).integers(256, &[50, 3], CPU).unwrap();
    let x = dequantise(&k, 256, Kind::Double, &mut Seed(0).stream("u").at(0)).unwrap();
    assert_eq!((&x * 256.0).floor(), k.to_kind(Kind::Double));
    let log_density = x.new_zeros([50], (Kind::Double, CPU)); // of the uniform law on [0, 1)^3
    assert_eq!(bits_per_dimension(&log_density, 3, 256), log_density + 8.0);
    let doubled = bits_per_dimension(&Tensor::from_slice(&[3.0 * std::f64::consts::LN_2]), 3, 2);
    assert!(doubled.double_value(&[0]).abs() < 1e-15);
}

/// Also where k + u rounds to k + 1: of so many numbers a few in single precision, half of them in sixteen bits.
#[test]
fn noise_does_not_carry_an_integer_into_the_next_bin() {
    let k = Tensor::full([1 << 20], 255, (Kind::Int64, CPU));
    for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
        let x = dequantise(&k, 256, kind, &mut Seed(0).stream("u").at(0)).unwrap();
        assert!(x.max().double_value(&[]) < 1.0, "{kind:?}");
        assert!(x.min().double_value(&[]) >= 255.0 / 256.0, "{kind:?}");
    }
}

#[test]
fn the_gradient_of_the_likelihood_is_that_of_autograd_with_the_base_in_it() {
    let mut parameters = Parameters::new(Seed(0), Kind::Double, CPU);
    let plan = Plan { steps: 2, hidden: &[8], ..Plan::default() };
    let flow = Glow::vector(&mut parameters.root().sub("flow"), 3, &plan).unwrap();
    let density = Density::new(flow, Base::learned(&mut parameters.root().sub("base"), &[3]).unwrap());
    perturb(&parameters, 0.2);
    let x = normal("x", &[16, 3], Kind::Double);
    let loss = -density.log_density(&x, Condition::NONE).unwrap().mean(Kind::Double);
    let all = density.parameters();
    assert_eq!(all.len(), parameters.tensors().len());
    let expected = strait_autodiff::gradient(&loss, &all, strait_autodiff::Graph::Free).unwrap();
    for memory in [Memory::Ordinary, Memory::Reversible] {
        let found = density.likelihood(&x, Condition::NONE, memory).unwrap();
        for (a, b) in found.parameters.iter().chain(&found.others).zip(&expected) {
            assert!(a.allclose(b, 1e-9, 1e-9, false), "{memory:?}");
        }
    }
}

#[test]
fn a_chain_prints_a_line_for_each_layer() {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, CPU);
    let setting = Setting { event: &[3], context: &[2], gate: Gate::Start, hidden: &[8] };
    let chain = Chain::new()
        .then(CouplingLayer::new(&mut parameters.root().sub("a"), &setting, Transform::affine(), Active::Last).unwrap())
        .then(Plu::new(&mut parameters.root().sub("b"), 3, Gate::Start).unwrap());
    let expected = "Chain of 2:
  CouplingLayer(affine within e^±2, 1 of 3 channels move the rest, hidden [8], context [2], gate t)
  Plu(3 channels, gate t)
";
    assert_eq!(chain.to_string(), expected);
}
