//! Gradient checkpointing: memory for time.

use crate::{AutodiffError, ffi, inside_jvp};
use std::ffi::{c_char, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use tch::Tensor;

/// A function, and the error of its last call where that failed.
struct Closure<F, E> {
    f: F,
    error: Arc<Mutex<Option<E>>>,
}

/// $f(x_1, \dots, x_n)$, of which a recorded graph keeps the inputs alone: what f computes on its way is computed again
/// when the gradient is asked for (gradient checkpointing; Chen and others, arXiv 1604.06174).
///
/// `parameters` are all tensors beside the inputs that f reads and that want gradients; gradients reach no others. f must
/// give the same value each time: no draws, no state. Gradients of gradients are right. Inside a JVP, and where nothing is
/// recorded, it is f itself. The engine may call f from another thread.
///
/// # Errors
/// f's own. Where f fails when it is computed again, the backward pass fails with `Torch` in its words.
///
/// ```
/// use strait_autodiff::{AutodiffError, Graph, gradient, recomputed};
/// use std::sync::Mutex;
/// use tch::Tensor;
/// let w = Tensor::from_slice(&[3.0f64]).set_requires_grad(true);
/// let x = Tensor::from_slice(&[0.5f64]).set_requires_grad(true);
/// let own = Mutex::new(w.shallow_clone()); // a tensor is not shared between threads as it is
/// let sine = move |x: &[Tensor]| Ok::<_, AutodiffError>((&*own.lock().unwrap() * &x[0]).f_sin()?);
/// let y = recomputed(sine, &[&x], &[w.shallow_clone()])?;
/// let g = gradient(&y.sum(tch::Kind::Double), &[x, w], Graph::Free)?;
/// assert!((g[0].double_value(&[0]) - 3.0 * 1.5f64.cos()).abs() < 1e-12);
/// assert!((g[1].double_value(&[0]) - 0.5 * 1.5f64.cos()).abs() < 1e-12);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn recomputed<F, E>(f: F, inputs: &[&Tensor], parameters: &[Tensor]) -> Result<Tensor, E>
where
    F: Fn(&[Tensor]) -> Result<Tensor, E> + Send + Sync + 'static,
    E: From<AutodiffError> + Display + Send + 'static,
{
    if inside_jvp() {
        let inputs: Vec<Tensor> = inputs.iter().map(|x| x.shallow_clone()).collect();
        return f(&inputs);
    }
    let error = Arc::new(Mutex::new(None));
    let closure = Box::into_raw(Box::new(Closure { f, error: Arc::clone(&error) }));
    let all = ffi::handles(inputs.iter().copied().chain(parameters));
    let mut result = std::ptr::null_mut();
    // SAFETY: `all` holds as many live tensors as stated. The closure is handed over, with the functions of its own type that
    // call and drop it, and it may be called and dropped in any thread: its parts are `Send` and `Sync`.
    let outcome = ffi::check(unsafe {
        ffi::strait_recomputed(
            call::<F, E>,
            discard::<F, E>,
            closure.cast(),
            all.as_ptr(),
            all.len(),
            inputs.len(),
            &raw mut result,
        )
    });
    if let Some(own) = error.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(own);
    }
    outcome?;
    // SAFETY: without an error a fresh tensor was written.
    Ok(unsafe { ffi::own(result) })
}

unsafe extern "C" fn call<F, E>(
    closure: *mut c_void,
    inputs: *const *mut ffi::C_tensor,
    n: usize,
    result: *mut *mut ffi::C_tensor,
) -> *mut c_char
where
    F: Fn(&[Tensor]) -> Result<Tensor, E>,
    E: Display,
{
    // SAFETY: C++ calls with the closure that it was given, before it drops it, and with `n` live tensors.
    let (closure, inputs) = unsafe { (&*closure.cast::<Closure<F, E>>(), slice::from_raw_parts(inputs, n)) };
    let computed = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: each is a live tensor, of which another handle is made.
        let inputs: Vec<Tensor> = inputs.iter().map(|&input| unsafe { Tensor::clone_from_ptr(input) }).collect();
        (closure.f)(&inputs)
    }));
    let words = match computed {
        Ok(Ok(value)) => {
            let mut value = std::mem::ManuallyDrop::new(value);
            // SAFETY: C++ takes over the handle that is not dropped here.
            unsafe { *result = value.as_mut_ptr() };
            return std::ptr::null_mut();
        }
        Ok(Err(error)) => {
            let words = error.to_string();
            *closure.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            words
        }
        Err(_) => "a function panicked where it was computed again".to_owned(),
    };
    // SAFETY: the text is as long as stated, and is copied.
    unsafe { ffi::strait_text(words.as_ptr().cast(), words.len()) }
}

unsafe extern "C" fn discard<F, E>(closure: *mut c_void) {
    // SAFETY: C++ drops the closure that it was given, once.
    drop(unsafe { Box::from_raw(closure.cast::<Closure<F, E>>()) });
}
