//! The cost of a log-determinant, by layer and size; of a training step, by depth; and of a derivative in t.
//!
//! `cargo bench -p strait-benches --bench flows`. One thread, float32.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use strait_core::{Bijection, Condition, Parameters, Seed};
use strait_flows::strait_autodiff::{Graph, jvp, vjp};
use strait_flows::{
    ActNorm, Active, Base, CouplingLayer, Density, Exponential, Gate, Glow, Layer, Memory, Plan, Plu, Setting,
    Transform,
};
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn parameters() -> Parameters {
    tch::set_num_threads(1);
    Parameters::new(Seed(0), FLOAT.0, FLOAT.1)
}

fn perturb(parameters: &Parameters) {
    for (name, tensor) in parameters.named() {
        let noise = normal(&name, &tensor.size()) * 0.05;
        tch::no_grad(|| tensor.shallow_clone().f_add_(&noise).map(drop)).unwrap();
    }
}

fn normal(name: &str, shape: &[i64]) -> Tensor {
    Seed(0).stream(name).at(0).normal(shape, FLOAT.0, FLOAT.1).unwrap()
}

/// Value and log-determinant in both directions of one layer of each kind: on 256 vectors by their dimension, on 16
/// images of 8x8 by their channels.
fn layers(c: &mut Criterion) {
    for d in [2i64, 16, 64, 256] {
        each_layer(c, "vectors", &[256, d]);
    }
    for channels in [4i64, 16, 48] {
        each_layer(c, "images", &[16, channels, 8, 8]);
    }
}

fn each_layer(c: &mut Criterion, what: &str, shape: &[i64]) {
    let mut group = c.benchmark_group(format!("flows/{what}"));
    let mut set = parameters();
    let d = shape[1];
    let setting = Setting { event: &shape[1..], context: &[], gate: Gate::Timeless, hidden: &[64, 64] };
    let mut root = set.root();
    let mut coupling = |transform, name| -> Box<dyn Layer + Send> {
        Box::new(CouplingLayer::new(&mut root.sub(name), &setting, transform, Active::Last).unwrap())
    };
    let mut all: Vec<(&str, Box<dyn Layer + Send>)> = vec![
        ("additive", coupling(Transform::Additive, "additive")),
        ("affine", coupling(Transform::affine(), "affine")),
        ("spline", coupling(Transform::spline(), "spline")),
    ];
    all.push(("act_norm", Box::new(ActNorm::new(&mut root.sub("norm"), d, Gate::Timeless).unwrap())));
    all.push(("plu", Box::new(Plu::new(&mut root.sub("plu"), d, Gate::Timeless).unwrap())));
    all.push(("exponential", Box::new(Exponential::new(&mut root.sub("exp"), d, Gate::Timeless).unwrap())));
    perturb(&set);
    let x = normal("x", shape);
    for (name, layer) in &all {
        group.bench_with_input(BenchmarkId::new(format!("{name}/forward"), d), &x, |b, x| {
            b.iter(|| tch::no_grad(|| black_box(layer.forward(x, Condition::NONE).unwrap())));
        });
        group.bench_with_input(BenchmarkId::new(format!("{name}/inverse"), d), &x, |b, x| {
            b.iter(|| tch::no_grad(|| black_box(layer.inverse(x, Condition::NONE).unwrap())));
        });
    }
}

/// The log-determinant of one linear map of d dimensions: from its factors, by slogdet, by the autograd Jacobian.
fn jacobian(c: &mut Criterion) {
    let mut group = c.benchmark_group("flows/log_det");
    for d in [8i64, 32, 128] {
        let mut set = parameters();
        let layer = Plu::new(&mut set.root(), d, Gate::Timeless).unwrap();
        perturb(&set);
        let (x, weight) = (normal("x", &[1, d]), normal("w", &[d, d]));
        group.bench_with_input(BenchmarkId::new("plu", d), &x, |b, x| {
            b.iter(|| tch::no_grad(|| black_box(layer.forward(x, Condition::NONE).unwrap())));
        });
        group.bench_with_input(BenchmarkId::new("slogdet", d), &x, |b, x| {
            b.iter(|| (black_box(x.matmul(&weight)), black_box(weight.slogdet())));
        });
        group.bench_with_input(BenchmarkId::new("autograd", d), &x, |b, x| {
            b.iter(|| {
                let x = x.repeat([d, 1]).set_requires_grad(true);
                let y = layer.forward(&x, Condition::NONE).unwrap().value;
                let rows = vjp(&[y], &[Tensor::eye(d, FLOAT)], &[x], Graph::Free).unwrap();
                black_box(rows[0].slogdet())
            });
        });
    }
}

