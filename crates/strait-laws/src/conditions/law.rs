use crate::suite;
use std::fmt;

/// What everything must satisfy that takes conditions: a field, a path, a bijection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// The result has the shape of x.
    Shape,
    /// Under other conditions it is another.
    Sees,
    /// What a sample becomes depends on its own condition alone.
    OwnCondition,
    /// A sample alone, under its own condition, comes out as in the batch.
    BatchSplit,
    /// Samples in another order, with their conditions, come out the same in that order.
    Order,
    /// The field of some samples of the batch is that of those samples.
    OfSamples,
    /// Where conditions are dropped, the velocity is that of no condition.
    Dropped,
    /// Conditions of another number of samples are an error.
    Mismatch,
    /// A path or a bijection that depends on conditions is an error without them.
    Without,
    /// Under every condition a path begins at $x_0$ and ends at $x_1$.
    Endpoints,
    /// The velocity of a path is the derivative of its position under the same condition, and the acceleration that of its
    /// velocity.
    Derivative,
    /// The inverse under the same condition goes back, with the opposite log-determinant.
    RoundTrip,
}

pub(super) type Fault = suite::Fault<Law>;

pub(super) fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

pub(super) fn ensure(holds: bool, law: Law, detail: impl Into<String>) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(law, detail)) }
}
