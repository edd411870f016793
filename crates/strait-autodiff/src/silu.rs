//! SiLU in single passes over memory, on the CPU. Elsewhere it is made of libtorch's operations.

use crate::{AutodiffError, Order, ffi, inside_jvp};
use std::ptr;
use tch::{Device, Kind, Tensor};

/// The value and the derivatives of $x\,\sigma(x)$ along a scalar, an absent `second` being zero; None where no kernel
/// serves.
///
/// # Panics
/// Where libtorch has no memory for the results, as its own operations do.
pub(crate) fn jet(
    value: &Tensor,
    first: &Tensor,
    second: Option<&Tensor>,
    order: Order,
) -> Option<[Option<Tensor>; 3]> {
    // Forward mode knows nothing of the kernel.
    let served = value.device() == Device::Cpu && matches!(value.kind(), Kind::Float | Kind::Double) && !inside_jvp();
    let mut derivatives = [Some(first), second].into_iter().flatten();
    if !served || !derivatives.all(|d| d.size() == value.size() && d.kind() == value.kind()) {
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
    Some(results.map(|result| (!result.is_null()).then(|| unsafe { ffi::own(result) })))
}

/// $f(W x + b)$ with $f(a) = a\,\sigma(a)$, rows x (B, n), weight (m, n), bias (m,): a layer of a network.
///
/// Where nothing is differentiated, in single precision on the CPU, bias and nonlinearity are one pass in place.
///
/// # Errors
/// libtorch's, where shapes or kinds do not fit.
///
/// ```
/// use tch::{Kind, Tensor};
/// let (x, w, b) = (Tensor::from_slice2(&[[1.0f32, -2.0]]), Tensor::from_slice2(&[[0.5f32, 0.25]]), Tensor::from_slice(&[1.0f32]));
/// let y = strait_autodiff::silu_layer(&x, &w, &b)?; // 1 sigma(1)
/// assert!((y.double_value(&[0, 0]) - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-6);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn silu_layer(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor, AutodiffError> {
    let mut result = ptr::null_mut();
    // SAFETY: the handles are of borrowed tensors that outlive the call.
    let done =
        unsafe { ffi::strait_silu_layer(ffi::handle(x), ffi::handle(weight), ffi::handle(bias), &raw mut result) };
    ffi::check(done)?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(unsafe { ffi::own(result) })
}
