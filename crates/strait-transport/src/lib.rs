//! Couplings of noise and data, exact optimal assignment, and distances between clouds of points.
//!
//! - [`assignment`]: the linear assignment problem, exactly and fast; usable alone.
//! - [`wasserstein2`], [`sliced_wasserstein2`], [`Sinkhorn::divergence`], [`energy_distance`], [`mmd`]: distances between
//!   two clouds of points, (n, d) and (m, d) arrays in single or double precision.
//! - [`Independent`], [`ExactOt`], [`Sinkhorn`]: couplings of a minibatch, which carry the rows of the data along.
//! - [`PairStore`]: rectified pairs (reflow), streamed to disk in shards and read back as pairs that stay together.

pub mod assignment;
mod couplings;
mod discrepancy;
mod distances;
mod error;
mod reflow;
mod sinkhorn;
mod tensors;
mod wasserstein;

pub use couplings::{ExactOt, Independent};
pub use discrepancy::{Bandwidth, Mmd, energy_distance, mmd};
pub use error::{Cloud, PairsError, PointsError, TransportError};
pub use reflow::{Generated, PairStore, StoredPairs};
pub use sinkhorn::{EntropicPlan, Sinkhorn, SinkhornError};
pub use tensors::to_array;
pub use wasserstein::{sliced_wasserstein2, wasserstein2};
