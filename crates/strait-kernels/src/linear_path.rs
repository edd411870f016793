//! The linear path in one pass, on the CPU.

use crate::ffi;
use crate::supported::supported;
use std::ptr;
use strait_autodiff::AutodiffError;
use tch::Tensor;

/// $(1 - t) x_0 + t x_1$ and $x_1 - x_0$, of endpoints (B, ...) and times (B,), to the bit what libtorch's operations make of
/// them. None where the kernel cannot be used: for what is to be differentiated, inside the function of a JVP, off the CPU, for
/// other kinds than float and double.
///
/// # Errors
/// `Shape` where the tensors do not fit; libtorch's, when memory runs out.
///
/// ```
/// use tch::Tensor;
/// let (x0, x1) = (Tensor::from_slice2(&[[0.0f64, 2.0]]), Tensor::from_slice2(&[[4.0f64, 0.0]]));
/// let (x, velocity) = strait_kernels::linear_path(&x0, &x1, &Tensor::from_slice(&[0.25f64]))?.expect("a kernel");
/// assert_eq!((x, velocity), (Tensor::from_slice2(&[[1.0f64, 1.5]]), Tensor::from_slice2(&[[4.0f64, -2.0]])));
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn linear_path(x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    let (size, times) = (x0.size(), t.size());
    for (index, (what, expected, found)) in
        [("endpoint", &size[..], x1.size()), ("time", &size[..size.len().min(1)], times)].into_iter().enumerate()
    {
        if size.is_empty() || expected != found {
            return Err(AutodiffError::Shape { what, index, expected: expected.to_vec(), found });
        }
    }
    if !supported(&[x0, x1, t]) {
        return Ok(None);
    }
    let mut made = [ptr::null_mut(); 2];
    // SAFETY: the handles are of tensors of checked shapes and kinds that outlive the call; there is room for two results.
    ffi::check(unsafe {
        ffi::strait_linear_path(ffi::handle(x0), ffi::handle(x1), ffi::handle(t), made.as_mut_ptr())
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [x, velocity] = unsafe { ffi::own_each(made) };
    Ok(x.zip(velocity))
}
