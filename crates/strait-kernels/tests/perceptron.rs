//! The kernel of a perceptron against the same with libtorch's operations, layer by layer.

use crate::common::{draw, with_gradients};
use strait_autodiff::{AutodiffError, Dual, Graph, Jet, Order, gradient, jvp, vjp};
use strait_kernels::{Between, RightSide, perceptron, perceptron_identity_error, perceptron_square_error};
use tch::{Kind, Tensor};

/// A jet of given order from leaves.
fn jet(of: &[Tensor]) -> Jet {
    match of {
        [value] => Jet::constant(value),
        [value, first] => Jet::with_derivatives(value.shallow_clone(), first.shallow_clone(), None),
        _ => Jet::with_derivatives(of[0].shallow_clone(), of[1].shallow_clone(), Some(of[2].shallow_clone())),
    }
}

fn composed(parts: &[&Jet], layers: &[(Tensor, Tensor)], between: Between, order: Order) -> Jet {
    let cat = |of: &dyn Fn(&Jet) -> Tensor| Tensor::cat(&parts.iter().map(|p| of(p)).collect::<Vec<_>>(), 1);
    let value = cat(&|p| p.value().shallow_clone());
    let mut h = match order {
        Order::Value => Jet::constant(&value),
        Order::First => Jet::with_derivatives(value, cat(&Jet::first), None),
        Order::Second => Jet::with_derivatives(value, cat(&Jet::first), Some(cat(&Jet::second))),
    };
    for (i, (weight, bias)) in layers.iter().enumerate() {
        if i > 0 && between == Between::Selu {
            h = Jet::constant(&h.value().selu());
        } else if i > 0 {
            let (x, s) = (h.value(), h.value().sigmoid());
            let slope: Tensor = &s + x * &s * (1.0 - &s);
            h = h.compose(x * &s, || slope.shallow_clone(), |f| (1.0 - &s) * (f + &s - x * &s * &s));
        }
        h = h.map(|x| x.linear(weight, Some(bias)), |d| d.linear(weight, None::<&Tensor>));
    }
    h
}

fn kernel(parts: &[&Jet], layers: &[(Tensor, Tensor)], between: Between, order: Order) -> Jet {
    perceptron(parts, layers, between, order).unwrap().expect("a kernel")
}

type Make = fn(&[&Jet], &[(Tensor, Tensor)], Between, Order) -> Jet;

/// The jet, its gradients in all that it is made of, and the gradients of these.
fn everything(make: Make, parts: &[Vec<Tensor>], widths: &[i64], between: Between, order: Order) -> Vec<Tensor> {
    let kind = parts[0][0].kind();
    let own = |x: &Tensor| x.detach().set_requires_grad(true);
    let parts: Vec<Vec<Tensor>> = parts.iter().map(|part| part.iter().map(own).collect()).collect();
    let jets: Vec<Jet> = parts.iter().map(|part| jet(part)).collect();
    let seen: i64 = parts.iter().map(|part| part[0].size()[1]).sum();
    let widths: Vec<i64> = std::iter::once(seen).chain(widths.iter().copied()).collect();
    let layers: Vec<(Tensor, Tensor)> = (widths.windows(2).zip(10u64..))
        .map(|(pair, seed)| (own(&draw(seed, &[pair[1], pair[0]], kind)), own(&draw(seed + 10, &pair[1..], kind))))
        .collect();
    let y = make(&jets.iter().collect::<Vec<_>>(), &layers, between, order);
    // What moves: a linear map has no derivatives but those of its input.
    let given = parts.iter().map(Vec::len).max().unwrap();
    let count = if given == 1 || layers.len() == 1 { given } else { order as usize + 1 };
    let outputs: Vec<Tensor> = [y.value().shallow_clone(), y.first(), y.second()].into_iter().take(count).collect();
    let leaves: Vec<Tensor> = (parts.iter().flatten().map(Tensor::shallow_clone))
        .chain(layers.iter().flat_map(|(w, b)| [w.shallow_clone(), b.shallow_clone()]))
        .collect();
    with_gradients(&outputs, &leaves)
}

