use crate::NetworkSummary;
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
    fn summary(&self) -> &NetworkSummary;
}

/// A network with an `embedding` of its times and its condition, as a velocity field or a flow map, and under conditions.
macro_rules! fields {
    ($network:ident) => {
        const _: () = {
            use crate::Network as _;
            use strait_core::{Bound, Conditional, Conditions, Error, FlowMap, VelocityField, check_batch};
            use tch::Tensor;

            /// Of two times both are t, where an average velocity is the velocity.
            impl Conditional for $network {
                fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
                    check_batch(x, t)?;
                    self.evaluate_given(x, &self.embedding.diagonal(t), conditions)
                }

                fn is_flow_map(&self) -> bool {
                    self.embedding.is_of_two_times()
                }

                fn average_velocity_given(
                    &self,
                    x: &Tensor,
                    s: &Tensor,
                    t: &Tensor,
                    conditions: &Conditions,
                ) -> Result<Tensor, Error> {
                    self.evaluate_given(x, &[s, t], conditions)
                }
            }

            /// Without a condition, unless it is bound to some.
            impl VelocityField for $network {
                fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
                    self.velocity_given(x, t, &Conditions::default())
                }

                fn as_flow_map(&self) -> Option<&dyn FlowMap> {
                    if self.embedding.is_of_two_times() { Some(self) } else { None }
                }

                fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
                    self.embedding.check_conditional()?;
                    Ok(Bound::boxed(self, conditions))
                }
            }

            /// Without a condition; of a network of two times.
            impl FlowMap for $network {
                fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
                    self.evaluate_given(x, &[s, t], &Conditions::default())
                }
            }
        };
    };
}

pub(crate) use fields;
