//! The cost of a million random numbers, drawn by row, beside libtorch's own generator on the same thread.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use strait_core::Seed;
use tch::{Device, Kind, Tensor};

const N: i64 = 1_000_000;

fn draws(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    tch::manual_seed(0);
    let mut group = criterion.benchmark_group("draws");
    group.throughput(Throughput::Elements(N as u64));
    for kind in [Kind::Float, Kind::Double] {
        let options = (kind, Device::Cpu);
        let stream = Seed(0).stream("bench");
        let mut step = 0;
        group.bench_function(BenchmarkId::new("normal, by row", format!("{kind:?}")), |bench| {
            bench.iter(|| {
                step += 1;
                black_box(stream.at(step).normal(&[N], kind, Device::Cpu).unwrap())
            });
        });
        group.bench_function(BenchmarkId::new("normal, libtorch", format!("{kind:?}")), |bench| {
            bench.iter(|| black_box(Tensor::randn([N], options)));
        });
        group.bench_function(BenchmarkId::new("uniform, by row", format!("{kind:?}")), |bench| {
            bench.iter(|| {
                step += 1;
                black_box(stream.at(step).uniform(&[N], kind, Device::Cpu).unwrap())
            });
        });
        group.bench_function(BenchmarkId::new("uniform, libtorch", format!("{kind:?}")), |bench| {
            bench.iter(|| black_box(Tensor::rand([N], options)));
        });
    }
    let mut step = 0;
    group.bench_function("permutation, by seed", |bench| {
        bench.iter(|| {
            step += 1;
            black_box(Seed(step).stream("bench").at(0).permutation(N, Device::Cpu).unwrap())
        });
    });
    group.bench_function("permutation, libtorch", |bench| {
        bench.iter(|| black_box(Tensor::randperm(N, (Kind::Int64, Device::Cpu))));
    });
    group.finish();
}

criterion_group!(benches, draws);
criterion_main!(benches);
