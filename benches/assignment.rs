//! The cost of an exact minibatch assignment: points in the plane and in 3,072 dimensions, one thread.
//!
//! `benches/peers/assignment.py` compares the same with POT and SciPy.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use std::hint::black_box;
use strait_core::Seed;
use strait_transport::assignment::{Dense, SquaredEuclidean, assign};
use tch::{Device, Kind, Tensor};

/// A standard normal cloud, and one of eight Gaussians whose centres lie on a circle of radius 5 in the first plane.
fn clouds(n: usize, d: usize) -> (Array2<f64>, Array2<f64>) {
    let normal = |name: &str| {
        let points = Seed(0).stream(name).at(0).normal(&[n as i64, d as i64], Kind::Double, Device::Cpu);
        strait_transport::to_array(&points.expect("points")).expect("a matrix")
    };
    let (x, mut y) = (normal("source"), 0.1f64.sqrt() * normal("target"));
    let corner = Seed(0).stream("corner").at(0).integers(8, &[n as i64], Device::Cpu).expect("corners");
    for (i, mut point) in y.rows_mut().into_iter().enumerate() {
        let angle = std::f64::consts::FRAC_PI_4 * corner.double_value(&[i as i64]);
        point[0] += 5.0 * angle.cos();
        point[1] += 5.0 * angle.sin();
    }
    (x, y)
}

fn assignment(c: &mut Criterion) {
    for d in [2, 3072] {
        let mut group = c.benchmark_group(format!("assignment/dense/{d}d"));
        group.sample_size(20);
        for n in [128, 256, 512, 1024] {
            let (x, y) = clouds(n, d);
            let (x, y) = (Tensor::try_from(&x).expect("points"), Tensor::try_from(&y).expect("points"));
            let squares = Tensor::cdist(&x, &y, 2.0, None).square();
            let costs = strait_transport::to_array(&squares).expect("a matrix");
            group.bench_with_input(BenchmarkId::from_parameter(n), &costs, |b, costs| {
                b.iter(|| assign(&Dense(black_box(costs).view())).expect("finite costs").cost);
            });
        }
        group.finish();
    }
    let mut group = c.benchmark_group("assignment/points/2d");
    group.sample_size(10);
    for n in [1024, 2048] {
        let (x, y) = clouds(n, 2);
        group.bench_with_input(BenchmarkId::from_parameter(n), &(x, y), |b, (x, y)| {
            b.iter(|| assign(&SquaredEuclidean::new(x.view(), y.view()).expect("points")).expect("finite costs").cost);
        });
    }
    group.finish();
}

criterion_group!(benches, assignment);
criterion_main!(benches);
