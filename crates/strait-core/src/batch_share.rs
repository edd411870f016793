use crate::{Conditions, Draws, Error};
use std::ops::Range;
use tch::{Kind, Tensor};

/// Which rows of a batch: the share of one of the processes that train on it together.
///
/// ```
/// use strait_core::BatchShare;
/// use tch::Tensor;
/// // The second of two ranks, of a batch of 6 whose last two rows are of another kind.
/// let rows = BatchShare::of(6, vec![2..4, 5..6]);
/// let x = Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5]);
/// assert_eq!(rows.select(&x)?, Tensor::from_slice(&[2i64, 3, 5]));
/// assert_eq!((rows.count(), rows.batch(), rows.is_all()), (3, 6, false));
/// assert!(BatchShare::all(6).is_all());
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchShare {
    batch: i64,
    parts: Vec<Range<i64>>,
}

impl BatchShare {
    /// All rows of a batch.
    pub fn all(batch: i64) -> Self {
        Self::of(batch, std::iter::once(0..batch).collect())
    }

    /// Ranges of the rows of a batch, in this order; empty ones are left out.
    pub fn of(batch: i64, parts: Vec<Range<i64>>) -> Self {
        Self { batch, parts: parts.into_iter().filter(|part| !part.is_empty()).collect() }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.parts.iter().map(|part| part.end - part.start).sum()
    }

    /// How many rows the whole batch has.
    pub fn batch(&self) -> i64 {
        self.batch
    }

    /// Whether they are all rows of the batch in order.
    pub fn is_all(&self) -> bool {
        self.parts.iter().eq(&Self::all(self.batch).parts)
    }

    /// These rows of a tensor with one row for each of the batch.
    ///
    /// # Errors
    /// libtorch's, for rows that are not there.
    pub fn select(&self, x: &Tensor) -> Result<Tensor, Error> {
        if self.is_all() {
            return Ok(x.shallow_clone());
        }
        let parts = self.parts.iter().map(|part| x.f_narrow(0, part.start, part.end - part.start));
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        match parts.len() {
            0 => Ok(x.f_narrow(0, 0, 0)?),
            1 => Ok(parts.remove(0)),
            _ => Ok(Tensor::f_cat(&parts, 0)?),
        }
    }

    /// What `sample` draws for these rows alone, where it draws tensors with one row a sample: to the bit what it draws there for
    /// the whole batch.
    ///
    /// ```
    /// use strait_core::{BatchShare, Seed};
    /// use tch::{Device, Kind};
    /// let (draws, rows) = (Seed(0).stream("x").at(0), BatchShare::of(6, vec![2..4, 5..6]));
    /// let some = rows.draw(&mut draws.clone(), |n, draws| draws.normal(&[n, 3], Kind::Float, Device::Cpu))?;
    /// assert_eq!(some, rows.select(&draws.clone().normal(&[6, 3], Kind::Float, Device::Cpu)?)?);
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `sample`.
    pub fn draw(
        &self,
        draws: &mut Draws,
        sample: impl Fn(i64, &mut Draws) -> Result<Tensor, Error>,
    ) -> Result<Tensor, Error> {
        let begun = draws.clone();
        let parts = self.parts.iter().map(|part| {
            *draws = begun.clone().from_row(part.start as u64);
            sample(part.end - part.start, draws)
        });
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        *draws = draws.clone().from_row(0);
        match parts.len() {
            0 => sample(0, draws),
            1 => Ok(parts.remove(0)),
            _ => Ok(Tensor::f_cat(&parts, 0)?),
        }
    }

    /// The conditions of these rows, of those of the batch.
    ///
    /// # Errors
    /// As `select`.
    pub fn select_conditions(&self, conditions: Conditions) -> Result<Conditions, Error> {
        if self.is_all() || conditions.is_empty() {
            return Ok(conditions);
        }
        let places = Tensor::f_arange(self.batch, (Kind::Int64, tch::Device::Cpu))?;
        conditions.gather(&self.select(&places)?)
    }
}
