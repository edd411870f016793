//! Nodes of a graph whose gradient is computed from their outputs.

use crate::{AutodiffError, ffi};
use std::ffi::{c_char, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};
use tch::Tensor;

/// The outputs of a function whose gradient is known from them: a recorded graph keeps the outputs alone, and nothing of what
/// was computed on the way (a flow goes back through its inverse; Gomez and others, arXiv 1707.04585).
///
/// `outputs` were computed without a graph. `inputs` are all tensors that they depend on and that may want gradients. `pull` is
/// given the outputs and as many cotangents $\bar y_k$, and gives $\sum_k \bar y_k^\top \partial y_k / \partial x_i$ for every
/// input. The engine may call it from another thread. A gradient of the gradient is refused.
///
/// # Errors
/// `Torch`. Where `pull` fails, the backward pass fails with `Torch` in its words.
///
/// ```
/// use strait_autodiff::{AutodiffError, Graph, gradient, reversible};
/// use tch::Tensor;
/// let x = Tensor::from_slice(&[0.5f64]).set_requires_grad(true);
/// let y = tch::no_grad(|| x.exp());
/// // The derivative of the exponential is its value.
/// let pull = |y: &[Tensor], w: &[Tensor]| Ok::<_, AutodiffError>(vec![&y[0] * &w[0]]);
/// let y = reversible(&[y], &[x.shallow_clone()], pull)?.remove(0);
/// let g = gradient(&(y * 2.0).sum(tch::Kind::Double), &[x], Graph::Free)?;
/// assert!((g[0].double_value(&[0]) - 2.0 * 0.5f64.exp()).abs() < 1e-12);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn reversible<B, E>(outputs: &[Tensor], inputs: &[Tensor], pull: B) -> Result<Vec<Tensor>, AutodiffError>
where
    B: Fn(&[Tensor], &[Tensor]) -> Result<Vec<Tensor>, E> + Send + Sync + 'static,
    E: Display + 'static,
{
    let closure = Box::into_raw(Box::new(pull));
    let (inputs, made) = (ffi::handles(inputs), ffi::handles(outputs));
    let mut results = vec![ptr::null_mut(); made.len()];
    // SAFETY: each array holds as many live tensors as stated, and `results` has room for one per output. The closure is handed
    // over, with the functions of its own type that call and drop it; it is `Send` and `Sync`.
    ffi::check(unsafe {
        ffi::strait_reversible(
            call::<B, E>,
            discard::<B>,
            closure.cast(),
            inputs.as_ptr(),
            inputs.len(),
            made.as_ptr(),
            made.len(),
            results.as_mut_ptr(),
        )
    })?;
    // SAFETY: without an error each is a fresh tensor.
    Ok(results.into_iter().map(|result| unsafe { ffi::own(result) }).collect())
}

unsafe extern "C" fn call<B, E>(
    closure: *mut c_void,
    tensors: *const *mut ffi::C_tensor,
    n_outputs: usize,
    results: *mut *mut ffi::C_tensor,
    n_inputs: usize,
) -> *mut c_char
where
    B: Fn(&[Tensor], &[Tensor]) -> Result<Vec<Tensor>, E>,
    E: Display,
{
    // SAFETY: C++ calls with the closure that it was given, before it drops it, and with two live tensors for each output.
    let (pull, tensors) = unsafe { (&*closure.cast::<B>(), slice::from_raw_parts(tensors, 2 * n_outputs)) };
    let computed = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: each is a live tensor, of which another handle is made.
        let tensors: Vec<Tensor> = tensors.iter().map(|&tensor| unsafe { Tensor::clone_from_ptr(tensor) }).collect();
        let (outputs, cotangents) = tensors.split_at(n_outputs);
        pull(outputs, cotangents).map_err(|error| error.to_string())
    }));
    let words = match computed {
        Ok(Ok(found)) if found.len() == n_inputs => {
            for (i, gradient) in found.into_iter().enumerate() {
                let mut gradient = std::mem::ManuallyDrop::new(gradient);
                // SAFETY: there is room for one per input, and C++ takes over the handle that is not dropped here.
                unsafe { *results.add(i) = gradient.as_mut_ptr() };
            }
            return ptr::null_mut();
        }
        Ok(Ok(found)) => format!("{} gradients of {n_inputs} inputs", found.len()),
        Ok(Err(words)) => words,
        Err(_) => "a reversible function panicked on its way back".to_owned(),
    };
    // SAFETY: the text is as long as stated, and is copied.
    unsafe { ffi::strait_text(words.as_ptr().cast(), words.len()) }
}

unsafe extern "C" fn discard<B>(closure: *mut c_void) {
    // SAFETY: C++ drops the closure that it was given, once.
    drop(unsafe { Box::from_raw(closure.cast::<B>()) });
}
