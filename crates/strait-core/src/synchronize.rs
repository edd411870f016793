use crate::Error;
use tch::Tensor;

/// Processes that train one model, each on its share of a batch: the ranks of a group.
///
/// Every rank calls these in the same order. What a rank waits for is bounded by a deadline of the implementor's, and
/// its errors name the rank that was waited for.
pub trait Synchronize {
    /// Which of the ranks this process is, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn world(&self) -> usize;

    /// The mean over all ranks of each tensor, the same to the bit on every rank; one reduction for all of them.
    ///
    /// # Errors
    /// The implementor's.
    fn mean(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Error>;

    /// The sum over all ranks of each number.
    ///
    /// # Errors
    /// The implementor's.
    fn sum(&self, numbers: &[f64]) -> Result<Vec<f64>, Error>;

    /// Gives each tensor the values that it has on rank 0, in place.
    ///
    /// # Errors
    /// The implementor's.
    fn spread(&self, tensors: &[Tensor]) -> Result<(), Error>;

    /// Refuses ranks whose digest of `what` is not that of rank 0. Every rank gets the same error, which names them.
    ///
    /// # Errors
    /// The implementor's.
    fn check_same(&self, what: &str, digest: [u8; 32]) -> Result<(), Error>;
}

/// One process that trains alone: nothing is sent, and nothing waited for.
///
/// ```
/// use strait_core::{Alone, Synchronize};
/// assert_eq!((Alone.rank(), Alone.world()), (0, 1));
/// assert_eq!(Alone.sum(&[1.5])?, [1.5]);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alone;

impl Synchronize for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn mean(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        Ok(tensors)
    }

    fn sum(&self, numbers: &[f64]) -> Result<Vec<f64>, Error> {
        Ok(numbers.to_vec())
    }

    fn spread(&self, _tensors: &[Tensor]) -> Result<(), Error> {
        Ok(())
    }

    fn check_same(&self, _what: &str, _digest: [u8; 32]) -> Result<(), Error> {
        Ok(())
    }
}
