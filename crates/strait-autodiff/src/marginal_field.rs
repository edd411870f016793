use crate::ffi::{self, C_tensor};
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
    /// The logarithm of the sum of their squares, (T, Q); its gradient is that of twice the `log_weight`.
    pub log_square: Tensor,
}

impl MarginalField {
    /// From what a kernel made, in this order.
    ///
    /// # Safety
    /// As `ffi::own`, for each.
    pub(crate) unsafe fn own(made: [*mut C_tensor; 4]) -> Self {
        // SAFETY: the caller hands over owned tensors.
        let [velocity, derivative, log_weight, log_square] = made.map(|made| unsafe { ffi::own(made) });
        Self { velocity, derivative, log_weight, log_square }
    }
}
