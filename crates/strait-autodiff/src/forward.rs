//! Forward mode: one pass carries a tangent through a function.

use crate::{AutodiffError, Graph, check_tangents_differentiable, ffi, vjp};
use std::any::Any;
use std::cell::Cell;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::Tensor;

/// A value and its directional derivative.
#[derive(Debug)]
pub struct Dual {
    /// $f(x)$.
    pub value: Tensor,
    /// $\partial f(x) \cdot \dot x$, of the shape of `value`.
    pub tangent: Tensor,
}

/// libtorch has ONE forward level for the whole process. It cannot be shared: while it is open, tensors that an
/// earlier JVP saved for its backward pass keep their tangents, and a backward pass through them would be taken for
/// forward mode. So JVPs of several threads take turns, each from its first to its last operation.
static TURN: Mutex<()> = Mutex::new(());

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside the function of a JVP, where tensors may carry tangents.
pub fn inside_jvp() -> bool {
    INSIDE.get()
}

/// The dual level, released when dropped, also while a panic unwinds.
struct Level {
    index: u64,
    /// What looks at the operations inside.
    watch: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Level {
    fn enter() -> Result<Self, AutodiffError> {
        if INSIDE.get() {
            return Err(AutodiffError::Nested);
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut index, mut watch) = (0, 0);
        // SAFETY: writes two u64 through valid pointers.
        ffi::check(unsafe { ffi::strait_dual_enter(&raw mut index, &raw mut watch) })?;
        INSIDE.set(true);
        Ok(Self { index, watch, _turn: turn })
    }

    /// Refuses what was computed inside by an operation with a wrong tangent.
    fn check_tangents(&self) -> Result<(), AutodiffError> {
        let mut name = ptr::null();
        // SAFETY: writes one pointer through a valid one.
        ffi::check(unsafe { ffi::strait_wrong_tangent(&raw mut name) })?;
        if name.is_null() {
            return Ok(());
        }
        // SAFETY: what is not null is a static NUL-terminated string.
        let operation = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        Err(AutodiffError::WrongTangent { operation })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        INSIDE.set(false);
        // SAFETY: the numbers came from strait_dual_enter and are released once.
        let _ = ffi::check(unsafe { ffi::strait_dual_exit(self.index, self.watch) });
    }
}

/// The Jacobian-vector product of `f` at `inputs` along `tangents`, by forward mode.
///
/// $$ (f(x),\ \partial f(x) \dot x) $$
///
/// The result can be differentiated in reverse mode (`vjp`), with respect to anything that `f` used. Where an output does
/// not depend on the inputs its tangent is zero. JVPs of several threads take turns, so `f` must not wait for another
/// thread's JVP.
///
/// # Errors
/// `AutodiffError::NoForwardDerivative` names an operation that libtorch cannot differentiate forward (also when
/// `f` panicked because of it, as un-prefixed tch operations do); `Nested` when called inside another JVP's
/// function; `Fragile` where the result is recorded and libtorch would differentiate its tangent wrongly
/// ([`check_tangents_differentiable`](crate::check_tangents_differentiable)); `WrongTangent` where the tangent itself would be
/// wrong, recorded or not; `Count` and `Shape` where tangents do not fit; and whatever `f` returns. Any other panic of `f`
/// goes on after the dual level has been released.
///
/// ```
/// use strait_autodiff::{AutodiffError, jvp};
/// use tch::{Kind, Tensor};
/// let x = Tensor::from_slice(&[1.0f64, 2.0]);
/// let out = jvp(|v| Ok::<_, AutodiffError>(vec![&v[0] * &v[0]]), &[x], &[Tensor::from_slice(&[1.0f64, 10.0])])?;
/// assert_eq!(Vec::<f64>::try_from(&out[0].tangent).unwrap(), [2.0, 40.0]);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn jvp<F, E>(f: F, inputs: &[Tensor], tangents: &[Tensor]) -> Result<Vec<Dual>, E>
where
    F: FnOnce(&[Tensor]) -> Result<Vec<Tensor>, E>,
    E: From<AutodiffError>,
{
    let recorded_soundly = |duals: &[Tensor]| {
        let outputs = f(duals)?;
        check_tangents_differentiable(&outputs)?;
        Ok(outputs)
    };
    push_forward(recorded_soundly, inputs, tangents)
}

fn push_forward<F, E>(f: F, inputs: &[Tensor], tangents: &[Tensor]) -> Result<Vec<Dual>, E>
where
    F: FnOnce(&[Tensor]) -> Result<Vec<Tensor>, E>,
    E: From<AutodiffError>,
{
    check_tangents(inputs, tangents)?;
    let level = Level::enter()?;
    let duals = inputs
        .iter()
        .zip(tangents)
        // libtorch refuses an input whose entries share memory (an expanded one).
        .map(|(x, dx)| Tensor::f_internal_make_dual(&x.f_contiguous()?, dx, level.index as i64))
        .collect::<Result<Vec<_>, _>>()
        .map_err(AutodiffError::from)?;
    let outputs = match catch_unwind(AssertUnwindSafe(|| f(&duals))) {
        Ok(outputs) => outputs?,
        Err(panic) => return Err(refused(panic)?.into()),
    };
    level.check_tangents()?;
    outputs.iter().map(|y| unpack(y, level.index).map_err(E::from)).collect()
}

/// The gradient of a tangent, $\sum_k \bar y_k^\top \partial_\theta (\partial_x f_k(x; \theta) \dot x)$, for each of some
/// parameters $\theta$ that `f` uses and that require gradients: forward over reverse, the tangent along $\dot x$ of the
/// pull-back of the cotangents. It is right for determinants and solutions of linear systems, which [`jvp`] refuses as
/// `Fragile`; the pull-backs of layer and batch normalisation have no forward derivative, and `cholesky_inverse` and products
/// by `scatter_reduce`, which have wrong tangents, are refused here too.
///
/// # Errors
/// As [`jvp`] and [`vjp`](crate::vjp).
///
/// ```
/// use strait_autodiff::{AutodiffError, tangent_gradient};
/// use tch::Tensor;
/// let w = Tensor::from_slice(&[2.0f64]).set_requires_grad(true);
/// let (x, dx) = (Tensor::from_slice(&[0.5f64]), Tensor::from_slice(&[1.0f64]));
/// // d/dw of w cos(w x)
/// let sine = |v: &[Tensor]| Ok::<_, AutodiffError>(vec![(&w * &v[0]).sin()]);
/// let g = tangent_gradient(sine, &[x], &[dx.shallow_clone()], &[w.shallow_clone()], &[dx])?;
/// assert!((g[0].double_value(&[0]) - (1.0f64.cos() - 1.0f64.sin())).abs() < 1e-12);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn tangent_gradient<F, E>(
    f: F,
    inputs: &[Tensor],
    tangents: &[Tensor],
    parameters: &[Tensor],
    cotangents: &[Tensor],
) -> Result<Vec<Tensor>, E>
where
    F: FnOnce(&[Tensor]) -> Result<Vec<Tensor>, E>,
    E: From<AutodiffError>,
{
    // Recorded: what is not has fewer forward derivatives.
    let pulled_back = |duals: &[Tensor]| -> Result<Vec<Tensor>, E> {
        tch::with_grad(|| Ok(vjp(&f(duals)?, cotangents, parameters, Graph::Record)?))
    };
    Ok(push_forward(pulled_back, inputs, tangents)?.into_iter().map(|dual| dual.tangent.detach()).collect())
}

