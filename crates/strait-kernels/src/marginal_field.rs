use crate::ffi::{self, C_tensor};
use strait_autodiff::AutodiffError;
use tch::Tensor;

/// The marginal field of a family of paths at Q points for each of T times, with its derivative along its own flow.
#[derive(Debug)]
pub struct MarginalField {
    /// $v = \sum_j w_j u_j$, (T, Q, d).
    pub velocity: Tensor,
    /// $Dv/Dt$, (T, Q, d).
    pub derivative: Tensor,
    /// The logarithm of the sum of the weights, (T, Q).
    pub log_weight: Tensor,
    /// The logarithm of their effective number $(\sum_j w_j)^2 / \sum_j w_j^2$, (T, Q), without a gradient.
    pub log_effective: Tensor,
}

impl MarginalField {
    /// From what a kernel made, in this order.
    ///
    /// # Safety
    /// As `ffi::own`, for each.
    pub(crate) unsafe fn own(made: [*mut C_tensor; 4]) -> Self {
        // SAFETY: the caller hands over owned tensors.
        let [velocity, derivative, log_weight, log_effective] = made.map(|made| unsafe { ffi::own(made) });
        Self { velocity, derivative, log_weight, log_effective }
    }
}

/// T, K and d of points (T, Q, d), endpoints (K, d) and times (T,).
pub(crate) fn check_points(x: &Tensor, x1: &Tensor, t: &Tensor) -> Result<[i64; 3], AutodiffError> {
    let (x, x1, t) = (x.size(), x1.size(), t.size());
    let fault = |what, expected, found| Err(AutodiffError::Shape { what, index: 0, expected, found });
    let [times, _, d] = x[..] else { return fault("points", vec![0, 0, 0], x) };
    let [endpoints, of] = x1[..] else { return fault("endpoints", vec![0, d], x1) };
    if of != d || endpoints < 1 || d < 1 {
        return fault("endpoints", vec![endpoints.max(1), d.max(1)], x1);
    }
    if t != [times] {
        return fault("times", vec![times], t);
    }
    Ok([times, endpoints, d])
}
