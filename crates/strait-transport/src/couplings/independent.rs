use crate::error::PointsError;
use strait_core::{Coupling, Draws, Error, Pairs};
use tch::Tensor;

/// Independent pairs: row i of the source with row i of the data, as they were drawn.
///
/// The only coupling under which Proposition 1 (the exact marginal field) holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Independent;

impl Coupling for Independent {
    fn couple(&self, x0: Tensor, x1: Tensor, _draws: &mut Draws) -> Result<Pairs, Error> {
        same_count(&x0, &x1)?;
        Ok(Pairs { x0, x1, target_rows: None })
    }

    fn is_independent(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        "independent"
    }
}

/// How many rows both batches have; refuses those of different sizes.
pub(super) fn same_count(x0: &Tensor, x1: &Tensor) -> Result<i64, Error> {
    let count = |points: &Tensor| points.size().first().map_or(0, |&count| count as usize);
    let (source_count, target_count) = (count(x0), count(x1));
    if source_count == target_count {
        return Ok(source_count as i64);
    }
    Err(Error::other(PointsError::Counts { source_count, target_count }))
}
