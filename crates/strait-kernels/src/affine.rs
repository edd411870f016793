//! The map of an affine coupling layer, after its network, in a single pass over memory, on the CPU.

use crate::ffi;
use crate::supported::{GREATEST_BOUND, check_bound, preferred};
use std::ptr;
use strait_autodiff::{AutodiffError, Jet, Order};
use strait_core::Direction;
use tch::Tensor;

/// A bounded affine map of each number and the log-determinant of each sample:
///
/// $$ s = \beta \tanh(r / \beta), \qquad y = e^{g s} x + g m, \qquad \log|\det| = g \sum s $$
///
/// or its inverse, $y = (x - g m) e^{-g s}$ with $-g \sum s$. `x` is (B, C, ...); `raw` holds $r$ and then $m$ along
/// the channels, (B, 2C, ...); the gate is (B,) in [0, 1], 1 where there is none. The result, (B, C, ...) and (B,), can
/// be differentiated in reverse any number of times, but not in the gate. None where the kernel cannot be used and the
/// caller must use libtorch's operations: inside the function of a JVP, off the CPU, for other kinds than float and
/// double, where $\beta$ is above 80, where a derivative in the gate is wanted, and for large tensors where libtorch
/// has several threads.
///
/// # Errors
/// `Shape` where `raw` or the gate does not fit `x`; `Bound` where $\beta$ is not positive and finite; libtorch's, when
/// memory runs out.
///
/// ```
/// use strait_autodiff::AutodiffError;
/// use strait_core::Direction;
/// use strait_kernels::affine;
/// use tch::Tensor;
/// let x = Tensor::from_slice(&[1.0f64, 2.0]).view([1, 2]);
/// let raw = Tensor::from_slice(&[0.0f64, 0.0, 0.5, -0.5]).view([1, 4]);
/// let (y, log_det) = affine(Direction::Forward, &x, &raw, None, 2.0)?.expect("a kernel");
/// assert_eq!(Vec::<f64>::try_from(&y.view([2])).unwrap(), [1.5, 1.5]);
/// assert_eq!(log_det.size(), [1]);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn affine(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    gate: Option<&Tensor>,
    bound: f64,
) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    check(x, raw, gate, bound)?;
    let all: Vec<&Tensor> = [x, raw].into_iter().chain(gate).collect();
    if bound > GREATEST_BOUND || gate.is_some_and(Tensor::requires_grad) || !preferred(&all) {
        return Ok(None);
    }
    let (mut y, mut log_det) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; both results are written on success.
    ffi::check(unsafe {
        let gate = gate.map_or(ptr::null_mut(), ffi::handle);
        let inverse = direction == Direction::Inverse;
        ffi::strait_affine(ffi::handle(x), ffi::handle(raw), gate, bound, inverse, &raw mut y, &raw mut log_det)
    })?;
    // SAFETY: on success both are fresh tensors that nothing else owns.
    Ok(Some(unsafe { (ffi::own(y), ffi::own(log_det)) }))
}

/// The jet of the same map, where the point, the parameters and the gate are jets along one scalar:
///
/// $$ s = \beta \tanh(r / \beta), \qquad y = e^{g s} x + g m $$
///
/// `x` is (B, C, ...); `raw` holds $r$ and then $m$ along the channels, (B, 2C, ...); the gate is (B,), 1 where there is
/// none, and is not differentiated in reverse. Every jet has derivatives up to `order`, which is at least the
/// first. The result can be differentiated in reverse any number of times. None as for
/// [`affine`], and where a derivative in the gate is wanted.
///
/// # Errors
/// As [`affine`].
///
/// ```
/// use strait_autodiff::{AutodiffError, Jet, Order};
/// use strait_kernels::affine_jet;
/// use tch::Tensor;
/// let x = Jet::variable(&Tensor::from_slice(&[2.0f64]).view([1, 1]), Order::First);
/// let raw = Jet::constant(&Tensor::from_slice(&[0.0f64, 0.5]).view([1, 2]));
/// let gate = Jet::variable(&Tensor::from_slice(&[0.5f64]), Order::First);
/// let y = affine_jet(&x, &raw, Some(&gate), 2.0, Order::First)?.expect("a kernel"); // x + g / 2
/// assert_eq!((y.value().double_value(&[0, 0]), y.first().double_value(&[0, 0])), (2.25, 1.5));
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn affine_jet(
    x: &Jet,
    raw: &Jet,
    gate: Option<&Jet>,
    bound: f64,
    order: Order,
) -> Result<Option<Jet>, AutodiffError> {
    check(x.value(), raw.value(), gate.map(Jet::value), bound)?;
    let (x, raw) = (x.up_to(order), raw.up_to(order));
    let gate = gate.map(|gate| gate.up_to(order)).unwrap_or_default();
    let all: Vec<&Tensor> = x.iter().chain(&raw).chain(&gate).collect();
    let still = !gate.iter().any(Tensor::requires_grad);
    if order == Order::Value || bound > GREATEST_BOUND || !still || !preferred(&all) {
        return Ok(None);
    }
    let (given, mut made) = (ffi::handles(all.iter().copied()), [ptr::null_mut(); 3]);
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds, as many as stated; there is room for
    // three results.
    ffi::check(unsafe {
        let (x, raw) = (x.len() as i64 - 1, raw.len() as i64 - 1);
        ffi::strait_affine_jet(given.as_ptr(), given.len(), x, raw, order as i64, bound, made.as_mut_ptr())
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [value, first, second] = unsafe { ffi::own_each(made) };
    Ok(value.map(|value| Jet::of(order, value, first, second)))
}

fn check(x: &Tensor, raw: &Tensor, gate: Option<&Tensor>, bound: f64) -> Result<(), AutodiffError> {
    check_bound(bound)?;
    let fault = |what, index, expected, found| Err(AutodiffError::Shape { what, index, expected, found });
    let mut expected = x.size();
    if let Some(channels) = expected.get_mut(1) {
        *channels *= 2;
    }
    if expected.len() < 2 || raw.size() != expected {
        return fault("raw", 1, expected, raw.size());
    }
    match gate {
        Some(gate) if gate.size() != expected[..1] => fault("gate", 2, expected[..1].to_vec(), gate.size()),
        _ => Ok(()),
    }
}
