//! Reverse mode: one pass carries a cotangent back through a recorded graph.

use crate::ffi::C_tensor;
use crate::{AutodiffError, ffi};
use std::ffi::CStr;
use std::ptr;
use tch::Tensor;

/// What becomes of the graph after a pull-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// Freed: no further pull-back through it.
    Free,
    /// Kept for another pull-back.
    Keep,
    /// Kept, and the pull-back itself is recorded, so that its result can be differentiated.
    Record,
}

/// The vector-Jacobian product: $\sum_k \bar y_k^\top \partial y_k / \partial x_i$ for every input $x_i$.
///
/// `outputs` were computed from `inputs`, which require gradients; each cotangent has the shape of its output.
/// Only the part of the graph between `inputs` and `outputs` is walked. An input that no output depends on has
/// a zero product.
///
/// # Errors
/// `Count`, `Shape` where cotangents do not fit; `Torch` in libtorch's words otherwise (a freed graph, an input
/// that does not require gradients).
///
/// ```
/// use strait_autodiff::{Graph, vjp};
/// use tch::Tensor;
/// let x = Tensor::from_slice(&[1.0f64, 2.0]).set_requires_grad(true);
/// let y = &x * &x;
/// let g = vjp(&[y], &[Tensor::from_slice(&[1.0f64, 10.0])], &[x], Graph::Free)?;
/// assert_eq!(Vec::<f64>::try_from(&g[0]).unwrap(), [2.0, 40.0]);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn vjp(
    outputs: &[Tensor],
    cotangents: &[Tensor],
    inputs: &[Tensor],
    graph: Graph,
) -> Result<Vec<Tensor>, AutodiffError> {
    if outputs.len() != cotangents.len() {
        return Err(AutodiffError::Count {
            what: "outputs against cotangents",
            left: outputs.len(),
            right: cotangents.len(),
        });
    }
    for (index, (y, w)) in outputs.iter().zip(cotangents).enumerate() {
        if y.size() != w.size() {
            return Err(AutodiffError::Shape { what: "cotangent", index, expected: y.size(), found: w.size() });
        }
    }
    pull(&ffi::handles(outputs), &ffi::handles(cotangents), inputs, graph)
}

/// A cotangent that is null is 1, of a scalar.
fn pull(
    y: &[*mut C_tensor],
    w: &[*mut C_tensor],
    inputs: &[Tensor],
    graph: Graph,
) -> Result<Vec<Tensor>, AutodiffError> {
    let x = ffi::handles(inputs);
    let mut results = vec![ptr::null_mut(); inputs.len()];
    // SAFETY: each array holds as many live tensors as its stated length, but for cotangents that are null; `results` has
    // room for one per input.
    ffi::check(unsafe {
        ffi::strait_vjp(
            y.as_ptr(),
            w.as_ptr(),
            y.len(),
            x.as_ptr(),
            x.len(),
            graph != Graph::Free,
            graph == Graph::Record,
            results.as_mut_ptr(),
        )
    })?;
    results
        .into_iter()
        .zip(inputs)
        .map(|(result, input)| {
            if result.is_null() {
                Ok(input.f_zeros_like()?)
            } else {
                // SAFETY: non-null results are fresh tensors that nothing else owns.
                Ok(unsafe { ffi::own(result) })
            }
        })
        .collect()
}

/// The gradient of a scalar: `vjp` with cotangent 1.
///
/// # Errors
/// As `vjp`; `Shape` when `loss` is not a scalar.
pub fn gradient(loss: &Tensor, inputs: &[Tensor], graph: Graph) -> Result<Vec<Tensor>, AutodiffError> {
    if !loss.size().is_empty() {
        return Err(AutodiffError::Shape { what: "loss", index: 0, expected: vec![], found: loss.size() });
    }
    pull(&[ffi::handle(loss)], &[ptr::null_mut()], inputs, graph)
}

/// Refuses outputs in whose graphs is an operation the gradient of whose tangent libtorch gets wrong without a word: layer,
/// batch and instance normalisation, determinants, `linalg_solve`, `householder_product`, `cholesky_inverse`,
/// `scatter_reduce`. [`jvp`](crate::jvp) and [`time_derivative`] ask it of what they record.
///
/// # Errors
/// `Fragile` names the operation.
pub fn check_tangents_differentiable(outputs: &[Tensor]) -> Result<(), AutodiffError> {
    let (all, mut name) = (ffi::handles(outputs), ptr::null());
    // SAFETY: the array holds as many live tensors as stated; one pointer is written.
    ffi::check(unsafe { ffi::strait_fragile(all.as_ptr(), all.len(), &raw mut name) })?;
    if name.is_null() {
        return Ok(());
    }
    // SAFETY: what is not null is a static NUL-terminated string.
    let operation = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
    Err(AutodiffError::Fragile { operation })
}

/// The derivative of $y$ along a per-sample scalar $t$ by double reverse mode: $\partial y_{b,i} / \partial t_b$.
///
/// `y` of shape (B, ...) was computed from `t` of shape (B,), which requires gradients, sample by sample. Slower
/// than `jvp`, but it needs no forward derivative, and it can be taken of a JVP's tangent: this is how second
/// derivatives in t are had where a function offers only its first.
///
/// # Errors
/// As `vjp`, and as [`check_tangents_differentiable`].
///
/// ```
/// use strait_autodiff::time_derivative;
/// use tch::{Kind, Tensor};
/// let t = Tensor::from_slice(&[1.0f64, 3.0]).set_requires_grad(true);
/// let y = Tensor::stack(&[&t * &t, t.sin()], 1); // (B, 2)
/// let dy = time_derivative(&y, &t)?;
/// assert_eq!(dy.size(), [2, 2]);
/// assert!((dy.double_value(&[1, 0]) - 6.0).abs() < 1e-12);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn time_derivative(y: &Tensor, t: &Tensor) -> Result<Tensor, AutodiffError> {
    check_tangents_differentiable(std::slice::from_ref(y))?;
    // g(w) = w^T dy/dt is linear in w, so its own pull-back at 1 is the wanted forward derivative.
    let w = y.f_zeros_like()?.set_requires_grad(true);
    let g = vjp(&[y.shallow_clone()], &[w.shallow_clone()], &[t.shallow_clone()], Graph::Record)?;
    if !g[0].requires_grad() {
        return Ok(y.f_zeros_like()?); // y does not depend on t, or is linear with a constant slope of zero
    }
    let ones = Tensor::f_ones(g[0].size(), (g[0].kind(), g[0].device()))?;
    let mut dy = vjp(&g, &[ones], &[w], Graph::Record)?;
    Ok(dy.remove(0))
}
