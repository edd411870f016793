use crate::Summary;
use strait_core::{Conditions, Error};
use tch::Tensor;

/// A network over a sample, one time or two, and a condition where it was built for one.
///
/// Every network here is differentiable in forward mode, and in reverse mode through that.
pub trait Network {
    /// $f(x, t; c)$ or $f(x, s, t; c)$, of the shape of x, (B, ...). Each time is (B,), a condition has one row a sample,
    /// and without one the network is that of no condition.
    ///
    /// # Errors
    /// Names the layer, or the input, that something does not fit.
    fn evaluate(&self, x: &Tensor, times: &[&Tensor], condition: Option<&Tensor>) -> Result<Tensor, Error> {
        let conditions = condition.map(|rows| Conditions::of("condition", rows.shallow_clone())).transpose()?;
        self.evaluate_given(x, times, &conditions.unwrap_or_default())
    }

    /// The same for conditions as they travel with a batch: the only one, which may be dropped for some samples.
    ///
    /// # Errors
    /// As there.
    fn evaluate_given(&self, x: &Tensor, times: &[&Tensor], conditions: &Conditions) -> Result<Tensor, Error>;

    /// Its layers with shapes, parameters and multiply-adds; it can be printed.
    fn summary(&self) -> &Summary;
}
