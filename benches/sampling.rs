//! The cost of sampling: 100 Euler steps through a 3x64 MLP, on one thread.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use strait_core::{Parameters, Seed};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_ode::{Options, RungeKutta, TimeGrid, solve};
use tch::{Device, Kind};

fn euler(c: &mut Criterion) {
    tch::set_num_threads(1);
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let config = MlpConfig {
        input: 2,
        hidden: vec![64, 64, 64],
        output: 2,
        activation: Activation::Selu,
        time: TimeFeatures::Raw,
        zero_last: false,
    };
    let field = Mlp::new(&config, &mut parameters.root()).expect("a fresh network");
    let grid = TimeGrid::uniform(100).expect("100 steps");
    let mut group = c.benchmark_group("sampling/euler-100/mlp-3x64");
    group.sample_size(20);
    for n in [256i64, 10_000] {
        let x = Seed(1).stream("source").at(0).normal(&[n, 2], Kind::Float, Device::Cpu).expect("points");
        let mut stepper = RungeKutta::euler();
        group.bench_with_input(BenchmarkId::from_parameter(n), &x, |b, x| {
            b.iter(|| solve(&field, black_box(x), &grid, &mut stepper, Options::default()).expect("finite").x);
        });
    }
    group.finish();
}

criterion_group!(benches, euler);
criterion_main!(benches);
