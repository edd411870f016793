#![doc = include_str!("../README.md")]

mod coverage;
mod distance;
mod dynamics;
mod error;
pub mod features;
mod frechet;
mod kernel;
mod parts;
mod path_motion;

pub use coverage::{Coverage, coverage, nearest, nearest_rows};
pub use distance::{Distances, distances};
pub use dynamics::{Residual, Straightness, residual, straightness};
pub use error::MetricError;
pub use frechet::{frechet, moments};
pub use kernel::kernel_distance;
pub use path_motion::{ConditionalMotion, conditional_motion};
