use crate::Layer;
use crate::backward::{BackwardRequest, BackwardStep, Cotangent, Point, leaf, push, push_in_time};
use crate::reversible::check_reconstruction;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strait_autodiff::{Jet, Order, inside_jvp, reversible};
use strait_core::{Bijection, Condition, ConditionJet, Direction, Error, Transformed};
use tch::Tensor;

/// A flow whose graph is one node: reverse mode goes back through the inverse of each layer, from the output, so that the memory
/// of a training step does not grow with depth; nor with the derivative along a time, of which the first is carried
/// ([`reversible`](crate::reversible)).
///
/// It is a [`Bijection`] like the flow itself, so that any path or density can be made of it. What cannot be had this way is
/// recorded as usual: second derivatives along t, and what runs inside a JVP. A gradient of a gradient is refused, and so is
/// a walk back that does not come back to where it began ([`FlowError::NotReversible`](crate::FlowError::NotReversible), in
/// the words of the backward pass).
///
/// ```
/// use strait_flows::{Glow, Plan, Reversible};
/// use strait_flows::strait_autodiff::{Graph, gradient};
/// use strait_flows::strait_core::{Bijection, Condition, Error, Parameters, Seed};
/// use strait_flows::tch::{Device, Kind, Tensor};
/// let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
/// let flow = Reversible::new(Glow::vector(&mut parameters.root(), 3, &Plan::default())?);
/// let y = flow.forward(&Tensor::ones([4, 3], (Kind::Double, Device::Cpu)), Condition::NONE)?;
/// let loss = (y.value.square().sum(Kind::Double) - y.log_det.sum(Kind::Double)).f_mean(Kind::Double)?;
/// let gradients = gradient(&loss, parameters.tensors(), Graph::Free)?; // by the inverse
/// assert_eq!(gradients.len(), parameters.tensors().len());
/// # Ok::<(), Error>(())
/// ```
pub struct Reversible<F> {
    // Tensors may be sent to another thread, where the engine goes back, and not be shared with one.
    flow: Arc<Mutex<F>>,
}

impl<F: Layer + Send + 'static> Reversible<F> {
    /// Of a flow.
    pub fn new(flow: F) -> Self {
        Self { flow: Arc::new(Mutex::new(flow)) }
    }

    /// The flow. (A panic while it was locked changed nothing in it.)
    fn flow(&self) -> MutexGuard<'_, F> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image of a point as one node, with the log-determinant.
    fn run(
        &self,
        direction: Direction,
        point: &Point,
        condition: Condition<'_>,
        dt: Option<&Tensor>,
    ) -> Result<(Point, Option<Tensor>), Error> {
        let flow = self.flow();
        let (output, log_det) = tch::no_grad(|| match push_in_time(&*flow, direction, point, condition, dt)? {
            Some(output) => Ok((output, None)),
            None => push(&*flow, direction, point, condition, dt).map(|(output, log_det)| (output, Some(log_det))),
        })?;
        let own = |x: Option<&Tensor>| x.map(|x| x.detach().set_requires_grad(x.requires_grad()));
        let start = Walk {
            direction,
            point: Point { value: point.value.detach(), tangent: point.tangent.as_ref().map(Tensor::detach) },
            context: own(condition.context),
            t: own(condition.t),
            dt: dt.map(Tensor::detach),
        };
        let beside = [point.tangent.as_ref(), condition.context, condition.t].into_iter().flatten();
        let inputs: Vec<Tensor> =
            [&point.value].into_iter().chain(beside).map(Tensor::shallow_clone).chain(flow.parameters()).collect();
        let is_along = output.tangent.is_some();
        let outputs: Vec<Tensor> = [Some(output.value), output.tangent, log_det].into_iter().flatten().collect();
        let (start, own) = (Mutex::new(start), Arc::clone(&self.flow));
        let back = move |outputs: &[Tensor], cotangents: &[Tensor]| {
            let flow = own.lock().unwrap_or_else(PoisonError::into_inner);
            start.lock().unwrap_or_else(PoisonError::into_inner).back(&*flow, outputs, cotangents)
        };
        let mut outputs = reversible(&outputs, &inputs, back)?.into_iter();
        let missing = || Error::Shape { what: "a reversible flow", expected: "an image".into(), found: vec![] };
        let value = outputs.next().ok_or_else(missing)?;
        let tangent = if is_along { outputs.next() } else { None };
        Ok((Point { value, tangent }, outputs.next()))
    }

    fn image(&self, direction: Direction, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let point = Point { value: x.shallow_clone(), tangent: None };
        let (image, log_det) = self.run(direction, &point, condition, None)?;
        let log_det = log_det.unwrap_or_else(|| x.new_zeros([x.size()[0]], (x.kind(), x.device())));
        Ok(Transformed { value: image.value, log_det })
    }
}

