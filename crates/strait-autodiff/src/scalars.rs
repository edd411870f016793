//! Numbers that were computed as tensors.

use crate::{AutodiffError, ffi};
use tch::Tensor;

/// The numbers of scalars, in order, without a copy of those on the CPU. Those on another device are waited for once, and come
/// in one transfer.
///
/// # Errors
/// libtorch's, where a tensor does not hold one number.
///
/// ```
/// use strait_autodiff::scalars;
/// use tch::Tensor;
/// let x = Tensor::from_slice(&[1.5f32, 2.5]);
/// assert_eq!(scalars([&x.get(1), &Tensor::from(0.1f64), &Tensor::from(7i64)])?, [2.5, 0.1, 7.0]);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn scalars<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Vec<f64>, AutodiffError> {
    let given = ffi::handles(tensors);
    let mut numbers = vec![0.0; given.len()];
    // SAFETY: `given` holds live tensors; `numbers` has room for one number of each.
    ffi::check(unsafe { ffi::strait_scalars(given.as_ptr(), given.len(), numbers.as_mut_ptr()) })?;
    Ok(numbers)
}
