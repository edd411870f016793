use crate::{Conditions, Draws, Error, Stream};
use auto_impl::auto_impl;
use tch::Tensor;

/// Pairs of source and data points: row i of `x0` goes with row i of `x1`.
#[derive(Debug)]
pub struct Pairs {
    /// Source points, (B, ...).
    pub x0: Tensor,
    /// Data points, (B, ...).
    pub x1: Tensor,
    /// Which row of the given data each row of `x1` is, (B,) of 64-bit integers; [`carried`](Self::carried) takes its
    /// conditions along.
    /// None: the rows as they were given.
    pub target_rows: Option<Tensor>,
}

impl Pairs {
    /// The conditions of the pairs, given those of the data.
    ///
    /// # Errors
    /// libtorch's, for rows that the data do not have.
    pub fn carried(&self, conditions: Conditions) -> Result<Conditions, Error> {
        match &self.target_rows {
            Some(rows) if !conditions.is_empty() => conditions.gather(rows),
            _ => Ok(conditions),
        }
    }
}

/// A joint law of source and data with the right marginals, realised batch by batch.
pub trait Coupling {
    /// Pairs up a batch of source points with a batch of data points.
    ///
    /// The order of the source rows does not change; only the data rows are permuted or chosen. Training uses row i at
    /// the i-th of its stratified times, so a coupling that sorted the source would give each part of the source its
    /// own times.
    ///
    /// # Errors
    /// `Shape` where the two do not fit; the implementor's own.
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error>;

    /// As [`couple`](Self::couple), with the conditions of the data, (B, ...). A coupling by distance makes the source
    /// points of a pair depend on the condition; then samples for one condition, which start from all of the source,
    /// are biased. A conditional coupling avoids this: it pairs within each condition.
    ///
    /// # Errors
    /// As there.
    fn couple_given(
        &self,
        x0: Tensor,
        x1: Tensor,
        _conditions: &Conditions,
        draws: &mut Draws,
    ) -> Result<Pairs, Error> {
        self.couple(x0, x1, draws)
    }

    /// Whether the pairs are independent: Proposition 1 (the exact marginal field) holds only then.
    fn is_independent(&self) -> bool;

    /// The name of the coupling, for messages and logs.
    fn name(&self) -> &str;

    /// This coupling for another thread, where its pairs are a function of what it is given alone: training then pairs the
    /// batches to come while it computes with one. None: pairs are made where they are asked for, as where they follow a
    /// model that is being trained.
    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        None
    }
}

/// Refuses a coupling whose pairs are not independent, for a method that rests on Proposition 1.
///
/// # Errors
/// `NotIndependent` names both.
pub fn check_independent(what: &'static str, coupling: &dyn Coupling) -> Result<(), Error> {
    if coupling.is_independent() {
        return Ok(());
    }
    Err(Error::NotIndependent { what, coupling: coupling.name().to_owned() })
}

/// Pairs of source and data points that were made once and stored, for example those of a rectified flow.
#[auto_impl(&, Box, Rc, Arc)]
pub trait PairedDataset {
    /// The shape of one sample, without the batch.
    fn event_shape(&self) -> &[i64];

    /// How many pairs there are.
    fn count(&self) -> i64;

    /// `n` pairs for training step `step` of a stream, a function of the three alone. `target_rows` says which of the
    /// pairs they are. The order of the rows must be random, as in
    /// [`Dataset::minibatch`](crate::Dataset::minibatch).
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error>;

    /// Whether pairs come under conditions.
    fn is_conditional(&self) -> bool {
        false
    }

    /// The pairs of [`minibatch`](Self::minibatch), with their conditions.
    ///
    /// # Errors
    /// As there.
    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Pairs, Conditions), Error> {
        Ok((self.minibatch(n, step, stream)?, Conditions::default()))
    }
}