/// The kernel beside the same of libtorch's operations, of this many rows.
fn compare(kind: Kind, rows: i64, widths: &[i64], between: Between, (order, moves): (Order, u64)) {
    let tolerance = if kind == Kind::Double { 1e-11 } else { 2e-5 };
    let part = |seed: u64, n: i64, derivatives: u64| -> Vec<Tensor> {
        (0..=derivatives).map(|k| draw(seed + k, &[rows, n], kind)).collect()
    };
    // A part that stands still, and one with so many derivatives.
    let parts = [part(1, 2, 0), part(4, 3, moves)];
    let ours = everything(kernel, &parts, widths, between, order);
    let theirs = everything(composed, &parts, widths, between, order);
    assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(a.size(), b.size());
        let off = (a - b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
        assert!(off < tolerance, "{kind:?} {rows} {between:?} {order:?} {moves} {widths:?}, tensor {i}: {off:e}");
    }
}

#[test]
fn the_kernel_is_the_jet_with_its_first_two_derivatives() {
    for kind in [Kind::Double, Kind::Float] {
        for widths in [&[3i64] as &[i64], &[5, 3], &[8, 7, 2]] {
            for (order, most) in [(Order::Value, 0), (Order::First, 1), (Order::Second, 2)] {
                for moves in 0..=most {
                    compare(kind, 9, widths, Between::Silu, (order, moves));
                }
            }
            compare(kind, 9, widths, Between::Selu, (Order::Value, 0));
        }
    }
}

/// Rows of several blocks, and widths of several panels with a rest.
#[test]
fn every_block_of_rows_counts_with_its_first_two_derivatives() {
    for rows in [96, 97, 203] {
        for (order, moves) in [(Order::Value, 0), (Order::First, 1), (Order::Second, 1)] {
            compare(Kind::Double, rows, &[20, 33, 2], Between::Silu, (order, moves));
        }
        compare(Kind::Double, rows, &[20, 33, 2], Between::Selu, (Order::Value, 0));
    }
}

#[test]
fn a_row_is_the_same_to_the_bit_in_every_batch() {
    for kind in [Kind::Double, Kind::Float] {
        let layers = [
            (draw(1, &[40, 3], kind), draw(2, &[40], kind)),
            (draw(3, &[24, 40], kind), draw(4, &[24], kind)),
            (draw(5, &[2, 24], kind), draw(6, &[2], kind)),
        ];
        let x = draw(7, &[203, 3], kind);
        let of =
            |x: &Tensor| kernel(&[&Jet::constant(x)], &layers, Between::Silu, Order::Value).value().shallow_clone();
        let all = of(&x);
        for (from, length) in [(0, 1), (5, 90), (100, 103), (202, 1)] {
            assert_eq!(of(&x.narrow(0, from, length)), all.narrow(0, from, length), "{kind:?} {from} {length}");
        }
    }
}

/// Where parts are made from each other, as the features of a time are, each has its own gradient.
#[test]
fn inputs_that_depend_on_each_other_have_separate_gradients() {
    let layers = [
        (draw(1, &[4, 2], Kind::Double), draw(2, &[4], Kind::Double)),
        (draw(4, &[1, 4], Kind::Double), draw(5, &[1], Kind::Double)),
    ];
    let slopes = |make: Make| {
        let t = draw(3, &[6, 1], Kind::Double).set_requires_grad(true);
        let line = Jet::variable(&t, Order::First);
        let wave = line.scale(3.0).sin();
        let y = make(&[&line, &wave], &layers, Between::Silu, Order::First);
        let one = y.first().ones_like();
        let once = vjp(&[y.first()], &[one.shallow_clone()], &[t.shallow_clone()], Graph::Record).unwrap();
        let twice = vjp(&once, &[one], &[t], Graph::Free).unwrap();
        [once[0].detach(), twice[0].detach()]
    };
    for (a, b) in slopes(kernel).iter().zip(slopes(composed)) {
        assert!((a - b).abs().max().double_value(&[]) < 1e-11);
    }
}

