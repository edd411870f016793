//! Nonlinearities in single passes over memory, on the CPU. Elsewhere they are libtorch's operations.

use crate::kernel::{serves, understood};
use crate::{AutodiffError, Order, ffi};
use std::ptr;
use tch::Tensor;

/// The value and the derivatives of $x \sigma(x)$ along a scalar, an absent `second` being zero; None where no kernel
/// serves.
///
/// # Panics
/// Where libtorch has no memory for the results, as its own operations do.
pub(crate) fn silu_jet(
    value: &Tensor,
    first: &Tensor,
    second: Option<&Tensor>,
    order: Order,
) -> Option<[Option<Tensor>; 3]> {
    let all: Vec<&Tensor> = [value, first].into_iter().chain(second).collect();
    if !understood(&all) || all.iter().any(|x| x.size() != value.size()) {
        return None;
    }
    let mut results = [ptr::null_mut(); 3];
    let dd = second.map_or(ptr::null_mut(), ffi::handle);
    // SAFETY: the handles are of borrowed tensors that outlive the call; there is room for three results.
    let done = unsafe {
        let second = order == Order::Second;
        ffi::strait_silu_jet(ffi::handle(value), ffi::handle(first), dd, second, results.as_mut_ptr())
    };
    if let Err(error) = ffi::check(done) {
        panic!("{error}");
    }
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    Some(unsafe { ffi::own_each(results) })
}

/// $x \sigma(x)$ with the logistic $\sigma$ (Hendrycks and Gimpel, arXiv 1606.08415), entry by entry; it can be
/// differentiated in reverse any number of times, and in forward mode.
///
/// # Errors
/// libtorch's, for integers or when memory runs out.
///
/// ```
/// use tch::Tensor;
/// let y = strait_autodiff::silu(&Tensor::from_slice(&[0.0f64, 1.0]))?;
/// assert!((y.double_value(&[1]) - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-15);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn silu(x: &Tensor) -> Result<Tensor, AutodiffError> {
    if !serves(&[x]) {
        return Ok(x.f_silu()?);
    }
    let mut result = ptr::null_mut();
    // SAFETY: the handle is of a tensor that outlives the call.
    ffi::check(unsafe { ffi::strait_silu(ffi::handle(x), &raw mut result) })?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(unsafe { ffi::own(result) })
}

/// $\lambda x$ above 0 and $\lambda\alpha(e^x - 1)$ below (Klambauer et al., arXiv 1706.02515), entry by entry.
///
/// Where nothing is differentiated, in single precision on the CPU, it reuses the memory of x, which any other handle of
/// it then sees.
///
/// # Errors
/// libtorch's, for integers or when memory runs out.
///
/// ```
/// use tch::Tensor;
/// let y = strait_autodiff::selu(Tensor::from_slice(&[2.0f32, -1.0]))?;
/// assert!((y.double_value(&[1]) + 1.0507 * 1.6733 * (1.0 - (-1f64).exp())).abs() < 1e-4);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
#[expect(clippy::needless_pass_by_value, reason = "its memory may be used again")]
pub fn selu(x: Tensor) -> Result<Tensor, AutodiffError> {
    let mut result = ptr::null_mut();
    // SAFETY: the handle is of a tensor that outlives the call.
    ffi::check(unsafe { ffi::strait_selu(ffi::handle(&x), &raw mut result) })?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(unsafe { ffi::own(result) })
}
