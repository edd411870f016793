//! The kernel of a spline for jets, against double reverse mode through the spline itself.

use crate::common::{draw, jet, with_gradients};
use strait_autodiff::{AutodiffError, Jet, Order, time_derivative};
use strait_core::Direction;
use strait_kernels::{spline, spline_jet};
use tch::{Device, Kind, Tensor};

const BOUND: f64 = 2.5;

/// A value and its derivatives up to an order, of two such.
type Make = fn(&[Tensor], &[Tensor], i64, Order) -> Vec<Tensor>;

fn kernel(x: &[Tensor], raw: &[Tensor], bins: i64, order: Order) -> Vec<Tensor> {
    let y = spline_jet(&jet(x, order), &jet(raw, order), bins, BOUND, order).unwrap().expect("a kernel");
    [y.value().shallow_clone(), y.first(), y.second()].into_iter().take(1 + order as usize).collect()
}

/// Along the polynomials in s that the two are.
fn through(x: &[Tensor], raw: &[Tensor], bins: i64, order: Order) -> Vec<Tensor> {
    let s = Tensor::zeros([x[0].size()[0]], (x[0].kind(), Device::Cpu)).set_requires_grad(true);
    let along = |of: &[Tensor], s: &Tensor| {
        let wide: Vec<i64> = (0..of[0].dim()).map(|i| if i == 0 { -1 } else { 1 }).collect();
        let s = s.view(wide.as_slice());
        let powers = [s.ones_like(), s.shallow_clone(), s.square() * 0.5];
        of.iter().zip(powers).map(|(d, power)| d * power).reduce(|a, b| a + b).expect("a value")
    };
    let image = spline(Direction::Forward, &along(x, &s), &along(raw, &s), bins, BOUND).unwrap();
    let (value, _) = image.expect("a kernel");
    let first = time_derivative(&value, &s).unwrap();
    let second = time_derivative(&first, &s).unwrap();
    [value, first, second].into_iter().take(1 + order as usize).collect()
}

/// The jet, its gradients, and the gradients of these.
fn everything(make: Make, parts: [&[Tensor]; 2], bins: i64, order: Order) -> Vec<Tensor> {
    let own = |of: &[Tensor]| -> Vec<Tensor> { of.iter().map(|x| x.detach().set_requires_grad(true)).collect() };
    let (x, raw) = (own(parts[0]), own(parts[1]));
    let outputs = make(&x, &raw, bins, order);
    let leaves: Vec<Tensor> = x.iter().chain(&raw).map(Tensor::shallow_clone).collect();
    with_gradients(&outputs, &leaves)
}

#[test]
fn the_kernel_is_the_map_with_its_first_two_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-3)] {
        for (order, most) in [(Order::First, 1), (Order::Second, 2)] {
            for (at, moves) in [(most, 0), (0, most), (most, most), (1, most)] {
                for (shape, bins) in [(&[7i64, 1] as &[i64], 8), (&[4, 3], 1), (&[40, 2], 16), (&[2, 3, 2, 2], 3)] {
                    let of = |seed: u64, shape: &[i64], derivatives: u64| -> Vec<Tensor> {
                        (0..=derivatives).map(|k| draw(seed + k, shape, kind)).collect()
                    };
                    let mut wide = shape.to_vec();
                    wide[1] *= 3 * bins - 1;
                    // Some of the numbers lie in the tails.
                    let mut x = of(1, shape, at);
                    x[0] *= 1.5;
                    let raw = of(4, &wide, moves);
                    let ours = everything(kernel, [&x, &raw], bins, order);
                    let theirs = everything(through, [&x, &raw], bins, order);
                    assert_eq!(ours.len(), theirs.len());
                    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                        assert_eq!((a.size(), a.kind()), (b.size(), kind));
                        let off = (a - b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
                        assert!(off < tolerance, "{kind:?} {order:?} {shape:?} {bins} {at} {moves}, {i}: {off:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn beyond_its_bins_there_is_no_kernel() -> Result<(), AutodiffError> {
    let (x, raw) = (draw(0, &[5, 2], Kind::Double), draw(1, &[5, 2 * 50], Kind::Double));
    assert!(spline(Direction::Forward, &x, &raw, 17, BOUND)?.is_none());
    assert!(spline_jet(&Jet::constant(&x), &Jet::variable(&raw, Order::First), 17, BOUND, Order::First)?.is_none());
    assert!(matches!(spline(Direction::Forward, &x, &raw, 16, BOUND), Err(AutodiffError::Shape { .. })));
    assert!(matches!(spline(Direction::Forward, &x, &raw, 0, BOUND), Err(AutodiffError::Shape { .. })));
    Ok(())
}
