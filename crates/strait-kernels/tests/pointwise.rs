//! The kernels of SiLU and SELU, entry by entry, of distances and of the linear path.

use crate::common::{draw as draw_of, with_gradients};
use strait_autodiff::{AutodiffError, Graph, Jet, Order, jvp, vjp};
use strait_kernels::{linear_path, mean_square_distance, selu, silu_jet, square_distance};
use tch::{Device, Kind, Tensor};

fn draw(seed: u64, shape: &[i64]) -> Tensor {
    draw_of(seed, shape, Kind::Double)
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

fn silu(x: &Jet) -> Jet {
    silu_jet(x).unwrap().expect("a kernel")
}

/// The kernels of SiLU against the same of libtorch's operations: values, gradients, and gradients of gradients.
#[test]
fn the_kernels_of_silu_are_its_derivatives() {
    let plain = |a: &Jet| {
        let (x, s) = (a.value(), a.value().sigmoid());
        let slope: Tensor = &s + x * &s * (1.0 - &s);
        a.compose(x * &s, || slope.shallow_clone(), |f| (1.0 - &s) * (f + &s - x * &s * &s))
    };
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 3e-6)] {
        let leaf = |i: u64| (draw(i, &[7, 5]) * 3.0).to_kind(kind).set_requires_grad(true);
        for (order, moves) in [(Order::First, false), (Order::Second, false), (Order::Second, true)] {
            let (x, d, dd) = (leaf(50), leaf(51), leaf(52));
            let inputs: Vec<Tensor> =
                [&x, &d, &dd].iter().take(2 + usize::from(moves)).map(|t| t.shallow_clone()).collect();
            let all = |silu: &dyn Fn(&Jet) -> Jet| {
                // As after the first layer of a network: a value, a slope, and perhaps a second derivative.
                let mut jet =
                    Jet::with_derivatives(x.shallow_clone(), d.shallow_clone(), moves.then(|| dd.shallow_clone()));
                if order == Order::Second && !moves {
                    jet = Jet::variable(&x, Order::Second).map(Tensor::shallow_clone, |one| one * &d);
                }
                let y = silu(&jet);
                let mut outputs = vec![y.value().shallow_clone(), y.first()];
                if order == Order::Second {
                    outputs.push(y.second());
                }
                let weights: Vec<Tensor> = (0..3).map(|i| draw(60 + i, &[7, 5]).to_kind(kind)).collect();
                let cotangents = &weights[..outputs.len()];
                // The kernel's own gradient, and the one that is itself differentiated.
                let kernel = vjp(&outputs, cotangents, &inputs, Graph::Keep).unwrap();
                let once = vjp(&outputs, cotangents, &inputs, Graph::Record).unwrap();
                let twice = vjp(&once, &weights[..once.len()], &inputs, Graph::Free).unwrap();
                outputs.into_iter().chain(kernel).chain(once).chain(twice).collect::<Vec<_>>()
            };
            for (i, (ours, theirs)) in all(&silu).iter().zip(all(&plain)).enumerate() {
                let off = difference(ours, &theirs) / (1.0 + theirs.abs().max().double_value(&[]));
                assert!(off < tolerance, "{kind:?} {order:?} {moves}: number {i} is off by {off:e}");
            }
        }
    }
}

/// In single precision over all of its range, where an exponential of our own stands in for libtorch's.
#[test]
fn the_kernel_is_exact_over_all_of_float() {
    let x = Tensor::arange_start_step(-120.0, 120.0, 0.003, (Kind::Float, Device::Cpu));
    let jet = |x: &Tensor| silu(&Jet::variable(x, Order::Second));
    let (found, exact) = (jet(&x), jet(&x.to_kind(Kind::Double)));
    for (found, exact) in
        [(found.value().copy(), exact.value().copy()), (found.first(), exact.first()), (found.second(), exact.second())]
    {
        let off =
            (found.to_kind(Kind::Double) - &exact).abs().max().double_value(&[]) / exact.abs().max().double_value(&[]);
        assert!(off < 2e-6, "{off:e}");
    }
    let not = jet(&Tensor::from_slice(&[f32::NAN]));
    assert!(not.value().double_value(&[0]).is_nan(), "what is not a number must stay one");
}

