//! Linear maps of the channels, for tensors so small that the calls of libtorch's operations would cost more than the
//! arithmetic.

use crate::ffi;
use crate::supported::preferred;
use std::ptr;
use strait_autodiff::AutodiffError;
use strait_core::Direction;
use tch::Tensor;

/// Beyond so many channels libtorch's matrix products are worth their calls.
const FEW_CHANNELS: i64 = 32;

/// A scale and a shift for each channel, and the log-determinant:
///
/// $$ y = e^{s} x + b, \qquad \log|\det| = H W \sum_c s_c $$
///
/// or its inverse, $y = (x - b) e^{-s}$ with the opposite sign. `x` is (B, C, ...), `log_scale` and `shift` are
/// (C,). The result, of the shape of x and (), can be differentiated in reverse any number of times. None as for
/// [`affine`](crate::affine).
///
/// # Errors
/// `Shape` where a parameter does not fit `x`; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::AutodiffError;
/// use strait_core::Direction;
/// use strait_kernels::diagonal;
/// use tch::Tensor;
/// let x = Tensor::from_slice(&[1.0f64, 2.0]).view([1, 2]);
/// let (s, b) = (Tensor::from_slice(&[2f64.ln(), 0.0]), Tensor::from_slice(&[1.0f64, -1.0]));
/// let (y, log_det) = diagonal(Direction::Forward, &x, &s, &b)?.expect("a kernel");
/// assert_eq!(Vec::<f64>::try_from(&y.view([2])).unwrap(), [3.0, 1.0]);
/// assert_eq!(f64::try_from(&log_det).unwrap(), 2f64.ln());
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn diagonal(
    direction: Direction,
    x: &Tensor,
    log_scale: &Tensor,
    shift: &Tensor,
) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    let size = x.size();
    for (index, (what, parameter)) in [("log_scale", log_scale), ("shift", shift)].into_iter().enumerate() {
        if size.len() < 2 || parameter.size() != size[1..2] {
            let expected = size.get(1..2).unwrap_or_default().to_vec();
            return Err(AutodiffError::Shape { what, index: index + 1, expected, found: parameter.size() });
        }
    }
    if !preferred(&[x, log_scale, shift]) {
        return Ok(None);
    }
    let (mut y, mut log_det) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; both results are written on success.
    ffi::check(unsafe {
        let (s, b) = (ffi::handle(log_scale), ffi::handle(shift));
        let inverse = direction == Direction::Inverse;
        ffi::strait_diagonal(ffi::handle(x), s, b, inverse, &raw mut y, &raw mut log_det)
    })?;
    // SAFETY: on success both are fresh tensors that nothing else owns.
    Ok(Some(unsafe { (ffi::own(y), ffi::own(log_det)) }))
}

/// A matrix from its triangular factors, and its log-determinant:
///
/// $$ M = (I + L) (\operatorname{diag} e^{s} + U), \qquad \log|\det| = \sum_c s_c $$
///
/// or $M^{-1}$ with the opposite sign. `weight` (C, C) holds $L$ below its diagonal, $s$ on it and $U$
/// above. The result, (C, C) and (), can be differentiated in reverse any number of times. None as
/// for [`affine`](crate::affine), and beyond 32 channels.
///
/// # Errors
/// `Shape` for a weight that is not square; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::AutodiffError;
/// use strait_core::Direction;
/// use strait_kernels::triangular;
/// use tch::Tensor;
/// let weight = Tensor::from_slice(&[0.0f64, 3.0, 2.0, 0.0]).view([2, 2]);
/// let (matrix, _) = triangular(Direction::Forward, &weight)?.expect("a kernel");
/// assert_eq!(Vec::<f64>::try_from(&matrix.view([4])).unwrap(), [1.0, 3.0, 2.0, 7.0]);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn triangular(direction: Direction, weight: &Tensor) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    let size = weight.size();
    if size.len() != 2 || size[0] != size[1] {
        let side = size.first().copied().unwrap_or(0);
        return Err(AutodiffError::Shape { what: "weight", index: 0, expected: vec![side, side], found: size });
    }
    if size[0] > FEW_CHANNELS || !preferred(&[weight]) {
        return Ok(None);
    }
    let (mut matrix, mut log_det) = (ptr::null_mut(), ptr::null_mut());
    let inverse = direction == Direction::Inverse;
    // SAFETY: the handle is of a borrowed square tensor of a checked kind; both results are written on success.
    ffi::check(unsafe { ffi::strait_triangular(ffi::handle(weight), inverse, &raw mut matrix, &raw mut log_det) })?;
    // SAFETY: on success both are fresh tensors that nothing else owns.
    Ok(Some(unsafe { (ffi::own(matrix), ffi::own(log_det)) }))
}
