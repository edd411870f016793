//! Gradients whose memory does not grow with depth: activations are computed again, layer by layer, from the output.
//!
//! A flow is invertible, so its output determines all of its activations. [`pull_back`] runs the flow without a graph
//! and takes the loss at its output. It then goes back layer by layer: it inverts the layer to get its input, builds
//! the graph of that one layer, and carries the cotangents back through it (Gomez and others, arXiv 1707.04585).
//! [`Memory`] switches between this and ordinary autograd; both give the same gradients.
//!
//! It also works for derivatives along a direction: the pair $(x, \dot x)$ is itself carried through each layer, by
//! forward mode, and back through its inverse.

pub use crate::backward::{BackwardRequest, BackwardStep, Cotangent, Point, reversible_backward_whole};

use crate::backward::{leaf, pull, push};
use crate::{FlowError, Layer};
pub use strait_core::Direction;
use strait_core::{Condition, Error};
use tch::{Kind, Tensor};

/// Where the activations of a training step are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Kept, as autograd does: memory grows with depth.
    #[default]
    Ordinary,
    /// Computed again by inverting: memory does not grow with depth, time grows by about a half.
    Reversible,
}

/// Where a flow is started.
#[derive(Debug)]
pub struct Start<'a> {
    /// Which way.
    pub direction: Direction,
    /// The point, and the direction to follow from it, if any.
    pub point: &'a Point,
    /// The condition.
    pub condition: Condition<'a>,
    /// The tangent of t, (B,), for a point with a tangent under a condition with a time; None: t is held fast.
    pub dt: Option<&'a Tensor>,
}

/// A loss with its gradients.
#[derive(Debug)]
pub struct Gradients {
    /// The loss, detached.
    pub loss: Tensor,
    /// With respect to the flow's parameters, in the order of [`Layer::parameters`].
    pub parameters: Vec<Tensor>,
    /// With respect to the tensors that `others` named.
    pub others: Vec<Tensor>,
    /// With respect to the starting point.
    pub value: Tensor,
    /// With respect to its tangent.
    pub tangent: Option<Tensor>,
    /// With respect to the context, where that requires gradients.
    pub context: Option<Tensor>,
    /// With respect to t, where that requires gradients.
    pub t: Option<Tensor>,
}

/// Refuses gradients of a walk back that did not come back to where the flow was started: its activations, and so its
/// gradients, are those of other points. A flow that is badly conditioned (large parameters, many steps) loses more digits
/// than its kind of numbers has. Each sample is held to its own size, so that a large one hides no other, and a small one to
/// that of the usual sample: what starts at 0 comes back to the rounding of the others.
pub(crate) fn check_reconstruction(start: &Point, found: &Point) -> Result<(), Error> {
    let kind = start.value.kind();
    let most = if kind == Kind::Double { 1e-8 } else { 1e-4 };
    let pairs = [(Some(&start.value), Some(&found.value)), (start.tangent.as_ref(), found.tangent.as_ref())];
    for (start, found) in pairs {
        let (Some(start), Some(found)) = (start, found) else { continue };
        if start.numel() == 0 {
            continue;
        }
        let largest = |x: Tensor| x.f_detach()?.f_abs()?.f_flatten(1, -1)?.f_amax([1i64].as_slice(), false);
        let size = largest(start.shallow_clone())?;
        let usual = f64::try_from(size.f_median()?)?;
        let size = size.f_clamp_min(if usual > 0.0 { usual } else { 1.0 })?;
        let off = f64::try_from(largest(found - start)?.f_div(&size)?.f_max()?)?;
        // What is not a number has not arrived either.
        if off.is_nan() || off > most {
            return Err(FlowError::NotReversible { off, most }.into());
        }
    }
    Ok(())
}

/// The gradients of a loss at the end of a flow, by ordinary autograd or by walking back through its inverse.
///
/// `loss` is given the image and the log-determinant and returns a scalar; `others` are tensors beside the flow's
/// own that it reads and that want gradients (a learned base, say).
///
/// # Errors
/// Those of the flow and of `loss`; `FlowError::NotReversible` where the walk back does not end where the flow was
/// started, to $10^{-4}$ of a sample's largest number in single precision and $10^{-8}$ in double.
pub fn pull_back<L: Layer + ?Sized>(
    flow: &L,
    start: &Start<'_>,
    others: &[Tensor],
    memory: Memory,
    loss: impl FnOnce(&Point, &Tensor) -> Result<Tensor, Error>,
) -> Result<Gradients, Error> {
    let own = |x: Option<&Tensor>| x.map(|x| x.detach().set_requires_grad(x.requires_grad()));
    let (context, t) = (own(start.condition.context), own(start.condition.t));
    let condition = Condition { context: context.as_ref(), t: t.as_ref() };
    let point = Point { value: leaf(&start.point.value), tangent: start.point.tangent.as_ref().map(leaf) };
    let run = || push(flow, start.direction, &point, condition, start.dt);
    let (output, log_det) = match memory {
        Memory::Ordinary => run()?,
        Memory::Reversible => {
            let (output, log_det) = tch::no_grad(run)?;
            (Point { value: leaf(&output.value), tangent: output.tangent.as_ref().map(leaf) }, leaf(&log_det))
        }
    };
    let total = loss(&output, &log_det)?;
    let one = (total.shallow_clone(), total.ones_like());
    let ends = |ends: &[&Tensor], tangent: &Option<Tensor>| -> Vec<Tensor> {
        ends.iter().copied().chain(tangent).chain(others).map(Tensor::shallow_clone).collect()
    };
    let loss = total.detach();
    match memory {
        Memory::Ordinary => {
            let mut pulled = pull(&[one], &ends(&[&point.value], &point.tangent), &flow.parameters(), condition)?;
            let value = pulled.inputs.remove(0);
            let tangent = point.tangent.is_some().then(|| pulled.inputs.remove(0));
            let (parameters, others) = (pulled.parameters, pulled.inputs);
            Ok(Gradients { loss, parameters, others, value, tangent, context: pulled.context, t: pulled.t })
        }
        Memory::Reversible => {
            let mut pulled = pull(&[one], &ends(&[&output.value, &log_det], &output.tangent), &[], Condition::NONE)?;
            let (value, log_det) = (pulled.inputs.remove(0), pulled.inputs.remove(0));
            let tangent = output.tangent.is_some().then(|| pulled.inputs.remove(0));
            let output = Point { value: output.value.detach(), tangent: output.tangent.map(|x| x.detach()) };
            let cotangent = Cotangent { value, tangent, log_det: Some(log_det) };
            let Start { direction, dt, .. } = *start;
            let back = flow.reversible_backward(BackwardRequest {
                direction,
                output: &output,
                condition,
                dt,
                cotangent: &cotangent,
            })?;
            check_reconstruction(start.point, &back.input)?;
            Ok(Gradients {
                loss,
                parameters: back.parameters,
                others: pulled.inputs,
                value: back.value,
                tangent: back.tangent,
                context: back.context,
                t: back.t,
            })
        }
    }
}
