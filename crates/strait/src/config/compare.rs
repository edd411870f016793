//! `[compare]`: settings of a comparison's methods that are not in the preset itself.

use serde::{Deserialize, Serialize};

/// `[compare]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompareConfig {
    /// The solver that pairs of a rectified flow and trajectories are made with.
    pub solver: String,
    /// Pairs of each round of a rectified flow, and of a pool.
    pub pairs: i64,
    /// The solver's evaluations for each pair.
    pub pairs_nfe: usize,
    /// Pairs of a pool that are assigned at once; it holds `pairs` in all.
    pub pool_batch: i64,
    /// Training points of a semidiscrete coupling, at most.
    pub points: i64,
    /// Trajectories of the methods `cmt`.
    pub trajectories: i64,
    /// The solver's evaluations for each trajectory, which is stored at each step.
    pub trajectories_nfe: usize,
    /// The method `paper`.
    pub joint: JointConfig,
}

impl Default for CompareConfig {
    fn default() -> Self {
        Self {
            solver: "euler".into(),
            pairs: 1 << 16,
            pairs_nfe: 100,
            pool_batch: 1024,
            points: 10_000,
            trajectories: 1 << 15,
            trajectories_nfe: 16,
            joint: JointConfig::default(),
        }
    }
}

/// `[compare.joint]`: path and velocity together, by the learned field's straightness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointConfig {
    /// Steps of its Glow.
    pub glow_steps: usize,
    /// The weight that the velocity's own straightness rises to.
    pub weight: f64,
    /// The step of the path's straightness along the flow.
    pub step: f64,
    /// The path's learning rate, as a share of the velocity's.
    pub rate: f64,
    /// The velocity's steps for each of the path's.
    pub velocity_steps: u32,
}

impl Default for JointConfig {
    fn default() -> Self {
        Self { glow_steps: 4, weight: 1e-3, step: 0.1, rate: 0.1, velocity_steps: 3 }
    }
}

impl CompareConfig {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
