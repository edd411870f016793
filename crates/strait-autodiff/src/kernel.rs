//! Where the native kernels are used.

use crate::inside_jvp;
use tch::{Device, Kind, Tensor};

/// From here on libtorch's own operations use several threads, where it has them, and a kernel would not.
const MANY: usize = 32_768;

/// Whether a kernel over `tensors`, the first of which is the largest, may take the place of libtorch's operations: on
/// the CPU, all float or all double, where one thread is enough, and not inside the function of a JVP, since forward mode
/// knows nothing of kernels.
pub(crate) fn serves(tensors: &[&Tensor]) -> bool {
    let (kind, many) = (tensors[0].kind(), tensors[0].numel() >= MANY);
    matches!(kind, Kind::Float | Kind::Double)
        && tensors.iter().all(|x| x.device() == Device::Cpu && x.kind() == kind)
        && (!many || tch::get_num_threads() == 1)
        && !inside_jvp()
}
