//! Couplings: which source point goes with which data point.

mod exact_ot;
mod independent;
mod led;
mod sinkhorn;

pub use exact_ot::ExactOt;
pub use independent::Independent;
pub use led::Led;
