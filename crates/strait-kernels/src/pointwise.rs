//! Nonlinearities in single passes over memory, on the CPU. On other devices libtorch's operations are used.

use crate::ffi;
use crate::supported::{preferred, supported};
use std::ptr;
use strait_autodiff::{AutodiffError, Jet, Order};
use tch::Tensor;

/// The jet of $x \sigma(x)$, as [`Jet::silu`] makes it, in one pass. It can be differentiated in reverse any number of
/// times. None where the kernel cannot be used: for a constant, inside the function of a JVP, off the CPU, for other
/// kinds than float and double.
///
/// # Errors
/// libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::{Jet, Order};
/// use tch::Tensor;
/// let x = Jet::variable(&Tensor::from_slice(&[0.0f64]), Order::Second);
/// let y = strait_kernels::silu_jet(&x)?.expect("a kernel");
/// assert_eq!((y.first().double_value(&[0]), y.second().double_value(&[0])), (0.5, 0.5));
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn silu_jet(x: &Jet) -> Result<Option<Jet>, AutodiffError> {
    let order = x.order();
    let all = x.present();
    let (value, first) = match all[..] {
        [value, first, ..] if order > Order::Value => (value, first),
        _ => return Ok(None),
    };
    if !supported(&all) || all.iter().any(|x| x.size() != value.size()) {
        return Ok(None);
    }
    let mut results = [ptr::null_mut(); 3];
    let dd = all.get(2).map_or(ptr::null_mut(), |dd| ffi::handle(dd));
    // SAFETY: the handles are of borrowed tensors that outlive the call; there is room for three results.
    ffi::check(unsafe {
        let second = order == Order::Second;
        ffi::strait_silu_jet(ffi::handle(value), ffi::handle(first), dd, second, results.as_mut_ptr())
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [value, first, second] = unsafe { ffi::own_each(results) };
    Ok(value.map(|value| Jet::of(order, value, first, second)))
}

/// $x \sigma(x)$ with the logistic $\sigma$ (Hendrycks and Gimpel, arXiv 1606.08415), entry by entry; it can be
/// differentiated in reverse any number of times. None as for [`affine`](crate::affine).
///
/// # Errors
/// libtorch's, when memory runs out.
///
/// ```
/// use tch::Tensor;
/// let y = strait_kernels::silu(&Tensor::from_slice(&[0.0f64, 1.0]))?.expect("a kernel");
/// assert!((y.double_value(&[1]) - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-15);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn silu(x: &Tensor) -> Result<Option<Tensor>, AutodiffError> {
    if !preferred(&[x]) {
        return Ok(None);
    }
    let mut result = ptr::null_mut();
    // SAFETY: the handle is of a tensor that outlives the call.
    ffi::check(unsafe { ffi::strait_silu(ffi::handle(x), &raw mut result) })?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(Some(unsafe { ffi::own(result) }))
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
/// let y = strait_kernels::selu(Tensor::from_slice(&[2.0f32, -1.0]))?;
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
