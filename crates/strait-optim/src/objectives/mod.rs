//! Training criteria, one a file.

mod energy;
mod flow_matching;
mod likelihood;
mod straightness;

pub use energy::Energy;
pub use flow_matching::FlowMatching;
pub use likelihood::Likelihood;
pub use straightness::{Straightness, StraightnessConfig};

use strait_core::sum_per_sample;
use tch::{Kind, Tensor};

/// $E|x|^2$: the squared norm of each sample, averaged over the batch.
pub(crate) fn mean_square_norm(x: &Tensor) -> Tensor {
    sum_per_sample(&x.square()).mean(Kind::Float)
}
