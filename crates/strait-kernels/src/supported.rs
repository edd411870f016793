//! The conditions under which a native kernel is used: device, number type, size, and not inside a JVP.

use strait_autodiff::{AutodiffError, inside_jvp};
use tch::{Device, Kind, Tensor};

/// From this size on libtorch's own operations use several threads, if it has them, and a kernel would not.
const MANY: usize = 32_768;

/// The largest bound of log-scales: beyond it the exponential in the kernels is clamped.
pub(crate) const GREATEST_BOUND: f64 = 80.0;

/// The most dimensions for the kernels of paths, whose buffers have this size.
pub(crate) const MOST_DIMENSIONS: i64 = 8;

/// The most bins for the kernel of splines, whose buffers have this size.
pub(crate) const MOST_BINS: i64 = 16;

/// Refuses a bound that is not positive and finite.
pub(crate) fn check_bound(bound: f64) -> Result<(), AutodiffError> {
    if bound > 0.0 && bound.is_finite() { Ok(()) } else { Err(AutodiffError::Bound { value: bound }) }
}

/// Whether kernels can take these tensors: on the CPU, all float or all double, and not inside the function of a JVP,
/// since kernels have no forward derivative.
pub(crate) fn supported(tensors: &[&Tensor]) -> bool {
    let kind = tensors[0].kind();
    matches!(kind, Kind::Float | Kind::Double)
        && tensors.iter().all(|x| x.device() == Device::Cpu && x.kind() == kind)
        && !inside_jvp()
}

/// Whether a kernel that takes one thread over `tensors`, the first of which is the largest, may take the place of
/// libtorch's operations.
pub(crate) fn preferred(tensors: &[&Tensor]) -> bool {
    supported(tensors) && (tensors[0].numel() < MANY || tch::get_num_threads() == 1)
}

/// Whether a kernel that shares its samples out over libtorch's threads can take these tensors. Without such threads, as
/// [`preferred`].
pub(crate) fn shared_out(tensors: &[&Tensor]) -> bool {
    if cfg!(threads) { supported(tensors) } else { preferred(tensors) }
}
