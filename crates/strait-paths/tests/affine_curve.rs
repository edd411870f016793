//! The kernel of an affine path's points against the same with libtorch's operations.

use crate::common::affine;
use strait_autodiff::{Graph, vjp};
use strait_core::{Interpolant, Parameters, PathCurve, PathSample, Seed};
use strait_laws::interpolant::Case;
use strait_paths::Mixing;
use tch::{Device, Kind, Tensor};

fn normal(seed: u64, shape: &[i64], kind: Kind) -> Tensor {
    Seed(seed).stream("x").at(0).normal(shape, Kind::Double, Device::Cpu).unwrap().to_kind(kind)
}

/// What is asked of a path.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Position,
    Velocity,
    Acceleration,
}

/// The values, their gradients in sources and parameters, and the gradients of those, all of sums that see each number.
/// By libtorch's operations, where a derivative in the end is wanted.
fn everything(asked: Asked, mixing: Mixing, event: &[i64], batch: i64, kind: Kind, by_kernel: bool) -> Vec<Tensor> {
    let mut parameters = Parameters::new(Seed(3), kind, Device::Cpu);
    let case = Case { batch, event: event.to_vec(), seed: 5 };
    let path = affine(mixing)(&case, &mut parameters.root()).unwrap();
    for (p, seed) in parameters.tensors().iter().zip(11..) {
        let _ = tch::no_grad(|| p.shallow_clone().f_add_(&(normal(seed, &p.size(), kind) * 0.3)).unwrap());
    }
    let shape = [&[batch], event].concat();
    let x0 = normal(1, &shape, kind).set_requires_grad(true);
    let x1 = normal(2, &shape, kind).set_requires_grad(!by_kernel);
    let t = (normal(4, &[batch], kind) * 2.0).sigmoid();
    let values = match asked {
        Asked::Position => vec![path.position(&x0, &x1, &t).unwrap()],
        Asked::Velocity => {
            let PathSample { x_t, velocity } = path.at(&x0, &x1, &t).unwrap();
            vec![x_t, velocity]
        }
        Asked::Acceleration => {
            let PathCurve { x_t, velocity, acceleration } = path.curve(&x0, &x1, &t).unwrap();
            vec![x_t, velocity, acceleration]
        }
    };
    let cotangents: Vec<Tensor> =
        values.iter().zip(70..).map(|(v, seed)| normal(seed, &v.size(), kind).set_requires_grad(true)).collect();
    let leaves: Vec<Tensor> = std::iter::once(&x0).chain(parameters.tensors()).map(Tensor::shallow_clone).collect();
    let plain = vjp(&values, &cotangents, &leaves, Graph::Keep).unwrap();
    let recorded = vjp(&values, &cotangents, &leaves, Graph::Record).unwrap();
    let weights: Vec<Tensor> = recorded.iter().zip(90..).map(|(g, seed)| normal(seed, &g.size(), kind)).collect();
    let all: Vec<Tensor> = leaves.iter().chain(&cotangents).map(Tensor::shallow_clone).collect();
    let again = vjp(&recorded, &weights, &all, Graph::Free).unwrap();
    values.iter().map(Tensor::detach).chain(plain).chain(again).collect()
}

fn apart(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[]).max(1.0)
}

#[test]
fn the_kernel_is_the_path_with_its_gradients() {
    for mixing in [Mixing::Triangular, Mixing::Diagonal] {
        for event in [&[1i64] as &[i64], &[2], &[3], &[8], &[1, 2, 2]] {
            for asked in [Asked::Position, Asked::Velocity, Asked::Acceleration] {
                // Fewer samples than lanes, as many, and more.
                for batch in [1, 3, 8, 21] {
                    let of = |by_kernel| everything(asked, mixing, event, batch, Kind::Double, by_kernel);
                    for (i, (a, b)) in of(true).iter().zip(&of(false)).enumerate() {
                        assert_eq!(a.size(), b.size());
                        let off = apart(a, b);
                        assert!(off < 1e-11, "{asked:?}, {mixing:?} {event:?}, batch {batch}, tensor {i}: {off:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn in_single_precision_it_is_as_good_as_libtorch() {
    let of = |kind, by_kernel| everything(Asked::Acceleration, Mixing::Triangular, &[2], 64, kind, by_kernel);
    let exact = of(Kind::Double, false);
    for (i, ((a, b), exact)) in of(Kind::Float, true).iter().zip(&of(Kind::Float, false)).zip(&exact).enumerate() {
        let off = |x: &Tensor| apart(&x.to_kind(Kind::Double), exact);
        assert!(off(a) < 3.0 * off(b) + 2e-6, "tensor {i}: {:e} against {:e}", off(a), off(b));
    }
}

#[test]
fn at_t_1_it_is_the_data_point_with_finite_gradients() {
    let mut parameters = Parameters::new(Seed(3), Kind::Float, Device::Cpu);
    let case = Case { batch: 5, event: vec![2], seed: 5 };
    let path = affine(Mixing::Triangular)(&case, &mut parameters.root()).unwrap();
    let (x0, x1) = (normal(1, &[5, 2], Kind::Float), normal(2, &[5, 2], Kind::Float));
    let curve = path.curve(&x0, &x1, &Tensor::ones([5], (Kind::Float, Device::Cpu))).unwrap();
    assert_eq!(curve.x_t, x1);
    let loss = curve.velocity.square().sum(Kind::Float) + curve.acceleration.square().sum(Kind::Float);
    for g in strait_autodiff::gradient(&loss, parameters.tensors(), Graph::Free).unwrap() {
        assert_eq!(g.isfinite().all().int64_value(&[]), 1);
    }
}