#[test]
fn what_the_kernel_cannot_do_is_left_to_others() -> Result<(), AutodiffError> {
    let layer = || vec![(draw(0, &[2, 3], Kind::Float), draw(1, &[2], Kind::Float))];
    let x = draw(2, &[4, 3], Kind::Float);
    let inside = |v: &[Tensor]| {
        let served = perceptron(&[&Jet::constant(&v[0])], &layer(), Between::Silu, Order::Value)?.is_some();
        Ok::<_, AutodiffError>(vec![&v[0] * f64::from(u8::from(!served))])
    };
    let Dual { value, .. } = jvp(inside, &[x.shallow_clone()], &[x.ones_like()])?.remove(0);
    assert_eq!(value, x);
    let narrow = Jet::constant(&x.narrow(1, 0, 2));
    let of = |parts: &[&Jet], layers: &[_], between, order| perceptron(parts, layers, between, order);
    assert!(matches!(of(&[&narrow], &layer(), Between::Silu, Order::Value), Err(AutodiffError::Shape { .. })));
    assert!(matches!(of(&[], &[], Between::Silu, Order::Value), Err(AutodiffError::Count { .. })));
    let moving = Jet::variable(&x, Order::First);
    assert!(of(&[&moving], &layer(), Between::Selu, Order::First)?.is_none());
    Ok(())
}

#[test]
fn an_empty_batch_has_gradients_of_zero() {
    let part = |n: i64, derivatives: u64| -> Vec<Tensor> {
        (0..=derivatives).map(|k| draw(k, &[0, n], Kind::Double)).collect()
    };
    for (order, moves) in [(Order::Value, 0), (Order::First, 1), (Order::Second, 1), (Order::Second, 2)] {
        for widths in [&[3i64] as &[i64], &[5, 3], &[8, 7, 2]] {
            let parts = [part(2, 0), part(3, moves)];
            let (ours, theirs) = (
                everything(kernel, &parts, widths, Between::Silu, order),
                everything(composed, &parts, widths, Between::Silu, order),
            );
            assert_eq!(ours, theirs, "{order:?} {moves} {widths:?}");
        }
    }
}

/// Rows of several blocks, under a cotangent of 1 and under others.
#[test]
fn a_square_error_has_its_first_two_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 2e-5)] {
        for (rows, widths) in [(9, &[3i64, 2] as &[i64]), (97, &[3, 20, 33, 2]), (203, &[3, 8, 9]), (1, &[3, 1])] {
            for between in [Between::Silu, Between::Selu] {
                let leaf = |seed: u64, shape: &[i64]| (draw(seed, shape, kind) * 0.5).set_requires_grad(true);
                let layers: Vec<(Tensor, Tensor)> = (widths.windows(2).zip(10u64..))
                    .map(|(pair, seed)| (leaf(seed, &[pair[1], pair[0]]), leaf(seed + 10, &pair[1..])))
                    .collect();
                let leaves: Vec<_> = layers.iter().flat_map(|(w, b)| [w.shallow_clone(), b.shallow_clone()]).collect();
                let parts = [Jet::constant(&draw(1, &[rows, 2], kind)), Jet::constant(&draw(2, &[rows, 1], kind))];
                let parts: Vec<&Jet> = parts.iter().collect();
                let target = draw(3, &[rows, widths[widths.len() - 1]], kind);
                let both = || perceptron_square_error(&parts, &layers, between, &target).unwrap().expect("a kernel");
                let own = || both().0;
                let square = (composed(&parts, &layers, between, Order::Value).value() - &target).square();
                let (each, squares) = (both().1, square.sum_dim_intlist([1i64].as_slice(), false, kind));
                assert!(
                    !each.requires_grad() && each.allclose(&squares, tolerance, tolerance, false),
                    "{each} {squares}"
                );
                let theirs = squares.mean(kind);
                let plain = gradient(&theirs, &leaves, Graph::Keep).unwrap();
                let whole = gradient(&own(), &leaves, Graph::Free).unwrap();
                let theirs = plain.into_iter().chain(with_gradients(&[theirs], &leaves));
                let ours = whole.into_iter().chain(with_gradients(&[own()], &leaves));
                for (i, (a, b)) in ours.zip(theirs).enumerate() {
                    let off = (&a - &b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
                    assert!(off < tolerance, "{kind:?} {rows} {between:?} {widths:?}, tensor {i}: {off:e}");
                }
            }
        }
    }
}

