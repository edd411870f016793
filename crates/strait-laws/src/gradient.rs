//! The check of gradients against finite differences, which every suite uses.

use crate::suite::Fault;
use std::ops::Range;
use strait_autodiff::{Graph, vjp};
use strait_core::{Draws, Error, Parameters};
use tch::Tensor;

/// Halves of the widths of central differences. A shorter one is tried where the one before it disagrees: it may have
/// crossed a kink (of a spline, say), which a map that changes fast meets soon.
const STEPS: [f64; 3] = [1e-6, 1e-7, 1e-8];

/// What a gradient and a difference may differ by, in units of 1 + the difference.
const TOLERANCE: f64 = 1e-5;

/// Something that a map reads and has a gradient in.
pub(crate) struct Leaf<'l> {
    pub(crate) name: &'l str,
    /// It requires gradients.
    pub(crate) tensor: &'l Tensor,
    /// Whether the map is defined on both sides of it: where it is not, its gradient need only be finite.
    pub(crate) inside: bool,
}

impl<'l> Leaf<'l> {
    /// Each of the parameters.
    pub(crate) fn parameters(of: &'l Parameters) -> impl Iterator<Item = Self> {
        of.names().zip(of.tensors()).map(|(name, tensor)| Self { name, tensor, inside: true })
    }
}

/// Holds the gradient of a weighted sum of all that `map` gives to its central difference, along one random direction
/// in all the leaves at once. They are moved in place, and back to the bit.
pub(crate) fn hold<Law>(
    law: Law,
    what: &str,
    leaves: &[Leaf<'_>],
    draws: &mut Draws,
    map: impl Fn() -> Result<Vec<Tensor>, Error>,
) -> Result<(), Fault<Law>> {
    if leaves.is_empty() {
        return Ok(());
    }
    match compare(leaves, draws, map) {
        Ok(None) => Ok(()),
        Ok(Some(found)) => Err(Fault::new(law, format!("{what}: {found}"))),
        Err(error) => Err(Fault::new(law, format!("{what}: {error}"))),
    }
}

/// In which leaf the two differ, and by how much.
fn compare(
    leaves: &[Leaf<'_>],
    draws: &mut Draws,
    map: impl Fn() -> Result<Vec<Tensor>, Error>,
) -> Result<Option<String>, Error> {
    let tensors: Vec<Tensor> = leaves.iter().map(|leaf| leaf.tensor.shallow_clone()).collect();
    let mut normal = |x: &Tensor| draws.normal(&x.size(), x.kind(), x.device());
    let outputs = map()?;
    let weights = outputs.iter().map(&mut normal).collect::<Result<Vec<_>, _>>()?;
    let moves = leaves
        .iter()
        .map(|leaf| if leaf.inside { normal(leaf.tensor) } else { Ok(leaf.tensor.zeros_like()) })
        .collect::<Result<Vec<_>, _>>()?;

    // What has no graph is a constant, as far as reverse mode knows.
    let (seen, cotangents): (Vec<_>, Vec<_>) = outputs
        .into_iter()
        .zip(&weights)
        .filter(|(y, _)| y.requires_grad())
        .map(|(y, w)| (y, w.shallow_clone()))
        .unzip();
    let mut slopes = vec![0.0; leaves.len()];
    if !seen.is_empty() {
        let gradients = vjp(&seen, &cotangents, &tensors, Graph::Free)?;
        slopes = gradients.iter().zip(&moves).map(|(gradient, dx)| inner(gradient, dx)).collect();
    }

    let at = |moved: Range<usize>, step: f64| {
        let values: Vec<Tensor> = tensors[moved.clone()].iter().map(Tensor::copy).collect();
        for (leaf, dx) in tensors[moved.clone()].iter().zip(&moves[moved.clone()]) {
            let _ = leaf.shallow_clone().f_add_(&(dx * step))?;
        }
        // Copies: a map may give back what it was given, or a view of it.
        let made = map().map(|made| made.iter().map(Tensor::copy).collect::<Vec<_>>());
        for (leaf, value) in tensors[moved].iter().zip(&values) {
            leaf.shallow_clone().f_copy_(value)?;
        }
        made
    };
    let difference = |moved: &Range<usize>, step: f64| {
        let (ahead, behind) = (at(moved.clone(), step)?, at(moved.clone(), -step)?);
        let change = ahead.iter().zip(&behind).zip(&weights).map(|((a, b), w)| inner(&(a - b), w));
        Ok::<_, Error>(change.sum::<f64>() / (2.0 * step))
    };
    // The last difference, where none agrees.
    let disagrees = |slope: f64, moved: Range<usize>| {
        let mut wanted = f64::NAN;
        for step in STEPS {
            wanted = tch::no_grad(|| difference(&moved, step))?;
            if (slope - wanted).abs() <= TOLERANCE * (1.0 + wanted.abs()) {
                return Ok(None);
            }
        }
        Ok::<_, Error>(Some(format!("is {slope:.6e} by reverse mode, {wanted:.6e} by differences")))
    };

    let Some(all) = disagrees(slopes.iter().sum(), 0..leaves.len())? else { return Ok(None) };
    // By one leaf at a time, for the name of the first that is wrong.
    for (i, leaf) in leaves.iter().enumerate() {
        if let Some(found) = disagrees(slopes[i], i..i + 1)? {
            return Ok(Some(format!("the derivative in {} {found}", leaf.name)));
        }
    }
    Ok(Some(format!("the derivative {all}")))
}

/// $\sum_i a_i b_i$.
fn inner(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).sum(a.kind()).double_value(&[])
}
