//! How good samples are, and how straight a flow is.

mod distance;
mod dynamics;
mod error;

pub use distance::{Distances, distances};
pub use dynamics::{Residual, Straightness, residual, straightness};
pub use error::MetricError;
