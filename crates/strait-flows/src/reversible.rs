//! Gradients whose memory does not grow with depth: activations are computed again, layer by layer, from the output.
//!
//! A flow is invertible, so its output holds all of its activations. [`pull_back`] runs the flow without a graph,
//! takes the loss at its output, and then walks back: each layer's input is had by inverting it, its graph is built
//! for that one layer, and the cotangents are pulled through (Gomez and others, arXiv 1707.04585). [`Memory`] is the
//! one switch between this and ordinary autograd; the two agree.
//!
//! It serves derivatives along a direction too: the pair $(x, \dot x)$ is itself pushed through each layer, by
//! forward mode, and pulled back through its inverse.

use crate::Layer;
use std::ops::Add;
use strait_autodiff::{Graph, jvp, vjp};
use strait_core::{Condition, Error};
use tch::Tensor;

/// Which way a flow is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Source to data.
    Forward,
    /// Data to source: the direction of a likelihood.
    Inverse,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Inverse,
            Self::Inverse => Self::Forward,
        }
    }
}

/// Where the activations of a training step are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Kept, as autograd does: memory grows with depth.
    #[default]
    Ordinary,
    /// Computed again by inverting: memory does not grow with depth, time grows by about a half.
    Reversible,
}

/// A point between two layers, with its derivative along a direction where one is followed.
#[derive(Debug)]
pub struct Point {
    /// $x$.
    pub value: Tensor,
    /// $\dot x$, of the same shape.
    pub tangent: Option<Tensor>,
}

/// What a loss says of a point and of the log-determinants of all layers: its derivative with respect to each.
#[derive(Debug)]
pub struct Cotangent {
    /// For the value.
    pub value: Tensor,
    /// For the tangent.
    pub tangent: Option<Tensor>,
    /// For the log-determinant, (B,).
    pub log_det: Tensor,
}

/// What a layer is told when it is retraced. The condition's tensors are leaves; those that require gradients are
/// to be answered for.
#[derive(Debug, Clone, Copy)]
pub struct Retrace<'a> {
    /// Which way it had been run.
    pub direction: Direction,
    /// What came out.
    pub output: &'a Point,
    /// The condition it was run under.
    pub condition: Condition<'a>,
    /// The tangent of t, where a tangent is followed.
    pub dt: Option<&'a Tensor>,
    /// The loss's derivatives at the output.
    pub cotangent: &'a Cotangent,
}

/// A layer's answer to [`Retrace`].
#[derive(Debug)]
pub struct Retraced {
    /// What went in.
    pub input: Point,
    /// The loss's derivative at the input's value.
    pub value: Tensor,
    /// And at its tangent.
    pub tangent: Option<Tensor>,
    /// And with respect to the parameters, in the order of [`Layer::parameters`].
    pub parameters: Vec<Tensor>,
    /// And with respect to the context, where that requires gradients.
    pub context: Option<Tensor>,
    /// And with respect to t, where that requires gradients.
    pub t: Option<Tensor>,
}

impl Retraced {
    /// The end of a chain before its last layer is retraced.
    pub(crate) fn start(output: &Point, cotangent: &Cotangent) -> Self {
        let copy = |x: &Option<Tensor>| x.as_ref().map(Tensor::shallow_clone);
        Self {
            input: Point { value: output.value.shallow_clone(), tangent: copy(&output.tangent) },
            value: cotangent.value.shallow_clone(),
            tangent: copy(&cotangent.tangent),
            parameters: vec![],
            context: None,
            t: None,
        }
    }
}

pub(crate) fn leaf(x: &Tensor) -> Tensor {
    x.detach().set_requires_grad(true)
}

pub(crate) fn add(a: Option<Tensor>, b: Option<Tensor>) -> Option<Tensor> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.add(b)),
        (a, b) => a.or(b),
    }
}

/// Cotangents pulled back to the inputs, the parameters and the condition of one layer.
pub(crate) struct Pulled {
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) parameters: Vec<Tensor>,
    pub(crate) context: Option<Tensor>,
    pub(crate) t: Option<Tensor>,
}

