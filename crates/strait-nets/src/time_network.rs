//! A network of time as a `TimeFunction`: by itself where it sees no condition, and under those of a batch where it does.

use strait_autodiff::{Jet, Order};
use strait_core::{Conditions, Error, TimeFunction};
use tch::Tensor;

/// What a network of a context and of time must know for it.
pub(crate) trait TimeNetwork {
    /// Refuses a network that sees no condition.
    fn check_conditional(&self) -> Result<(), Error>;

    /// Its jet in t under conditions, of none in a network that sees none.
    fn jet_given(&self, context: &Tensor, t: &Tensor, order: Order, conditions: &Conditions) -> Result<Jet, Error>;
}

/// A network of time under the conditions of a batch.
pub(crate) struct Given<'a, N> {
    pub(crate) network: &'a N,
    pub(crate) conditions: Conditions,
}

impl<N: TimeNetwork> TimeFunction for Given<'_, N> {
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        self.conditions.check(context.size().first().copied().unwrap_or(0))?;
        self.network.jet_given(context, t, order, &self.conditions)
    }
}

macro_rules! time_function {
    ($network:ident) => {
        /// One that takes a condition refuses to be without.
        impl strait_core::TimeFunction for $network {
            fn jet(
                &self,
                context: &tch::Tensor,
                t: &tch::Tensor,
                order: strait_autodiff::Order,
            ) -> Result<strait_autodiff::Jet, strait_core::Error> {
                use crate::time_network::TimeNetwork as _;
                if self.check_conditional().is_ok() {
                    let (layer, missing) = ("a network of time", "its condition");
                    return Err(strait_core::Error::MissingCondition { layer, missing });
                }
                self.jet_given(context, t, order, &strait_core::Conditions::default())
            }

            fn given(
                &self,
                conditions: &strait_core::Conditions,
            ) -> Result<Option<Box<dyn strait_core::TimeFunction + '_>>, strait_core::Error> {
                use crate::time_network::{Given, TimeNetwork as _};
                Ok(match self.check_conditional() {
                    Ok(()) => Some(Box::new(Given { network: self, conditions: conditions.shallow_clone() })),
                    Err(_) => None,
                })
            }
        }
    };
}

pub(crate) use time_function;
