use crate::{BatchShare, ConditionKind, Conditions, Draws, Error, Stream};
use std::time::Duration;
use tch::Tensor;

/// The part of a data set that a draw comes from. Nothing is ever chosen on `Test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training.
    Train,
    /// For choosing settings.
    Validation,
    /// For the numbers that are reported.
    Test,
}

impl Split {
    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Data points, normalised as the network sees them, and the inverse map to the data's own units.
pub trait Dataset {
    /// The data set's name, with the parameters of its variant.
    fn name(&self) -> &str;

    /// The shape of one sample, without the batch.
    fn event_shape(&self) -> &[i64];

    /// How many points a split holds; None where every draw is fresh from an exact sampler.
    fn len(&self, split: Split) -> Option<i64>;

    /// `n` points for training step `step` of a stream, (n, ...), normalised: a function of the two alone, so that a
    /// resumed run needs only its step. The order of the rows must be random (not sorted, not grouped by
    /// class): training uses row i at the i-th of its times, which increase with i.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, Error>;

    /// `n` distinct points of a split in no order, (n, ...), normalised; all of them where it holds fewer. The first rows are those of a
    /// smaller n.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    fn points(&self, split: Split, n: i64, draws: &mut Draws) -> Result<Tensor, Error>;

    /// The name and the kind of the points' condition; None where they have none.
    fn condition(&self) -> Option<(&str, ConditionKind)> {
        None
    }

    /// The points of [`minibatch`](Self::minibatch), with their conditions.
    ///
    /// # Errors
    /// As there.
    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Tensor, Conditions), Error> {
        Ok((self.minibatch(n, step, stream)?, Conditions::default()))
    }

    /// Some rows of a batch of [`conditional_minibatch`](Self::conditional_minibatch), to the bit. A data set that reads its
    /// points from a file reads only these; the default draws the whole batch.
    ///
    /// # Errors
    /// As there.
    fn minibatch_rows(&self, rows: &BatchShare, step: u64, stream: Stream) -> Result<(Tensor, Conditions), Error> {
        let (x, conditions) = self.conditional_minibatch(rows.batch(), step, stream)?;
        Ok((rows.select(&x)?, rows.select_conditions(conditions)?))
    }

    /// The points of [`points`](Self::points), with their conditions.
    ///
    /// # Errors
    /// As there.
    fn conditional_points(&self, split: Split, n: i64, draws: &mut Draws) -> Result<(Tensor, Conditions), Error> {
        Ok((self.points(split, n, draws)?, Conditions::default()))
    }

    /// From normalised to the data's own units.
    ///
    /// # Errors
    /// `Shape` where x does not fit.
    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error>;

    /// The total time that minibatches have waited for reading files.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }
}
