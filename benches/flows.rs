//! What a log-determinant costs, by layer and size; what a step of training costs, by depth.
//!
//! `cargo bench -p strait-benches --bench flows`. One thread, float32.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use strait_core::{Bijection, Condition, Parameters, Seed};
use strait_flows::strait_autodiff::{Graph, vjp};
use strait_flows::{
    ActNorm, Active, Base, Coupling, Density, Exponential, Gate, Glow, Layer, Memory, Plan, Plu, Setting, Transform,
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

/// Value and log-determinant, forward, of one layer of each kind on 256 vectors.
fn layers(c: &mut Criterion) {
    let mut group = c.benchmark_group("layer");
    for d in [2i64, 16, 64, 256] {
        let mut set = parameters();
        let setting = Setting { event: &[d], context: &[], gate: Gate::Timeless, hidden: &[64, 64] };
        let mut root = set.root();
        let mut coupling = |transform, name| -> Box<dyn Layer> {
            Box::new(Coupling::new(&mut root.sub(name), &setting, transform, Active::Last).unwrap())
        };
        let mut all: Vec<(&str, Box<dyn Layer>)> = vec![
            ("additive", coupling(Transform::Additive, "additive")),
            ("affine", coupling(Transform::affine(), "affine")),
            ("spline", coupling(Transform::spline(), "spline")),
        ];
        all.push(("act_norm", Box::new(ActNorm::new(&mut root.sub("norm"), d, Gate::Timeless).unwrap())));
        all.push(("plu", Box::new(Plu::new(&mut root.sub("plu"), d, Gate::Timeless).unwrap())));
        all.push(("exponential", Box::new(Exponential::new(&mut root.sub("exp"), d, Gate::Timeless).unwrap())));
        perturb(&set);
        let x = normal("x", &[256, d]);
        for (name, layer) in &all {
            group.bench_with_input(BenchmarkId::new(format!("{name}/forward"), d), &x, |b, x| {
                b.iter(|| tch::no_grad(|| black_box(layer.forward(x, Condition::NONE).unwrap())));
            });
            group.bench_with_input(BenchmarkId::new(format!("{name}/inverse"), d), &x, |b, x| {
                b.iter(|| tch::no_grad(|| black_box(layer.inverse(x, Condition::NONE).unwrap())));
            });
        }
    }
}

/// The log-determinant of one linear map of d dimensions: from its factors, by slogdet, by the autograd Jacobian.
fn jacobian(c: &mut Criterion) {
    let mut group = c.benchmark_group("log_det");
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
    // The log-determinant is a sum over channels: it does not see H and W. What grows is the map itself.
    for side in [4i64, 16, 64] {
        let mut set = parameters();
        let layer = Plu::new(&mut set.root(), 12, Gate::Timeless).unwrap();
        let x = normal("x", &[1, 12, side, side]);
        group.bench_with_input(BenchmarkId::new("plu_of_12_channels/side", side), &x, |b, x| {
            b.iter(|| tch::no_grad(|| black_box(layer.forward(x, Condition::NONE).unwrap().log_det)));
        });
    }
}

/// A likelihood with its gradients, ordinary and reversible.
fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("glow");
    group.sample_size(20);
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
    config = Criterion::default().sample_size(30);
    targets = layers, jacobian, training
}
criterion_main!(flows);
