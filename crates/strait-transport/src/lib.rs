#![doc = include_str!("../README.md")]

pub mod assignment;
mod couplings;
mod discrepancy;
mod distances;
mod error;
mod exact_sum;
mod pair_pool;
mod pair_store;
mod semidiscrete;
mod shards;
mod sinkhorn;
mod tensors;
mod trajectory_store;
mod wasserstein;

pub use couplings::{ConditionalOt, ExactOt, Independent, MappedOt};
pub use discrepancy::{Bandwidth, Mmd, energy_distance, mmd};
pub use distances::MATRIX_BYTES;
pub use error::{Cloud, PairsError, PointsError, SinkhornError, TransportError};
pub use pair_pool::Pool;
pub use pair_store::{Generated, PairStore, StoredPairs};
pub use semidiscrete::{Ascent, Semidiscrete, SemidiscretePairs};
pub use sinkhorn::{EntropicPlan, Sinkhorn};
pub use tensors::to_array;
pub use trajectory_store::{StoredTrajectories, TrajectoryStore};
pub use wasserstein::{most_points, sliced_wasserstein2, wasserstein2};