/// Of some samples, of several blocks of them and of all, under a cotangent of 1 and under others.
#[test]
fn an_identity_has_its_error_and_its_first_two_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 4e-5)] {
        for (rows, off, widths) in
            [(9, 3, &[4i64, 2] as &[i64]), (203, 101, &[4, 20, 33, 2]), (97, 97, &[4, 8, 2]), (2, 1, &[4, 7, 2])]
        {
            let leaf = |seed: u64, shape: &[i64]| (draw(seed, shape, kind) * 0.5).set_requires_grad(true);
            let layers: Vec<(Tensor, Tensor)> = (widths.windows(2).zip(10u64..))
                .map(|(pair, seed)| (leaf(seed, &[pair[1], pair[0]]), leaf(seed + 10, &pair[1..])))
                .collect();
            let leaves: Vec<_> = layers.iter().flat_map(|(w, b)| [w.shallow_clone(), b.shallow_clone()]).collect();
            let part = |seed, columns| draw(seed, &[rows, columns], kind);
            let (x, s, t, velocity) = (part(1, 2), part(2, 1), part(3, 1), part(4, 2));
            let (span, end) = (draw(5, &[off], kind), [6, 7].map(|seed| draw(seed, &[off, 1], kind)));
            let h = Tensor::cat(&[span.new_zeros([rows - off], (kind, span.device())), span.shallow_clone()], 0)
                .unsqueeze(1);
            let last = |x: &Tensor| x.narrow(0, rows - off, off);
            for lagrangian in [false, true] {
                let moving = Jet::variable(&t, Order::First);
                let parts = if lagrangian {
                    [Jet::constant(&x), Jet::constant(&s), moving]
                } else {
                    [Jet::with_derivatives(x.copy(), velocity.copy(), None), Jet::variable(&s, Order::First), moving]
                };
                let parts: Vec<&Jet> = parts.iter().collect();
                let ends: Vec<&Tensor> = end.iter().collect();
                let right = if lagrangian { RightSide::End(&ends) } else { RightSide::Derivative };
                let both = || {
                    perceptron_identity_error(&parts, &layers, Between::Silu, &velocity, &span, right)
                        .unwrap()
                        .expect("a kernel")
                };
                let u = composed(&parts, &layers, Between::Silu, Order::First);
                let (left, target) = if lagrangian {
                    let at: Vec<Jet> = std::iter::once(last(&(&x + &h * u.value())))
                        .chain(end.iter().map(Tensor::copy))
                        .map(|x| Jet::constant(&x.detach()))
                        .collect();
                    let taught = composed(&at.iter().collect::<Vec<_>>(), &layers, Between::Silu, Order::Value);
                    (
                        u.value() + &h * u.first(),
                        Tensor::cat(&[velocity.narrow(0, 0, rows - off), taught.value().detach()], 0),
                    )
                } else {
                    (u.value().shallow_clone(), &velocity + (&h * u.first()).detach())
                };
                let squares = (left - target).square().sum_dim_intlist([1i64].as_slice(), false, kind);
                let each = both().1;
                assert!(
                    !each.requires_grad() && each.allclose(&squares, tolerance, tolerance, false),
                    "{each} {squares}"
                );
                let theirs = squares.mean(kind);
                let plain = gradient(&theirs, &leaves, Graph::Keep).unwrap();
                let whole = gradient(&both().0, &leaves, Graph::Free).unwrap();
                let theirs = plain.into_iter().chain(with_gradients(&[theirs], &leaves));
                let ours = whole.into_iter().chain(with_gradients(&[both().0], &leaves));
                for (i, (a, b)) in ours.zip(theirs).enumerate() {
                    let off = (&a - &b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
                    assert!(off < tolerance, "{kind:?} {rows} lagrangian {lagrangian} {widths:?}, tensor {i}: {off:e}");
                }
            }
        }
    }
}

