//! Squared distances of samples in one pass each way, on the CPU.

use crate::ffi;
use crate::supported::supported;
use std::ptr;
use strait_autodiff::AutodiffError;
use tch::Tensor;

/// $|a - b|^2$ of each sample, the sum over all axes but the first: (B, ...) to (B,). It can be differentiated in reverse any
/// number of times. None where the kernel cannot be used: inside the function of a JVP, off the CPU, for other kinds than
/// float and double.
///
/// # Errors
/// `Shape` where the two do not have one shape (B, ...); libtorch's, when memory runs out.
///
/// ```
/// use tch::Tensor;
/// let (a, b) = (Tensor::from_slice2(&[[1.0f64, 2.0], [0.0, 5.0]]), Tensor::from_slice2(&[[0.0f64, 0.0], [0.0, 1.0]]));
/// let squares = strait_kernels::square_distance(&a, &b)?.expect("a kernel");
/// assert_eq!(squares, Tensor::from_slice(&[5.0, 16.0]));
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn square_distance(a: &Tensor, b: &Tensor) -> Result<Option<Tensor>, AutodiffError> {
    distance(a, b, false)
}

/// The mean of [`square_distance`] over the samples, a scalar, summed in double precision. None as there.
///
/// # Errors
/// As there.
///
/// ```
/// use tch::Tensor;
/// let (a, b) = (Tensor::from_slice2(&[[1.0f64, 2.0], [0.0, 5.0]]), Tensor::from_slice2(&[[0.0f64, 0.0], [0.0, 1.0]]));
/// assert_eq!(strait_kernels::mean_square_distance(&a, &b)?.expect("a kernel").double_value(&[]), 10.5);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn mean_square_distance(a: &Tensor, b: &Tensor) -> Result<Option<Tensor>, AutodiffError> {
    distance(a, b, true)
}

fn distance(a: &Tensor, b: &Tensor, averaged: bool) -> Result<Option<Tensor>, AutodiffError> {
    let (expected, found) = (a.size(), b.size());
    if expected.is_empty() || expected != found {
        return Err(AutodiffError::Shape { what: "second of two batches", index: 0, expected, found });
    }
    if !supported(&[a, b]) {
        return Ok(None);
    }
    let mut result = ptr::null_mut();
    // SAFETY: the handles are of tensors of one shape and kind that outlive the call.
    ffi::check(unsafe { ffi::strait_square_distance(ffi::handle(a), ffi::handle(b), averaged, &raw mut result) })?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(Some(unsafe { ffi::own(result) }))
}
