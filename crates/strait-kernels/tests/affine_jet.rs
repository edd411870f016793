//! The kernel of a coupling layer's affine map for jets, against the same with libtorch's operations.

use crate::common::{draw, jet, with_gradients};
use strait_autodiff::{AutodiffError, Graph, Jet, Order, vjp};
use strait_kernels::{affine_curve, affine_jet};
use tch::{Kind, Tensor};

const BOUND: f64 = 2.0;

type Make = fn(&Jet, &Jet, Option<&Jet>, Order) -> Jet;

fn kernel(x: &Jet, raw: &Jet, gate: Option<&Jet>, order: Order) -> Jet {
    affine_jet(x, raw, gate, BOUND, order).unwrap().expect("a kernel")
}

fn composed(x: &Jet, raw: &Jet, gate: Option<&Jet>, _: Order) -> Jet {
    let half = raw.value().size()[1] / 2;
    let (scale, shift) = raw.unzip(|r| (r.narrow(1, 0, half), r.narrow(1, half, half)));
    let s = scale.scale(1.0 / BOUND).tanh().scale(BOUND);
    let wide: Vec<i64> = (0..x.value().dim()).map(|i| if i == 0 { -1 } else { 1 }).collect();
    match gate.map(|gate| gate.view(|g| g.view(wide.as_slice()))) {
        Some(g) => s.times(&g).exp().times(x).plus(&shift.times(&g)),
        None => s.exp().times(x).plus(&shift),
    }
}

/// The jet, its gradients in the point and the network's numbers, and the gradients of these.
fn everything(make: Make, parts: [&[Tensor]; 3], order: Order) -> Vec<Tensor> {
    let own = |of: &[Tensor]| -> Vec<Tensor> { of.iter().map(|x| x.detach().set_requires_grad(true)).collect() };
    let (x, raw) = (own(parts[0]), own(parts[1]));
    let gate = (!parts[2].is_empty()).then(|| jet(parts[2], order));
    let y = make(&jet(&x, order), &jet(&raw, order), gate.as_ref(), order);
    let outputs: Vec<Tensor> =
        [y.value().shallow_clone(), y.first(), y.second()].into_iter().take(1 + order as usize).collect();
    let leaves: Vec<Tensor> = x.iter().chain(&raw).map(Tensor::shallow_clone).collect();
    with_gradients(&outputs, &leaves)
}

#[test]
fn the_kernel_is_the_map_with_its_first_two_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 3e-5)] {
        let of = |seed: u64, shape: &[i64], derivatives: u64| -> Vec<Tensor> {
            (0..=derivatives).map(|k| draw(seed + k, shape, kind)).collect()
        };
        for (order, most) in [(Order::First, 1), (Order::Second, 2)] {
            for (at, moves, gated) in [(0, 0, Some(1)), (most, 0, Some(most)), (0, most, None), (most, most, Some(1))] {
                for shape in [&[7i64, 1] as &[i64], &[4, 3], &[2, 3, 2, 2]] {
                    let mut wide = shape.to_vec();
                    wide[1] *= 2;
                    let (x, raw) = (of(1, shape, at), of(4, &wide, moves));
                    let gate = gated.map(|k| of(8, &shape[..1], k)).unwrap_or_default();
                    let ours = everything(kernel, [&x, &raw, &gate], order);
                    let theirs = everything(composed, [&x, &raw, &gate], order);
                    assert_eq!(ours.len(), theirs.len());
                    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                        assert_eq!(a.size(), b.size());
                        let off = (a - b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
                        assert!(off < tolerance, "{kind:?} {order:?} {shape:?} {at} {moves} {gated:?}, {i}: {off:e}");
                    }
                }
            }
        }
    }
}

/// Of a path's numbers, where each sample has values of its own.
#[test]
fn a_derivative_shared_by_all_samples_is_spread_over_them() -> Result<(), AutodiffError> {
    let (value, y, x1) =
        (draw(1, &[40, 2], Kind::Double), draw(2, &[40, 1], Kind::Double), draw(3, &[40, 1], Kind::Double));
    let t = draw(4, &[40], Kind::Double).sigmoid();
    let of = |slope: &Tensor| {
        let numbers = Jet::variable(&value, Order::First).map(Tensor::shallow_clone, |_| slope.shallow_clone());
        let x = affine_curve(&numbers, BOUND, &y, &x1, &t, Order::First)?.expect("a kernel");
        Ok::<_, AutodiffError>([x.value().shallow_clone(), x.first()])
    };
    let one = draw(5, &[1, 2], Kind::Double).set_requires_grad(true);
    let each = one.detach().expand([40, 2], false).contiguous().set_requires_grad(true);
    let (shared, own) = (of(&one)?, of(&each)?);
    assert_eq!(shared, own);
    let w = shared.each_ref().map(Tensor::ones_like);
    let of_one = vjp(&shared, &w, &[one], Graph::Free)?.remove(0);
    let of_each = vjp(&own, &w, &[each], Graph::Free)?.remove(0);
    assert!(of_one.allclose(&of_each.sum_dim_intlist([0i64].as_slice(), true, Kind::Double), 1e-12, 1e-12, false));
    Ok(())
}
