//! Layers computed by kernels against the same layers with libtorch's operations, which a JVP forces. Without the
//! feature `kernels` both use libtorch's operations.

use strait_autodiff::{Dual, Graph, Jet, Order, jvp, vjp};
use strait_core::{Bijection, Condition, ConditionJet, Error, Parameters, Seed};
use strait_flows::{ActNorm, Active, Chain, CouplingLayer, Gate, Glow, Layer, Plan, Plu, Setting, Transform};
use tch::{Device, Kind, Tensor};

fn normal(name: &str, shape: &[i64], kind: Kind) -> Tensor {
    Seed(3).stream(name).at(0).normal(shape, kind, Device::Cpu).unwrap()
}

/// Layers of vectors of three, and of images, with perturbed parameters.
fn layers(kind: Kind) -> Vec<(String, Vec<i64>, Box<dyn Layer + Send>)> {
    let mut all: Vec<(String, Vec<i64>, Box<dyn Layer + Send>)> = vec![];
    let transforms = [
        Transform::Additive,
        Transform::affine(),
        Transform::spline(),
        Transform::Spline { bins: 1, bound: 2.0 },
        Transform::Spline { bins: 17, bound: 2.0 },
    ];
    for (event, gate) in [(&[3i64] as &[i64], Gate::Start), (&[3], Gate::Timeless), (&[4, 2, 2], Gate::Open)] {
        let mut parameters = Parameters::new(Seed(0), kind, Device::Cpu);
        let mut root = parameters.root();
        let channels = event[0];
        let mut add = |name: String, layer: Box<dyn Layer + Send>| all.push((name, event.to_vec(), layer));
        add(format!("act norm {gate:?}"), Box::new(ActNorm::new(&mut root.sub("norm"), channels, gate).unwrap()));
        add(format!("plu {gate:?}"), Box::new(Plu::new(&mut root.sub("plu"), channels, gate).unwrap()));
        let setting = Setting { event, context: &[], gate, hidden: &[5, 4] };
        for (i, transform) in transforms.into_iter().enumerate() {
            let scope = &mut root.sub(&format!("coupling{i}"));
            let coupling = CouplingLayer::new(scope, &setting, transform, Active::First).unwrap();
            add(format!("{transform} {gate:?} {event:?}"), Box::new(coupling));
        }
        if let [d] = *event {
            let plan = Plan { steps: 2, hidden: &[5], gate, ..Plan::default() };
            let glow = Glow::vector(&mut root.sub("glow"), d, &plan).unwrap();
            add(format!("glow {gate:?}"), Box::new(Chain::new().then(glow)));
        }
        for (name, tensor) in parameters.named() {
            let noise = normal(&name, &tensor.size(), kind) * 0.3;
            tch::no_grad(|| tensor.shallow_clone().f_add_(&noise).map(drop)).unwrap();
        }
    }
    all
}

/// Image and log-determinant with their gradients under random cotangents.
fn with_gradients(outputs: [Tensor; 2], leaves: &[Tensor]) -> Vec<Tensor> {
    let (y, w): (Vec<Tensor>, Vec<Tensor>) = outputs
        .iter()
        .filter(|y| y.requires_grad())
        .map(|y| (y.shallow_clone(), normal("cotangent", &y.size(), y.kind())))
        .unzip();
    let gradients = vjp(&y, &w, leaves, Graph::Free).unwrap();
    outputs.into_iter().chain(gradients).collect()
}

#[test]
fn layers_are_the_same_with_kernels_and_without() {
    for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-3)] {
        for (name, event, layer) in layers(kind) {
            let x = (normal("x", &[&[6], event.as_slice()].concat(), kind) * 1.5).set_requires_grad(true);
            let t = Tensor::linspace(0.0, 1.0, 6, (kind, Device::Cpu));
            let condition = Condition { context: None, t: Some(&t) };
            let leaves: Vec<Tensor> = [x.shallow_clone()].into_iter().chain(layer.parameters()).collect();
            for inverse in [false, true] {
                let run = |x: &Tensor| {
                    let made = if inverse { layer.inverse(x, condition) } else { layer.forward(x, condition) }?;
                    Ok::<_, Error>([made.value, made.log_det])
                };
                let kernel = with_gradients(run(&x).unwrap(), &leaves);
                let duals = jvp(|x| run(&x[0]).map(Vec::from), &[x.shallow_clone()], &[x.detach()]).unwrap();
                let [value, log_det] = <[Dual; 2]>::try_from(duals).unwrap();
                let composed = with_gradients([value.value, log_det.value], &leaves);
                for (i, (a, b)) in kernel.iter().zip(&composed).enumerate() {
                    let off = (a - b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
                    assert!(off < tolerance, "{name}, {kind:?}, inverse {inverse}: {i} is off by {off:e}");
                }
            }
        }
    }
}

#[test]
fn what_moves_is_the_same_with_kernels_and_without() {
    for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-3)] {
        for (name, event, layer) in layers(kind) {
            let draw = |name: &str| normal(name, &[&[6], event.as_slice()].concat(), kind);
            let (x, dx) = (draw("x") * 1.5, draw("dx"));
            let t = Tensor::linspace(0.0, 1.0, 6, (kind, Device::Cpu));
            let push = |x: &Tensor, dx: &Tensor, t: &Tensor| {
                let point = Jet::with_derivatives(x.shallow_clone(), dx.shallow_clone(), Some(x.zeros_like()));
                let moving = ConditionJet { context: None, t: &Jet::variable(t, Order::Second) };
                Ok::<_, Error>(layer.push(&point, moving)?.expect("a closed form"))
            };
            let kernel = push(&x, &dx, &t).unwrap();
            // Its own first derivative by a JVP along the same line, and all of the jet that was made inside of one.
            let inside = |at: &[Tensor]| {
                let jet = push(&at[0], &dx, &at[1])?;
                Ok::<_, Error>(vec![jet.value().shallow_clone(), jet.first(), jet.second()])
            };
            let inputs = [x.shallow_clone(), t.shallow_clone()];
            let composed = jvp(inside, &inputs, &[dx.shallow_clone(), t.ones_like()]).unwrap();
            let pairs = [
                (kernel.value().shallow_clone(), &composed[0].value),
                (kernel.first(), &composed[1].value),
                (kernel.second(), &composed[2].value),
                (kernel.first(), &composed[0].tangent),
                (kernel.second(), &composed[1].tangent),
            ];
            for (i, (a, b)) in pairs.iter().enumerate() {
                let off = (a - *b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
                assert!(off < tolerance, "{name}, {kind:?}: {i} is off by {off:e}");
            }
        }
    }
}
