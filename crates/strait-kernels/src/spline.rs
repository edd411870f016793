//! Monotone rational-quadratic splines, in a single pass over memory on the CPU.

use crate::ffi;
use crate::supported::{MOST_BINS, check_bound, supported};
use std::ptr;
use strait_autodiff::{AutodiffError, Jet, Order};
use strait_core::Direction;
use tch::Tensor;

/// A monotone rational-quadratic spline of each number (Gregory and Delbourgo 1982; Durkan and others, arXiv 1906.04032), or
/// its inverse, and the log-determinant of each sample.
///
/// It maps $[-B, B]$ to itself in $K$ bins, between tails of slope 1. `raw` holds the $3K - 1$ logits of each number side by
/// side along the channels: of the bins' widths and of their heights, each a softmax of which no bin has less than a
/// twentieth of an equal share, and then $r$ of the $K - 1$ inner slopes, the harmonic mean of the bins' $h / w$ on both sides
/// times $e^{3 \tanh(r/3)}$. With zero logits it is the identity to the bit.
///
/// In a bin from $(x_k, y_k)$ of width $w$, height $h$ and end slopes $1 + e_0$, $1 + e_1$, with $\xi = (x - x_k)/w$,
/// $1 + \sigma = h / w$ and $\epsilon = e_0 + e_1 - 2\sigma$,
///
/// $$ y - x = (y_k - x_k) + w \xi \frac{(1+\sigma) (\sigma \xi + e_0 (1-\xi)) - \epsilon \xi(1-\xi)}
///                                       {1 + \sigma + \epsilon \xi(1-\xi)} $$
/// $$ y' = (1+\sigma)^2 \frac{1 + e_1 \xi^2 + 2\sigma \xi(1-\xi) + e_0 (1-\xi)^2}
///                             {(1 + \sigma + \epsilon \xi(1-\xi))^2} $$
///
/// `x` is (B, C, ...), `raw` (B, (3K - 1) C, ...), the result (B, C, ...) and (B,). It can be differentiated in reverse
/// any number of times. None where the kernel cannot be used: inside the function of a JVP, off the CPU, for other
/// kinds than float and double, beyond 16 bins.
///
/// # Errors
/// `Shape` where `raw` does not fit `x` or there is no bin; `Bound` where B is not positive and finite; libtorch's, when
/// memory runs out.
///
/// ```
/// use strait_autodiff::AutodiffError;
/// use strait_core::Direction;
/// use strait_kernels::spline;
/// use tch::{Device, Kind, Tensor};
/// let x = Tensor::from_slice(&[-7.0f64, 0.5, 2.0]).view([3, 1]);
/// let raw = Tensor::rand([3, 23], (Kind::Double, Device::Cpu));
/// let (y, log_det) = spline(Direction::Forward, &x, &raw, 8, 5.0)?.expect("a kernel");
/// assert_eq!((y.double_value(&[0, 0]), log_det.double_value(&[0])), (-7.0, 0.0));
/// let (back, _) = spline(Direction::Inverse, &y, &raw, 8, 5.0)?.expect("a kernel");
/// assert!((back - x).abs().max().double_value(&[]) < 1e-12);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn spline(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    bins: i64,
    bound: f64,
) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    check(x, raw, bins, bound)?;
    if bins > MOST_BINS || !supported(&[x, raw]) {
        return Ok(None);
    }
    let (mut y, mut log_det) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; both results are written on success.
    ffi::check(unsafe {
        let (x, raw) = (ffi::handle(x), ffi::handle(raw));
        let inverse = direction == Direction::Inverse;
        ffi::strait_spline(x, raw, bins, bound, inverse, &raw mut y, &raw mut log_det)
    })?;
    // SAFETY: on success both are fresh tensors that nothing else owns.
    Ok(Some(unsafe { (ffi::own(y), ffi::own(log_det)) }))
}

/// The jet of a [`spline`], where the numbers and the logits are jets along one scalar with derivatives up to `order`,
/// which is at least the first. It can be differentiated in reverse any number of times. None as for [`spline`].
///
/// # Errors
/// As [`spline`].
///
/// ```
/// use strait_autodiff::{AutodiffError, Jet, Order};
/// use strait_kernels::spline_jet;
/// use tch::{Device, Kind, Tensor};
/// let x = Jet::variable(&Tensor::from_slice(&[0.5f64]).view([1, 1]), Order::Second);
/// let identity = Jet::constant(&Tensor::zeros([1, 23], (Kind::Double, Device::Cpu)));
/// let y = spline_jet(&x, &identity, 8, 5.0, Order::Second)?.expect("a kernel");
/// assert_eq!((y.value().double_value(&[0, 0]), y.first().double_value(&[0, 0])), (0.5, 1.0));
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn spline_jet(x: &Jet, raw: &Jet, bins: i64, bound: f64, order: Order) -> Result<Option<Jet>, AutodiffError> {
    check(x.value(), raw.value(), bins, bound)?;
    let (x, raw) = (x.up_to(order), raw.up_to(order));
    let all: Vec<&Tensor> = x.iter().chain(&raw).collect();
    if order == Order::Value || bins > MOST_BINS || !supported(&all) {
        return Ok(None);
    }
    let (given, mut made) = (ffi::handles(all.iter().copied()), [ptr::null_mut(); 3]);
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds, as many as stated; there is room for
    // three results.
    ffi::check(unsafe {
        let (x, raw) = (x.len() as i64 - 1, raw.len() as i64 - 1);
        ffi::strait_spline_jet(given.as_ptr(), given.len(), x, raw, order as i64, bins, bound, made.as_mut_ptr())
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [value, first, second] = unsafe { ffi::own_each(made) };
    Ok(value.map(|value| Jet::of(order, value, first, second)))
}

fn check(x: &Tensor, raw: &Tensor, bins: i64, bound: f64) -> Result<(), AutodiffError> {
    check_bound(bound)?;
    let mut expected = x.size();
    if let Some(channels) = expected.get_mut(1) {
        *channels *= 3 * bins - 1;
    }
    if expected.len() < 2 || bins < 1 || raw.size() != expected {
        return Err(AutodiffError::Shape { what: "raw", index: 1, expected, found: raw.size() });
    }
    Ok(())
}
