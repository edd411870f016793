//! The tail of an affine coupling in a single pass over memory, on the CPU.

use crate::kernel::serves;
use crate::{AutodiffError, ffi};
use std::ptr;
use tch::Tensor;

/// Beyond it the kernel's exponential is clamped.
const GREATEST_BOUND: f64 = 80.0;

/// A bounded affine map of each number and the log-determinant of each sample:
///
/// $$ s = \beta \tanh(r / \beta), \qquad y = e^{s} x + m, \qquad \log|\det| = \sum s $$
///
/// or, where `inverse`, $y = (x - m)\,e^{-s}$ with $-\sum s$. `x` is (B, C, ...); `raw` holds $r$ and then $m$ along the
/// channels, (B, 2C, ...). The result, (B, C, ...) and (B,), can be differentiated in reverse any number of times. None
/// where no kernel serves, and the map is to be made of libtorch's operations: inside the function of a JVP, off the
/// CPU, for other kinds than float and double, where $\beta$ is above 80, where many numbers meet many threads.
///
/// # Errors
/// `Shape` where `raw` does not fit `x`; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::{AutodiffError, affine};
/// use tch::Tensor;
/// let x = Tensor::from_slice(&[1.0f64, 2.0]).view([1, 2]);
/// let raw = Tensor::from_slice(&[0.0f64, 0.0, 0.5, -0.5]).view([1, 4]);
/// let (y, log_det) = affine(&x, &raw, 2.0, false)?.expect("a kernel");
/// assert_eq!(Vec::<f64>::try_from(&y.view([2])).unwrap(), [1.5, 1.5]);
/// assert_eq!(log_det.size(), [1]);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn affine(x: &Tensor, raw: &Tensor, bound: f64, inverse: bool) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    let mut expected = x.size();
    if let Some(channels) = expected.get_mut(1) {
        *channels *= 2;
    }
    if expected.len() < 2 || raw.size() != expected {
        return Err(AutodiffError::Shape { what: "raw", index: 1, expected, found: raw.size() });
    }
    if bound > GREATEST_BOUND || !serves(&[x, raw]) {
        return Ok(None);
    }
    let (mut y, mut log_det) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; both results are written on success.
    ffi::check(unsafe {
        ffi::strait_affine(ffi::handle(x), ffi::handle(raw), bound, inverse, &raw mut y, &raw mut log_det)
    })?;
    // SAFETY: on success both are fresh tensors that nothing else owns.
    Ok(Some(unsafe { (ffi::own(y), ffi::own(log_det)) }))
}