/// What is kept for the way back.
struct Walk {
    direction: Direction,
    point: Point,
    context: Option<Tensor>,
    t: Option<Tensor>,
    dt: Option<Tensor>,
}

impl Walk {
    /// The gradients of the point, its tangent, the context, the time, and the parameters: of those that there are.
    fn back<F: Layer>(&self, flow: &F, outputs: &[Tensor], cotangents: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let copy = |of: &[Tensor], i: usize| of.get(i).map(Tensor::shallow_clone);
        let (Some(value), Some(value_bar)) = (copy(outputs, 0), copy(cotangents, 0)) else {
            return Err(Error::Shape { what: "a reversible flow", expected: "an image".into(), found: vec![] });
        };
        let is_along = self.point.tangent.is_some();
        let tangents = if is_along { (copy(outputs, 1), copy(cotangents, 1)) } else { (None, None) };
        let log_det = copy(cotangents, 1 + usize::from(is_along));
        let output = Point { value, tangent: tangents.0 };
        let cotangent = Cotangent { value: value_bar, tangent: tangents.1, log_det };
        let wanted = |x: &Option<Tensor>| x.as_ref().map(|x| if x.requires_grad() { leaf(x) } else { x.detach() });
        let (context, t) = (wanted(&self.context), wanted(&self.t));
        let condition = Condition { context: context.as_ref(), t: t.as_ref() };
        let request = BackwardRequest {
            direction: self.direction,
            output: &output,
            condition,
            dt: self.dt.as_ref(),
            cotangent: &cotangent,
        };
        let BackwardStep { input, value, tangent, parameters, context: of_context, t: of_t } =
            flow.reversible_backward(request)?;
        check_reconstruction(&self.point, &input)?;
        let or_zero =
            |found: Option<Tensor>, of: &Option<Tensor>| of.as_ref().map(|x| found.unwrap_or_else(|| x.zeros_like()));
        let beside =
            [or_zero(tangent, &self.point.tangent), or_zero(of_context, &self.context), or_zero(of_t, &self.t)];
        Ok([value].into_iter().chain(beside.into_iter().flatten()).chain(parameters).collect())
    }
}

impl<F: Layer + Send + 'static> Bijection for Reversible<F> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        if inside_jvp() { self.flow().forward(x, condition) } else { self.image(Direction::Forward, x, condition) }
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        if inside_jvp() { self.flow().inverse(y, condition) } else { self.image(Direction::Inverse, y, condition) }
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        if inside_jvp() || Jet::order_of([x, condition.t]) != Order::First {
            return self.flow().push(x, condition);
        }
        let point = Point { value: x.value().shallow_clone(), tangent: Some(x.first()) };
        let still = Condition { context: condition.context, t: Some(condition.t.value()) };
        let (image, _) = self.run(Direction::Forward, &point, still, Some(&condition.t.first()))?;
        Ok(image.tangent.map(|tangent| Jet::with_derivatives(image.value, tangent, None)))
    }

    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        self.flow().answer(question)
    }
}

impl<F: Layer + Send + 'static> Layer for Reversible<F> {
    fn parameters(&self) -> Vec<Tensor> {
        self.flow().parameters()
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        self.flow().initialise(y, condition)
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        self.flow().reversible_backward(at)
    }
}

impl<F: Layer + Send + 'static> fmt::Display for Reversible<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reversible({})", self.flow())
    }
}
