//! Training criteria, one a file.

mod conditional_variance;
mod energy;
mod field_straightness;
mod flow_matching;
mod likelihood;
mod marginal_flow_matching;
mod marginal_straightness;
mod squared_velocity;
mod straightness;
mod transport_cost;

pub use conditional_variance::ConditionalVariance;
pub use energy::Energy;
pub use field_straightness::FieldStraightness;
pub use flow_matching::FlowMatching;
pub use likelihood::Likelihood;
pub use marginal_flow_matching::MarginalFlowMatching;
pub use marginal_straightness::MarginalStraightness;
pub use squared_velocity::SquaredVelocity;
pub use straightness::{Straightness, StraightnessConfig};
pub use transport_cost::TransportCost;

use strait_core::sum_per_sample;
use tch::{Kind, Tensor};

/// $E|x|^2$: the squared norm of each sample, averaged over the batch.
pub(crate) fn mean_square_norm(x: &Tensor) -> Tensor {
    sum_per_sample(&x.square()).mean(Kind::Float)
}
