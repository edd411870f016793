//! `[compare]`: how the methods of a comparison are trained that the preset does not say itself.

use super::error::{ConfigError, need, positive};
use serde::{Deserialize, Serialize};

/// `[compare]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompareConfig {
    /// Pairs of each round of a rectified flow.
    pub pairs: i64,
    /// Euler steps that they are made with.
    pub pairs_nfe: usize,
    /// The method `paper`.
    pub joint: JointConfig,
}

impl Default for CompareConfig {
    fn default() -> Self {
        Self { pairs: 1 << 16, pairs_nfe: 100, joint: JointConfig::default() }
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
    /// The path's learning rate, of the velocity's.
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

    /// Refuses settings that no method can be trained with.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self { pairs, pairs_nfe, joint } = self;
        need(*pairs > 0, "compare.pairs", pairs, "at least 1")?;
        need(*pairs_nfe > 0, "compare.pairs_nfe", pairs_nfe, "at least 1")?;
        need(joint.glow_steps > 0, "compare.joint.glow_steps", joint.glow_steps, "at least 1")?;
        need(joint.weight.is_finite(), "compare.joint.weight", joint.weight, "a finite number")?;
        let step = positive(joint.step) && joint.step <= 0.5;
        need(step, "compare.joint.step", joint.step, "above 0 and at most 0.5")?;
        need(positive(joint.rate), "compare.joint.rate", joint.rate, "above 0")?;
        need(joint.velocity_steps > 0, "compare.joint.velocity_steps", joint.velocity_steps, "at least 1")
    }
}
