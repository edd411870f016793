//! The keys of `[velocity]`, for all its families.

use super::interpolant::TransformConfig;
use serde::{Deserialize, Serialize};

/// The names of the kinds of velocity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VelocityFamily {
    /// [`VelocityConfig::Mlp`](super::VelocityConfig::Mlp).
    #[default]
    Mlp,
    /// [`VelocityConfig::Unet`](super::VelocityConfig::Unet).
    Unet,
    /// [`VelocityConfig::Transformer`](super::VelocityConfig::Transformer).
    Transformer,
    /// [`VelocityConfig::Flow`](super::VelocityConfig::Flow).
    Flow,
    /// [`VelocityConfig::Gaussian`](super::VelocityConfig::Gaussian).
    Gaussian,
}

/// A nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationConfig {
    /// $x\sigma(x)$.
    #[default]
    Silu,
    /// Scaled exponential units.
    Selu,
    /// Hyperbolic tangent.
    Tanh,
}

/// The keys of `[velocity]`. Without a `family` they are those of runs before it had one: an MLP, unless `flow` or
/// `gaussian` says otherwise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) family: Option<VelocityFamily>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hidden: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) activation: Option<ActivationConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time_octaves: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) map: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transform: Option<TransformConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stem: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) channels: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) multipliers: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blocks: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attention: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) heads: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) patch: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) depth: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) embedding: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gradient_checkpointing: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ema_half_lives: Vec<f64>,
    #[serde(default, skip_serializing)]
    pub(super) flow: Option<OldFlow>,
    #[serde(default, skip_serializing)]
    pub(super) gaussian: bool,
}

/// `flow` of a `[velocity]` without a family.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OldFlow {
    pub(super) steps: usize,
    pub(super) transform: TransformConfig,
}

impl Keys {
    /// A key that is given and that no velocity of the family has.
    pub(super) fn foreign(&self, family: VelocityFamily) -> Option<&'static str> {
        use VelocityFamily::{Flow, Mlp, Transformer, Unet};
        let of: [(&str, bool, &[VelocityFamily]); 18] = [
            ("hidden", self.hidden.is_some(), &[Mlp, Flow]),
            ("activation", self.activation.is_some(), &[Mlp]),
            ("time_octaves", self.time_octaves.is_some(), &[Mlp, Unet, Transformer]),
            ("map", self.map.is_some(), &[Mlp, Unet, Transformer]),
            ("steps", self.steps.is_some(), &[Flow]),
            ("transform", self.transform.is_some(), &[Flow]),
            ("stem", self.stem.is_some(), &[Unet]),
            ("channels", self.channels.is_some(), &[Unet]),
            ("multipliers", self.multipliers.is_some(), &[Unet]),
            ("blocks", self.blocks.is_some(), &[Unet]),
            ("attention", self.attention.is_some(), &[Unet]),
            ("heads", self.heads.is_some(), &[Unet, Transformer]),
            ("patch", self.patch.is_some(), &[Transformer]),
            ("width", self.width.is_some(), &[Transformer]),
            ("depth", self.depth.is_some(), &[Transformer]),
            ("embedding", self.embedding.is_some(), &[Unet, Transformer]),
            ("gradient_checkpointing", self.gradient_checkpointing.is_some(), &[Unet, Transformer]),
            ("ema_half_lives", !self.ema_half_lives.is_empty(), &[Mlp, Unet, Transformer, Flow]),
        ];
        of.into_iter().find(|(_, is_given, families)| *is_given && !families.contains(&family)).map(|(key, ..)| key)
    }
}
