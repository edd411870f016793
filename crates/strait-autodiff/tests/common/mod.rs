//! What the tests of several kernels of jets need.

#![allow(dead_code, reason = "not every test needs all of it")]

use strait_autodiff::{Graph, Jet, Order, normal, vjp};
use tch::{Device, Kind, Tensor};

pub(crate) fn draw(seed: u64, shape: &[i64], kind: Kind) -> Tensor {
    normal(seed, shape, kind, Device::Cpu).unwrap()
}

/// Of an order, with so many derivatives that are not zero.
pub(crate) fn jet(of: &[Tensor], order: Order) -> Jet {
    match of {
        [value] => Jet::constant(value),
        [value, first] => Jet::variable(value, order).map(Tensor::shallow_clone, |one| one * first),
        _ => Jet::with_derivatives(of[0].shallow_clone(), of[1].shallow_clone(), Some(of[2].shallow_clone())),
    }
}

/// Outputs, their gradients in the leaves, and the gradients of these.
pub(crate) fn with_gradients(outputs: &[Tensor], leaves: &[Tensor]) -> Vec<Tensor> {
    let w: Vec<Tensor> = outputs.iter().zip(30u64..).map(|(y, seed)| draw(seed, &y.size(), y.kind())).collect();
    let plain = vjp(outputs, &w, leaves, Graph::Keep).unwrap();
    let first = vjp(outputs, &w, leaves, Graph::Record).unwrap();
    let (ends, v): (Vec<_>, Vec<_>) = (first.iter().zip(40u64..))
        .filter(|(g, _)| g.requires_grad())
        .map(|(g, seed)| (g.shallow_clone(), draw(seed, &g.size(), g.kind())))
        .unzip();
    let second = if ends.is_empty() { vec![] } else { vjp(&ends, &v, leaves, Graph::Free).unwrap() };
    outputs.iter().chain(&plain).chain(&first).map(Tensor::detach).chain(second).collect()
}
