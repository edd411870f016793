//! How good samples are, and how straight a flow is.

mod dynamics;
mod error;

pub use dynamics::{Residual, Straightness, material_derivative, residual, straightness};
pub use error::MetricError;
