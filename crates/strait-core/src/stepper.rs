use crate::{Error, VelocityField};
use tch::Tensor;

/// A method that integrates $\dot x = v(x, t)$ over one step of time, forward or backward.
///
/// A multistep method keeps earlier evaluations; [`start`](Self::start) begins a new trajectory.
pub trait Stepper {
    /// The nominal order $p$: the error at a fixed end is $O(h^p)$.
    fn order(&self) -> u32;

    /// The evaluations of the field that `steps` steps take from a new start, exactly.
    fn evaluations(&self, steps: usize) -> usize;

    /// Forgets the trajectory so far.
    fn start(&mut self);

    /// Replaces `x`, (B, ...), the state at time `from`, by the state at time `to`, in place.
    ///
    /// The field is evaluated at times between the two, endpoints included, one time for all samples. Gradients must be
    /// off (`tch::no_grad`): values that are overwritten cannot be differentiated. A field may return the same tensors
    /// that it was given.
    ///
    /// # Errors
    /// The field's own; `Shape` where its velocity has another shape than x.
    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error>;
}