#[test]
fn selu_is_exact_over_all_of_float_and_keeps_its_derivatives() {
    let x = Tensor::cat(
        &[
            Tensor::arange_start_step(-120.0, 20.0, 0.003, (Kind::Float, Device::Cpu)),
            Tensor::linspace(-1e-3, 1e-3, 1001, (Kind::Float, Device::Cpu)),
        ],
        0,
    );
    let exact = x.to_kind(Kind::Double).selu();
    let found = tch::no_grad(|| selu(x.copy())).unwrap();
    let off = ((found.to_kind(Kind::Double) - &exact).abs() / exact.abs().clamp_min(1e-12)).max().double_value(&[]);
    assert!(off < 4e-7, "{off:e}");
    assert!(selu(Tensor::from_slice(&[f32::NAN])).unwrap().double_value(&[0]).is_nan());
    // Where something is differentiated x is left as it is.
    let leaf = x.copy().set_requires_grad(true);
    let y = selu(leaf.shallow_clone()).unwrap();
    assert!(y.requires_grad() && leaf.detach() == x);
    let moved = jvp(|v| Ok::<_, AutodiffError>(vec![selu(v[0].shallow_clone())?]), &[x.copy()], &[x.ones_like()]);
    let slope = vjp(&[y.sum(Kind::Float)], &[Tensor::from(1.0f32)], &[leaf], Graph::Free).unwrap().remove(0);
    assert!(difference(&moved.unwrap()[0].tangent, &slope) < 1e-6);
}

/// Against libtorch's operations, for samples of a few numbers and of many.
#[test]
fn distances_have_their_first_two_derivatives() {
    let plain =
        |a: &Tensor, b: &Tensor| (a - b).square().flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, a.kind());
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 3e-6)] {
        for shape in [&[7i64, 2][..], &[3, 5, 9], &[1, 1], &[4]] {
            let of = |seed: u64| draw_of(seed, shape, kind).set_requires_grad(true);
            let (a, b) = (of(70), of(71));
            let leaves = [a.shallow_clone(), b.shallow_clone()];
            let each = if shape.len() > 1 { plain(&a, &b) } else { (&a - &b).square() };
            let (theirs_mean, theirs) = (with_gradients(&[each.mean(kind)], &leaves), with_gradients(&[each], &leaves));
            let ours = with_gradients(&[square_distance(&a, &b).unwrap().expect("a kernel")], &leaves);
            let ours_mean = with_gradients(&[mean_square_distance(&a, &b).unwrap().expect("a kernel")], &leaves);
            for (what, ours, theirs) in [("each", ours, theirs), ("their mean", ours_mean, theirs_mean)] {
                assert_eq!(ours.len(), theirs.len());
                for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                    let off = difference(ours, theirs) / (1.0 + theirs.abs().max().double_value(&[]));
                    assert!(off < tolerance, "{kind:?} {shape:?}, {what}: number {i} is off by {off:e}");
                }
            }
        }
    }
}

/// Inside the function of a JVP, and for batches that are not of one shape.
#[test]
fn distances_are_left_to_others_where_a_tangent_would_be_lost() {
    let (a, b) = (draw(72, &[3, 2]), draw(73, &[3, 2]));
    let of = |v: &[Tensor]| Ok::<_, AutodiffError>(square_distance(&v[0], &b)?.into_iter().collect());
    assert!(jvp(of, &[a.copy()], &[a.ones_like()]).unwrap().is_empty());
    let refused = mean_square_distance(&a, &draw(74, &[3, 1])).unwrap_err().to_string();
    assert_eq!(refused, "second of two batches number 0 has shape [3, 1], expected [3, 2]");
}

#[test]
fn the_linear_path_is_that_of_libtorch_to_the_bit() {
    for kind in [Kind::Float, Kind::Double] {
        for shape in [&[257i64, 2][..], &[5, 3, 7], &[0, 2]] {
            let (x0, x1) = (draw_of(80, shape, kind), draw_of(81, shape, kind));
            let t = draw_of(82, &shape[..1], kind).sigmoid();
            let (x, velocity) = linear_path(&x0, &x1, &t).unwrap().expect("a kernel");
            let mut column = vec![1; shape.len()];
            column[0] = shape[0];
            let s = t.view(column.as_slice());
            assert_eq!((x, velocity), ((1f64 - &s) * &x0 + &s * &x1, &x1 - &x0), "{kind:?} {shape:?}");
            let leaf = t.set_requires_grad(true);
            assert!(linear_path(&x0, &x1, &leaf).unwrap().is_none());
            assert!(tch::no_grad(|| linear_path(&x0, &x1, &leaf)).unwrap().is_some());
        }
    }
}
