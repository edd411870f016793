//! A run's settings, as plain records: the keys of a TOML file are exactly their fields.
//!
//! What a name can do, without building it, is a row of one of these tables: [`FAMILIES`], [`VELOCITIES`],
//! [`DATASETS`], [`COUPLINGS`], [`OBJECTIVES`].

mod check;
mod compare;
mod coupling;
mod data;
mod default_for_data;
mod derived;
mod error;
mod evaluate;
mod guidance;
mod image_network;
mod interpolant;
mod objective;
mod phase;
mod range;
mod ranks;
mod read;
mod settings;
mod unused_keys;
mod velocity;
mod velocity_keys;

pub use compare::{CompareConfig, JointConfig};
pub use coupling::{COUPLINGS, CouplingConfig, CouplingKind, TeacherConfig};
pub use data::{ArraysConfig, DATASETS, DataConfig, DataName, DatasetKind, SourceConfig, UnitsConfig};
pub use default_for_data::default_for_data;
pub(crate) use derived::{velocity_alone, velocity_level};
pub use error::ConfigError;
pub use evaluate::{
    DynamicsConfig, EvaluateConfig, ExactFieldConfig, FeaturesConfig, GridConfig, GridSearchConfig, LikelihoodConfig,
    SplitConfig, StressConfig,
};
pub use guidance::Guidance;
pub use image_network::{ImageNetworkConfig, TransformerConfig, UnetConfig};
pub use interpolant::{
    AffineConfig, FAMILIES, Family, GlowConfig, InterpolantConfig, MapConfig, MixingConfig, TransformConfig,
};
pub use objective::{DerivativeConfig, OBJECTIVES, ObjectiveConfig, ObjectiveKind, TermConfig};
pub use phase::{LevelConfig, PhaseConfig};
pub use range::{RANGES, Range, check_range};
pub use ranks::RanksConfig;
pub(crate) use read::parse;
pub use read::{PRESETS, lay_over, load, preset, write};
pub use settings::settings;
pub use velocity::{FlowConfig, MlpConfig, VELOCITIES, VelocityConfig, VelocityKind};
pub use velocity_keys::{ActivationConfig, VelocityFamily};

use serde::{Deserialize, Serialize};

/// The version of the format that this program reads.
pub const VERSION: u32 = 1;

/// Everything that defines a run. Two runs of one config on one device type give the same numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The format's version, 1.
    pub version: u32,
    /// The run's seed.
    #[serde(default)]
    pub seed: u64,
    /// What is generated.
    pub data: DataConfig,
    /// What generation starts from.
    #[serde(default)]
    pub source: SourceConfig,
    /// Which source point goes with which data point.
    #[serde(default)]
    pub coupling: CouplingConfig,
    /// The path between them.
    pub interpolant: InterpolantConfig,
    /// The network that learns the field.
    pub velocity: VelocityConfig,
    /// What is trained, in order; nothing where the velocity is `gaussian`.
    #[serde(default)]
    pub phase: Vec<PhaseConfig>,
    /// What is measured at the end.
    #[serde(default)]
    pub evaluate: EvaluateConfig,
    /// How methods are trained beside it.
    #[serde(default, skip_serializing_if = "CompareConfig::is_default")]
    pub compare: CompareConfig,
    /// How processes share it.
    #[serde(default, skip_serializing_if = "RanksConfig::is_default")]
    pub ranks: RanksConfig,
    /// What is written on the way.
    #[serde(default)]
    pub log: LogConfig,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Iterations between lines of `metrics.jsonl`.
    pub every: u64,
    /// Iterations between checkpoints.
    pub checkpoint: u64,
    /// How many checkpoints are kept.
    pub keep: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { every: 50, checkpoint: 500, keep: 2 }
    }
}