fn check_tangents(inputs: &[Tensor], tangents: &[Tensor]) -> Result<(), AutodiffError> {
    if inputs.len() != tangents.len() {
        return Err(AutodiffError::Count {
            what: "inputs against tangents",
            left: inputs.len(),
            right: tangents.len(),
        });
    }
    for (index, (x, dx)) in inputs.iter().zip(tangents).enumerate() {
        if x.size() != dx.size() {
            return Err(AutodiffError::Shape { what: "tangent", index, expected: x.size(), found: dx.size() });
        }
    }
    Ok(())
}

fn unpack(y: &Tensor, level: u64) -> Result<Dual, AutodiffError> {
    let (value, tangent) = Tensor::f_internal_unpack_dual(y, level as i64)?;
    let tangent = if tangent.defined() { tangent } else { value.f_zeros_like()? };
    Ok(Dual { value, tangent })
}

/// A panic that was libtorch refusing a forward derivative becomes an error; any other panic goes on.
fn refused(panic: Box<dyn Any + Send>) -> Result<AutodiffError, AutodiffError> {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    match text.map(AutodiffError::from_message) {
        Some(error @ (AutodiffError::NoForwardDerivative { .. } | AutodiffError::NotContiguous)) => Ok(error),
        _ => resume_unwind(panic),
    }
}
