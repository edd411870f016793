//! How good samples are, and how straight a flow is.

mod coverage;
mod distance;
mod dynamics;
mod error;
pub mod features;
mod frechet;

pub use coverage::{Coverage, coverage, nearest};
pub use distance::{Distances, distances};
pub use dynamics::{Residual, Straightness, residual, straightness};
pub use error::MetricError;
pub use frechet::{frechet, moments};