/// A likelihood with its gradients by depth, ordinary and reversible. (Memory: the example `memory` of strait-flows.)
fn depth(c: &mut Criterion) {
    let mut group = c.benchmark_group("flows/depth");
    for steps in [4usize, 16, 64] {
        let mut set = parameters();
        let plan = Plan { steps, hidden: &[32, 32], ..Plan::default() };
        let flow = Glow::vector(&mut set.root(), 32, &plan).unwrap();
        let density = Density::new(flow, Base::standard(&[32], FLOAT.0, FLOAT.1));
        perturb(&set);
        let x = normal("x", &[1024, 32]);
        for memory in [Memory::Ordinary, Memory::Reversible] {
            group.bench_with_input(BenchmarkId::new(format!("{memory:?}"), steps), &x, |b, x| {
                b.iter(|| black_box(density.likelihood(x, Condition::NONE, memory).unwrap()));
            });
        }
    }
}

/// Value, and derivative in t by forward mode, of a small Glow that is conditioned on the data point and gated by t; with
/// the gradients of its parameters.
fn in_time(c: &mut Criterion) {
    let mut group = c.benchmark_group("flows/in_time");
    for batch in [512i64, 4096] {
        let mut set = parameters();
        let plan = Plan { steps: 4, hidden: &[32, 32], context: &[2], gate: Gate::Start, ..Plan::default() };
        let flow = Glow::vector(&mut set.root(), 2, &plan).unwrap();
        perturb(&set);
        let (x, context, one) = (normal("x", &[batch, 2]), normal("c", &[batch, 2]), Tensor::ones([batch], FLOAT));
        let t = Seed(0).stream("t").at(0).uniform(&[batch], FLOAT.0, FLOAT.1).unwrap();
        let at = |t: &Tensor| flow.forward(&x, Condition { context: Some(&context), t: Some(t) });
        let pulled = |y: Vec<Tensor>| {
            let cotangents: Vec<Tensor> = y.iter().map(Tensor::ones_like).collect();
            vjp(&y, &cotangents, set.tensors(), Graph::Free).unwrap()
        };
        group.bench_function(BenchmarkId::new("forward", batch), |b| b.iter(|| pulled(vec![at(&t).unwrap().value])));
        group.bench_function(BenchmarkId::new("inverse", batch), |b| {
            let condition = Condition { context: Some(&context), t: Some(&t) };
            b.iter(|| pulled(vec![flow.inverse(&x, condition).unwrap().value]));
        });
        group.bench_function(BenchmarkId::new("velocity", batch), |b| {
            b.iter(|| {
                let image = |v: &[Tensor]| Ok::<_, strait_core::Error>(vec![at(&v[0])?.value]);
                let dual = jvp(image, &[t.shallow_clone()], &[one.shallow_clone()]).unwrap().remove(0);
                pulled(vec![dual.value, dual.tangent])
            });
        });
    }
}

/// A likelihood with its gradients, ordinary and reversible.
fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("flows/glow");
    for (name, depth, batch, d) in [("small", 8, 256, 2i64), ("large", 8, 4096, 64)] {
        let mut set = parameters();
        let plan = Plan { steps: depth, hidden: &[64, 64], ..Plan::default() };
        let flow = Glow::vector(&mut set.root(), d, &plan).unwrap();
        let density = Density::new(flow, Base::standard(&[d], FLOAT.0, FLOAT.1));
        perturb(&set);
        let x = normal("x", &[batch, d]);
        for memory in [Memory::Ordinary, Memory::Reversible] {
            group.bench_with_input(BenchmarkId::new(format!("{memory:?}"), name), &x, |b, x| {
                b.iter(|| black_box(density.likelihood(x, Condition::NONE, memory).unwrap()));
            });
        }
        group.bench_with_input(BenchmarkId::new("sample", name), &batch, |b, &n| {
            let mut draws = Seed(0).stream("z").at(0);
            b.iter(|| tch::no_grad(|| black_box(density.sample(n, 1.0, Condition::NONE, &mut draws).unwrap())));
        });
    }
    let mut set = parameters();
    let plan = Plan { steps: 4, hidden: &[32, 32], ..Plan::default() };
    let flow = Glow::image(&mut set.root(), [1, 28, 28], 2, &plan).unwrap();
    let density = Density::new(flow, Base::standard(&[1, 28, 28], FLOAT.0, FLOAT.1));
    perturb(&set);
    let x = normal("x", &[32, 1, 28, 28]);
    for memory in [Memory::Ordinary, Memory::Reversible] {
        group.bench_with_input(BenchmarkId::new(format!("{memory:?}"), "image 28x28"), &x, |b, x| {
            b.iter(|| black_box(density.likelihood(x, Condition::NONE, memory).unwrap()));
        });
    }
}

criterion_group! {
    name = flows;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = layers, jacobian, depth, in_time, training
}
criterion_main!(flows);
