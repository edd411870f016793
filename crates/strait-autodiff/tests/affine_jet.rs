//! The kernel of a coupling's affine map for what moves against the same made of libtorch's operations.

mod common;

use common::{draw, jet, with_gradients};
use strait_autodiff::{Jet, Order, affine_jet};
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
