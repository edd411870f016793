#![doc = include_str!("../README.md")]

pub mod assignment;
mod couplings;
mod discrepancy;
mod distances;
mod error;
mod pool;
mod reflow;
mod semidiscrete;
mod shards;
mod sinkhorn;
mod tensors;
mod trajectories;
mod wasserstein;

pub use couplings::{ConditionalOt, ExactOt, Independent, Led};
pub use discrepancy::{Bandwidth, Mmd, energy_distance, mmd};
pub use distances::MATRIX_BYTES;
pub use error::{Cloud, PairsError, PointsError, SinkhornError, TransportError};
pub use pool::Pool;
pub use reflow::{Generated, PairStore, StoredPairs};
pub use semidiscrete::{Ascent, Semidiscrete, SemidiscretePairs};
pub use sinkhorn::{EntropicPlan, Sinkhorn};
pub use tensors::to_array;
pub use trajectories::{StoredTrajectories, TrajectoryStore};
pub use wasserstein::{sliced_wasserstein2, wasserstein2};
