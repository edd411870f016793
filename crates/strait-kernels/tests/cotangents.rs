//! Backward passes with cotangents that carry tangents, as in a JVP of a VJP, for the kernels of jets and of fields.

use crate::common::{along, draw, jet};
use strait_autodiff::{AutodiffError, Graph, Jet, Order, jvp, vjp};
use strait_kernels::{AffinePaths, Between, ChainPaths, affine_curve, affine_jet, perceptron, silu_jet, spline_jet};
use tch::{Device, Kind, Tensor};

fn of(seed: u64, shape: &[i64]) -> Tensor {
    draw(seed, shape, Kind::Double)
}

/// A pull-back is linear, so its tangent is the pull-back of the tangent.
#[test]
fn the_kernels_of_jets_carry_tangents_through_their_gradients() -> Result<(), AutodiffError> {
    let t = of(0, &[6]).sigmoid();
    let leaf = |x: Tensor| x.set_requires_grad(true);
    for order in [Order::First, Order::Second] {
        let moving = |seed: u64, width: i64| -> Vec<Tensor> {
            (0..=order as u64).map(|k| leaf(of(seed + k, &[6, width]))).collect()
        };
        let (x, two, logits) = (moving(1, 2), moving(4, 4), moving(7, 10));
        let made = |of: &[Tensor]| jet(of, order);
        let layer = || leaf(of(10, &[3, 2]));
        let layers = [(layer(), leaf(of(11, &[3]))), (leaf(of(12, &[1, 3])), leaf(of(13, &[1])))];
        let weights: Vec<Tensor> = layers.iter().flat_map(|(w, b)| [w.shallow_clone(), b.shallow_clone()]).collect();
        let (y, x1) = (leaf(of(14, &[6, 2])), of(15, &[6, 2]));
        let kernel = |made: Option<Jet>| made.expect("a kernel");
        let cases: [(&str, Jet, Vec<&Tensor>); 5] = [
            ("silu", kernel(silu_jet(&made(&x))?), x.iter().collect()),
            ("affine", kernel(affine_jet(&made(&x), &made(&two), None, 2.0, order)?), x.iter().chain(&two).collect()),
            (
                "spline",
                kernel(spline_jet(&made(&x), &made(&logits), 2, 2.0, order)?),
                x.iter().chain(&logits).collect(),
            ),
            (
                "perceptron",
                kernel(perceptron(&[&made(&x)], &layers, Between::Silu, order)?),
                x.iter().chain(&weights).collect(),
            ),
            ("curve", kernel(affine_curve(&made(&two), 2.0, &y, &x1, &t, order)?), two.iter().chain([&y]).collect()),
        ];
        for (name, jet, leaves) in cases {
            let leaves: Vec<Tensor> = leaves.into_iter().map(Tensor::shallow_clone).collect();
            let outputs = [jet.value().shallow_clone(), jet.first(), jet.second()];
            let outputs = &outputs[..1 + order as usize];
            let cotangents = |from: u64| -> Vec<Tensor> {
                outputs.iter().zip(from..).map(|(y, seed)| of(seed, &y.size())).collect()
            };
            let (w, dw) = (cotangents(20), cotangents(30));
            let found = along(outputs, &w, &dw, &leaves);
            let expected = [w, dw].map(|w| vjp(outputs, &w, &leaves, Graph::Keep).unwrap());
            for (i, pair) in found.chunks(2).enumerate() {
                for (k, found) in pair.iter().enumerate() {
                    let off = (found - &expected[k][i]).abs().max().double_value(&[]);
                    assert!(off < 1e-11, "{name} {order:?}, leaf {i}, derivative {k}: {off:e}");
                }
                assert!(
                    !pair[1].requires_grad() && pair[1].abs().max().double_value(&[]) > 0.0,
                    "{name} {order:?} {i}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn the_gradient_of_a_marginal_field_has_no_forward_derivative() -> Result<(), AutodiffError> {
    let t = Tensor::full([1], 0.5, (Kind::Double, Device::Cpu));
    let (x, x1) = (of(0, &[1, 3, 2]).set_requires_grad(true), of(1, &[4, 2]));
    let numbers = Jet::constant(&of(2, &[4, 4]));
    let affine = AffinePaths { numbers: &numbers, bound: 2.0, x: &x, x1: &x1, t: &t }.field()?.expect("a kernel");
    let chain = ChainPaths { stages: &[], x: &x, x1: &x1, t: &t }.field()?.expect("a kernel");
    for velocity in [affine.velocity, chain.velocity] {
        let (w, dw) = (of(3, &velocity.size()), of(4, &velocity.size()));
        let pull = |w: &[Tensor]| vjp(&[velocity.shallow_clone()], w, &[x.shallow_clone()], Graph::Keep);
        match jvp(pull, &[w], &[dw]) {
            Err(AutodiffError::NoForwardDerivative { operation }) => {
                assert_eq!(operation, "the gradient of a path's marginal field");
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}
