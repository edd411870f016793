//! The reversible backward step of one layer: it computes the input again from the output, and carries the cotangents
//! back.

use std::ops::Add;
use strait_autodiff::{Graph, Jet, jvp, vjp};
use strait_core::{Bijection, Condition, ConditionJet, Direction, Error};
use tch::Tensor;

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
    /// For the log-determinant, (B,); None where the loss does not see it.
    pub log_det: Option<Tensor>,
}

impl Cotangent {
    /// That of the log-determinant.
    pub(crate) fn of_log_det(&self) -> Option<Tensor> {
        self.log_det.as_ref().map(Tensor::shallow_clone)
    }
}

/// What a layer is given for its reversible backward step. The condition's tensors are leaves; those that require gradients are
/// to be answered for.
#[derive(Debug, Clone, Copy)]
pub struct BackwardRequest<'a> {
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

/// A layer's answer to [`BackwardRequest`].
#[derive(Debug)]
pub struct BackwardStep {
    /// What went in.
    pub input: Point,
    /// The loss's derivative at the input's value.
    pub value: Tensor,
    /// And at its tangent.
    pub tangent: Option<Tensor>,
    /// And with respect to the parameters, in the order of [`Layer::parameters`](crate::Layer::parameters).
    pub parameters: Vec<Tensor>,
    /// And with respect to the context, where that requires gradients.
    pub context: Option<Tensor>,
    /// And with respect to t, where that requires gradients.
    pub t: Option<Tensor>,
}

impl BackwardStep {
    /// The end of a chain before the step of its last layer.
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
pub(crate) fn push<L: Bijection + ?Sized>(
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

/// The image of a point with a tangent, forward and along a time, by the layer's closed form where it has one; without the
/// log-determinant.
pub(crate) fn push_in_time<L: Bijection + ?Sized>(
    layer: &L,
    direction: Direction,
    point: &Point,
    condition: Condition<'_>,
    dt: Option<&Tensor>,
) -> Result<Option<Point>, Error> {
    let (Direction::Forward, Some(dx), Some(t), Some(dt)) = (direction, &point.tangent, condition.t, dt) else {
        return Ok(None);
    };
    let x = Jet::with_derivatives(point.value.shallow_clone(), dx.shallow_clone(), None);
    let time = Jet::with_derivatives(t.shallow_clone(), dt.shallow_clone(), None);
    let image = layer.push(&x, ConditionJet { context: condition.context, t: &time })?;
    Ok(image.map(|image| Point { value: image.value().shallow_clone(), tangent: Some(image.first()) }))
}

/// The reversible backward step of a layer with these parameters as one piece: invert it without a graph, run it again with
/// one, pull back.
///
/// # Errors
/// Those of the layer's two directions.
pub fn reversible_backward_whole<L: Bijection + ?Sized>(
    layer: &L,
    parameters: &[Tensor],
    at: BackwardRequest<'_>,
) -> Result<BackwardStep, Error> {
    let BackwardRequest { direction, condition, dt, .. } = at;
    let (input, _) = tch::no_grad(|| push(layer, direction.opposite(), at.output, condition, dt))?;
    reversible_backward_from(layer, parameters, at, &input)
}

/// As [`reversible_backward_whole`], for a layer $y = A(t) x + b(t)$ with a closed form along a time: without a JVP,
/// $\dot x = A^{-1}(\dot y - \dot A x - \dot b)$, of which `solve` is the last step, given x.
pub(crate) fn reversible_backward_linear<L: Bijection + ?Sized>(
    layer: &L,
    parameters: &[Tensor],
    at: BackwardRequest<'_>,
    solve: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor, Error>,
) -> Result<BackwardStep, Error> {
    let (Direction::Forward, Some(dy)) = (at.direction, &at.output.tangent) else {
        return reversible_backward_whole(layer, parameters, at);
    };
    let input = tch::no_grad(|| {
        let x = layer.inverse(&at.output.value, at.condition)?.value;
        let still = Point { tangent: Some(x.zeros_like()), value: x };
        let moved = push_in_time(layer, Direction::Forward, &still, at.condition, at.dt)?;
        let Some(tangent) = moved.and_then(|moved| moved.tangent) else { return Ok::<_, Error>(None) };
        let dx = solve(&still.value, &(dy - tangent))?;
        Ok(Some(Point { tangent: Some(dx), ..still }))
    })?;
    match input {
        Some(input) => reversible_backward_from(layer, parameters, at, &input),
        None => reversible_backward_whole(layer, parameters, at),
    }
}

/// From the input: run it again with a graph, pull back.
fn reversible_backward_from<L: Bijection + ?Sized>(
    layer: &L,
    parameters: &[Tensor],
    at: BackwardRequest<'_>,
    input: &Point,
) -> Result<BackwardStep, Error> {
    let BackwardRequest { direction, condition, dt, .. } = at;
    let input = Point { value: leaf(&input.value), tangent: input.tangent.as_ref().map(leaf) };
    let (output, log_det) = match push_in_time(layer, direction, &input, condition, dt)? {
        Some(output) => {
            let log_det = at.cotangent.log_det.as_ref().map(|_| layer.forward(&input.value, condition)).transpose()?;
            (output, log_det.map(|image| image.log_det))
        }
        None => {
            let (output, log_det) = push(layer, direction, &input, condition, dt)?;
            (output, Some(log_det))
        }
    };
    let mut outputs = vec![(output.value, at.cotangent.value.shallow_clone())];
    outputs.extend(log_det.zip(at.cotangent.of_log_det()));
    outputs.extend(output.tangent.zip(at.cotangent.tangent.as_ref().map(Tensor::shallow_clone)));
    let inputs: Vec<Tensor> = [&input.value].into_iter().chain(&input.tangent).map(Tensor::shallow_clone).collect();
    let mut pulled = pull(&outputs, &inputs, parameters, condition)?;
    Ok(BackwardStep {
        tangent: input.tangent.is_some().then(|| pulled.inputs.remove(1)),
        value: pulled.inputs.remove(0),
        input: Point { value: input.value.detach(), tangent: input.tangent.map(|x| x.detach()) },
        parameters: pulled.parameters,
        context: pulled.context,
        t: pulled.t,
    })
}
