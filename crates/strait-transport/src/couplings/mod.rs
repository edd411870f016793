//! Couplings: which source point goes with which data point.

mod conditional_ot;
mod exact_ot;
mod independent;
mod mapped_ot;
mod sinkhorn;

pub use conditional_ot::ConditionalOt;
pub use exact_ot::ExactOt;
pub use independent::Independent;
pub use mapped_ot::MappedOt;
