use crate::{Error, FlowMap};
use tch::Tensor;

/// A time-dependent velocity field: a network, the exact marginal field, a closed form.
///
/// The solver, the metrics and the objectives know nothing else of it, but whether it is the diagonal of a flow map.
pub trait VelocityField {
    /// $v(x, t)$ of the shape of x, (B, ...), at a time for each sample, (B,). Samples do not see each other.
    ///
    /// # Errors
    /// `Shape` where the two do not fit, or the implementor's own.
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error>;

    /// The flow map that this field is the diagonal of, $v(x, t) = u(x, t, t)$, where it is one.
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        None
    }
}

impl<F: VelocityField + ?Sized> VelocityField for &F {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        (**self).velocity(x, t)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        (**self).as_flow_map()
    }
}

impl<F: VelocityField + ?Sized> VelocityField for Box<F> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        (**self).velocity(x, t)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        (**self).as_flow_map()
    }
}