#[test]
fn an_identity_of_tensors_that_do_not_fit_is_refused() -> Result<(), AutodiffError> {
    let x = |seed, shape: &[i64]| draw(seed, shape, Kind::Float);
    let of = |target: &[i64], span: &[i64], end: &[&[i64]]| {
        let parts = [Jet::constant(&x(1, &[4, 2])), Jet::variable(&x(2, &[4, 1]), Order::First)];
        let layers = [(x(3, &[2, 3]).set_requires_grad(true), x(4, &[2]))];
        let ends: Vec<Tensor> = end.iter().map(|shape| x(5, shape)).collect();
        let ends: Vec<&Tensor> = ends.iter().collect();
        let parts: Vec<&Jet> = parts.iter().collect();
        let right = RightSide::End(&ends);
        perceptron_identity_error(&parts, &layers, Between::Silu, &x(6, target), &x(7, span), right)
    };
    assert!(of(&[4, 2], &[3], &[&[3, 1]])?.is_some());
    assert!(matches!(of(&[4, 1], &[3], &[&[3, 1]]), Err(AutodiffError::Shape { what: "target", .. })));
    assert!(matches!(of(&[4, 2], &[5], &[&[5, 1]]), Err(AutodiffError::Shape { what: "span", .. })));
    assert!(matches!(of(&[4, 2], &[3, 1], &[&[3, 1]]), Err(AutodiffError::Shape { what: "span", .. })));
    assert!(matches!(of(&[4, 2], &[3], &[&[4, 1]]), Err(AutodiffError::Shape { what: "part of the end", .. })));
    assert!(matches!(of(&[4, 2], &[3], &[]), Err(AutodiffError::Count { .. })));
    Ok(())
}

#[test]
fn a_square_error_is_left_to_others_where_more_than_layers_is_differentiated() -> Result<(), AutodiffError> {
    let of = |x: &Tensor, weight: &Tensor, target: &Tensor| {
        let layers = [(weight.shallow_clone(), draw(1, &[2], Kind::Float))];
        Ok::<_, AutodiffError>(perceptron_square_error(&[&Jet::constant(x)], &layers, Between::Silu, target)?.is_some())
    };
    let (x, weight, target) =
        (draw(2, &[4, 3], Kind::Float), draw(0, &[2, 3], Kind::Float), draw(3, &[4, 2], Kind::Float));
    let leaf = |x: &Tensor| x.copy().set_requires_grad(true);
    assert!(of(&x, &leaf(&weight), &target)?);
    assert!(!of(&x, &weight, &target)?);
    assert!(!of(&leaf(&x), &leaf(&weight), &target)?);
    assert!(!of(&x, &leaf(&weight), &leaf(&target))?);
    assert!(!tch::no_grad(|| of(&x, &leaf(&weight), &target))?);
    assert!(!of(&x.narrow(0, 0, 0), &leaf(&weight), &target.narrow(0, 0, 0))?);
    assert!(matches!(of(&x, &leaf(&weight), &x), Err(AutodiffError::Shape { what: "target", .. })));
    Ok(())
}
