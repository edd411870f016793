//! Checks of shapes at public functions, and the one broadcast that every formula in t needs.

use crate::Error;
use tch::{Kind, Tensor};

/// `t` of shape (B,) viewed as (B, 1, ..., 1), to multiply tensors of the rank of `x`.
///
/// ```
/// use strait_core::per_sample;
/// use tch::{Device, Kind, Tensor};
/// let t = Tensor::from_slice(&[0.5f32, 1.0]);
/// let x = Tensor::ones([2, 3, 4], (Kind::Float, Device::Cpu));
/// assert_eq!(per_sample(&t, &x).size(), [2, 1, 1]);
/// ```
pub fn per_sample(t: &Tensor, x: &Tensor) -> Tensor {
    let mut shape = vec![1; x.dim()];
    shape[0] = t.size()[0];
    t.view(shape.as_slice())
}

/// The sum over all dimensions but the first: (B, ...) to (B,).
pub fn sum_per_sample(x: &Tensor) -> Tensor {
    if x.dim() == 1 { x.shallow_clone() } else { x.flatten(1, -1).sum_dim_intlist([1i64].as_slice(), false, x.kind()) }
}

/// The number of dimensions of one sample, $d$.
pub fn event_size(x: &Tensor) -> i64 {
    x.size()[1..].iter().product()
}

/// Refuses an x that is not a batch (B, ...) with at least one dimension beside the batch, or a t that is not (B,).
///
/// # Errors
/// `Shape` names the tensor.
pub fn check_batch(x: &Tensor, t: &Tensor) -> Result<(), Error> {
    let found = x.size();
    if found.len() < 2 {
        return Err(Error::Shape { what: "x", expected: "(B, ...)".into(), found });
    }
    if t.size() != found[..1] {
        return Err(Error::Shape { what: "t", expected: format!("({},)", found[0]), found: t.size() });
    }
    Ok(())
}

/// Refuses two tensors that must have one shape and do not.
///
/// # Errors
/// `Shape` names the second.
pub fn check_same(x: &Tensor, what: &'static str, y: &Tensor) -> Result<(), Error> {
    if x.size() == y.size() {
        return Ok(());
    }
    Err(Error::Shape { what, expected: format!("{:?}", x.size()), found: y.size() })
}

/// The endpoints of the pairs of $x_0$, (B, ...), among endpoints (K, ...): the first B.
///
/// # Errors
/// `Shape` where there are fewer, or of another shape.
pub fn own_endpoints(x0: &Tensor, x1: &Tensor) -> Result<Tensor, Error> {
    let (wanted, found) = (x0.size(), x1.size());
    if wanted.len() < 2 || found.len() != wanted.len() || found[1..] != wanted[1..] || found[0] < wanted[0] {
        return Err(Error::Shape { what: "x1", expected: format!("{wanted:?}, or more of them"), found });
    }
    Ok(x1.narrow(0, 0, wanted[0]))
}

/// Refuses NaN and infinities. It waits for the device: for doors and log steps, not for inner loops.
///
/// # Errors
/// `NonFinite` counts the entries; `at` says where it arose.
pub fn check_finite(what: &'static str, x: &Tensor, at: impl FnOnce() -> String) -> Result<(), Error> {
    let of = x.numel() as i64;
    let finite = x.f_isfinite()?.f_sum(Kind::Int64)?.int64_value(&[]);
    if finite == of {
        return Ok(());
    }
    Err(Error::NonFinite { what, count: of - finite, of, at: at() })
}