/// Pulls (output, cotangent) pairs back; outputs that depend on nothing are left out.
pub(crate) fn pull(
    outputs: &[(Tensor, Tensor)],
    inputs: &[Tensor],
    parameters: &[Tensor],
    condition: Condition<'_>,
) -> Result<Pulled, Error> {
    let wanted = |x: Option<&Tensor>| x.filter(|x| x.requires_grad()).map(Tensor::shallow_clone);
    let (context, t) = (wanted(condition.context), wanted(condition.t));
    let all: Vec<Tensor> =
        inputs.iter().chain(parameters).chain(&context).chain(&t).map(Tensor::shallow_clone).collect();
    let (y, w): (Vec<Tensor>, Vec<Tensor>) =
        outputs.iter().filter(|(y, _)| y.requires_grad()).map(|(y, w)| (y.shallow_clone(), w.shallow_clone())).unzip();
    let mut pulled = vjp(&y, &w, &all, Graph::Free)?.into_iter();
    Ok(Pulled {
        inputs: pulled.by_ref().take(inputs.len()).collect(),
        parameters: pulled.by_ref().take(parameters.len()).collect(),
        context: context.and_then(|_| pulled.next()),
        t: t.and_then(|_| pulled.next()),
    })
}

/// The image of a point, with the log-determinant.
fn push<L: Layer + ?Sized>(
    layer: &L,
    direction: Direction,
    point: &Point,
    condition: Condition<'_>,
    dt: Option<&Tensor>,
) -> Result<(Point, Tensor), Error> {
    let run = |x: &Tensor, condition: Condition<'_>| match direction {
        Direction::Forward => layer.forward(x, condition),
        Direction::Inverse => layer.inverse(x, condition),
    };
    let Some(tangent) = &point.tangent else {
        let out = run(&point.value, condition)?;
        return Ok((Point { value: out.value, tangent: None }, out.log_det));
    };
    let (mut primals, mut tangents) = (vec![point.value.shallow_clone()], vec![tangent.shallow_clone()]);
    if let (Some(t), Some(dt)) = (condition.t, dt) {
        primals.push(t.shallow_clone());
        tangents.push(dt.shallow_clone());
    }
    let along = |duals: &[Tensor]| {
        let out = run(&duals[0], Condition { t: duals.get(1).or(condition.t), ..condition })?;
        Ok::<_, Error>(vec![out.value, out.log_det])
    };
    let mut out = jvp(along, &primals, &tangents)?;
    let log_det = out.remove(1).value;
    let pair = out.remove(0);
    Ok((Point { value: pair.value, tangent: Some(pair.tangent) }, log_det))
}

/// Retraces a layer as one piece: invert it without a graph, run it again with one, pull back.
///
/// # Errors
/// Those of the layer's two directions.
pub fn retrace_whole<L: Layer + ?Sized>(layer: &L, at: Retrace<'_>) -> Result<Retraced, Error> {
    let Retrace { direction, condition, dt, .. } = at;
    let (input, _) = tch::no_grad(|| push(layer, direction.opposite(), at.output, condition, dt))?;
    let input = Point { value: leaf(&input.value), tangent: input.tangent.as_ref().map(leaf) };
    let (output, log_det) = push(layer, direction, &input, condition, dt)?;
    let mut outputs =
        vec![(output.value, at.cotangent.value.shallow_clone()), (log_det, at.cotangent.log_det.shallow_clone())];
    outputs.extend(output.tangent.zip(at.cotangent.tangent.as_ref().map(Tensor::shallow_clone)));
    let inputs: Vec<Tensor> = [&input.value].into_iter().chain(&input.tangent).map(Tensor::shallow_clone).collect();
    let mut pulled = pull(&outputs, &inputs, &layer.parameters(), condition)?;
    Ok(Retraced {
        tangent: input.tangent.is_some().then(|| pulled.inputs.remove(1)),
        value: pulled.inputs.remove(0),
        input: Point { value: input.value.detach(), tangent: input.tangent.map(|x| x.detach()) },
        parameters: pulled.parameters,
        context: pulled.context,
        t: pulled.t,
    })
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

/// The gradients of a loss at the end of a flow, by ordinary autograd or by retracing.
///
/// `loss` is given the image and the log-determinant and returns a scalar; `others` are tensors beside the flow's
/// own that it reads and that want gradients (a learned base, say).
///
/// # Errors
/// Those of the flow and of `loss`.
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
            let cotangent = Cotangent { value, tangent, log_det };
            let Start { direction, dt, .. } = *start;
            let back = flow.retrace(Retrace { direction, output: &output, condition, dt, cotangent: &cotangent })?;
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
