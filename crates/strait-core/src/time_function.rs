use crate::{Conditions, Error};
use auto_impl::auto_impl;
use strait_autodiff::{Jet, Order};
use tch::Tensor;

/// A function of a context and of time whose derivatives in time are exact, as a learned interpolant requires of its
/// network.
#[auto_impl(&, Box, Rc, Arc)]
pub trait TimeFunction {
    /// $f(c, t)$, (B, k), for contexts (B, ...) and a time for each sample (B,), with derivatives in t up to `order`.
    ///
    /// # Errors
    /// `Shape` where the two do not fit, or the implementor's own.
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error>;

    /// $f(c, t)$ under the conditions of a batch, one for each sample, where it depends on them; None: it does not.
    ///
    /// # Errors
    /// The implementor's own, for conditions that do not fit.
    fn given(&self, _conditions: &Conditions) -> Result<Option<Box<dyn TimeFunction + '_>>, Error> {
        Ok(None)
    }
}
