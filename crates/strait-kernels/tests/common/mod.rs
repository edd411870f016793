//! Functions that several tests of kernels share.

use strait_autodiff::{Graph, Jet, Order, jvp, normal, vjp};
use tch::{Device, Kind, Tensor};

pub(crate) fn draw(seed: u64, shape: &[i64], kind: Kind) -> Tensor {
    normal(seed, 0, shape, kind, Device::Cpu).unwrap()
}

/// Of an order, with so many derivatives that are not zero.
pub(crate) fn jet(of: &[Tensor], order: Order) -> Jet {
    match of {
        [value] => Jet::constant(value),
        [value, first] => Jet::variable(value, order).map(Tensor::shallow_clone, |one| one * first),
        _ => Jet::with_derivatives(of[0].shallow_clone(), of[1].shallow_clone(), Some(of[2].shallow_clone())),
    }
}

/// The gradients in the leaves and their tangents, where the cotangents move and nothing else.
pub(crate) fn along(outputs: &[Tensor], w: &[Tensor], dw: &[Tensor], leaves: &[Tensor]) -> Vec<Tensor> {
    let duals = jvp(|w| vjp(outputs, w, leaves, Graph::Keep), w, dw).unwrap();
    duals.into_iter().flat_map(|dual| [dual.value, dual.tangent]).collect()
}

/// Outputs, their gradients in the leaves, and the gradients of these, in reverse and in forward mode.
pub(crate) fn with_gradients(outputs: &[Tensor], leaves: &[Tensor]) -> Vec<Tensor> {
    let of = |from: u64| -> Vec<Tensor> {
        outputs.iter().zip(from..).map(|(y, seed)| draw(seed, &y.size(), y.kind())).collect()
    };
    let w = of(30);
    let plain = vjp(outputs, &w, leaves, Graph::Keep).unwrap();
    let moved = along(outputs, &w, &of(50), leaves);
    let first = vjp(outputs, &w, leaves, Graph::Record).unwrap();
    let (endpoints, v): (Vec<_>, Vec<_>) = (first.iter().zip(40u64..))
        .filter(|(g, _)| g.requires_grad())
        .map(|(g, seed)| (g.shallow_clone(), draw(seed, &g.size(), g.kind())))
        .unzip();
    let second = if endpoints.is_empty() { vec![] } else { vjp(&endpoints, &v, leaves, Graph::Free).unwrap() };
    outputs.iter().chain(&plain).chain(&moved).chain(&first).map(Tensor::detach).chain(second).collect()
}
