use crate::{Error, FlowMap};
use auto_impl::auto_impl;
use tch::Tensor;

/// A time-dependent velocity field: a network, the exact marginal field, a closed form.
///
/// The solver, the metrics and the objectives know nothing else of it, but whether it is the diagonal of a flow map.
#[auto_impl(&, Box, Rc, Arc)]
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
