//! A run's settings, as plain records. What a TOML file may say is exactly what these say.

mod check;
mod interpolant;
mod objective;
mod read;

pub use interpolant::{AffineConfig, GlowConfig, InterpolantConfig, MapConfig, MixingConfig};
pub use objective::{DerivativeConfig, ObjectiveConfig, TermConfig};
pub use read::{ConfigError, PRESETS, load, preset, write};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use strait_core::Split;
use strait_optim::{Decay, Times};

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
    /// What is written on the way.
    #[serde(default)]
    pub log: LogConfig,
}

impl Config {
    /// Turns of all phases.
    pub fn turns(&self) -> u64 {
        self.phase.iter().map(|phase| phase.turns).sum()
    }
}

/// The named data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataName {
    /// Eight Gaussians on a circle of radius 5.
    #[serde(rename = "8gaussians")]
    EightGaussians,
    /// Two half-circles.
    Moons,
    /// Two spirals that start at one point.
    TwoSpirals,
    /// Four concentric circles.
    Rings,
    /// Five bent blades.
    Pinwheel,
    /// Eight of 4 x 4 squares.
    Checkerboard,
    /// One Gaussian with a general covariance.
    Gaussian,
    /// Sixteen modes in 16 dimensions.
    Mixture16,
    /// The 2-D projection of an S.
    SCurve,
    /// 1,797 real handwritten digits of 8 x 8 pixels.
    Digits,
}

/// `[data]`: a named data set, or a file of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A named data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DataName>,
    /// An `.npz` (arrays `train` and `test`, and `validation` where it is given; or `data`) or `.npy` file; the first axis
    /// is the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Channels (1 or 3), height and width of the image that a sample of `file` is, in the order of its numbers: samples are
    /// then shown as images, from the least to the largest number of the training points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<[i64; 3]>,
    /// Standard deviation of each of the eight Gaussians.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// Radius of the circle that the eight Gaussians lie on; 5 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// Train on this many points of a toy, drawn once, in place of fresh ones; as many are held out for each of
    /// validation and test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// The units that the networks see.
    #[serde(default)]
    pub units: UnitsConfig,
    /// Dimensions of `gaussian`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<i64>,
}

/// Units of the data, as networks and source see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitsConfig {
    /// Mean 0, and variance 1 on average over the coordinates.
    #[default]
    Unit,
    /// The data's own.
    Own,
}

/// `[source]`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceConfig {
    /// $N(0, I)$ in the units that networks see.
    #[default]
    Normal,
    /// Two half-circles, given in the data's own units. It has no density.
    Moons {
        /// Standard deviation of the noise, before scaling.
        noise: f64,
        /// The radius.
        scale: f64,
        /// Where their middle is moved.
        shift: [f64; 2],
    },
}

/// `[coupling]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum CouplingConfig {
    /// Pairs as they are drawn.
    #[default]
    Independent,
    /// The exact optimal assignment of each minibatch (OT-CFM).
    Ot,
    /// Rectified flow: before the run itself, its teacher is trained by the same phases, on independent pairs in the
    /// first round, and carries source points to pairs that the next round is trained on.
    Reflow {
        /// How many times.
        rounds: u32,
        /// Pairs of each round.
        pairs: i64,
        /// The solver that makes them.
        solver: String,
        /// Its evaluations for each pair.
        nfe: usize,
        /// What the first teacher is, where it is not the run's own path and phases under independent pairs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        teacher: Option<Box<TeacherConfig>>,
    },
}

/// `[coupling.teacher]`: the first teacher of a rectified flow, with the run's own data, source and velocity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// Its path.
    pub interpolant: InterpolantConfig,
    /// Its pairs: drawn, no rectified ones.
    #[serde(default)]
    pub coupling: CouplingConfig,
    /// What is trained of it, in order.
    pub phase: Vec<PhaseConfig>,
}

/// `[velocity]`: an MLP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VelocityConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<i64>,
    /// Between layers.
    #[serde(default)]
    pub activation: ActivationConfig,
    /// Sines and cosines of t as inputs, beside t itself: this many octaves.
    #[serde(default)]
    pub time_octaves: u32,
    /// In place of the MLP, one step of an invertible network; `hidden` is then of each of its couplings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowConfig>,
    /// In place of the MLP, the straight flow to the Gaussian that has the mean and covariance of the training points, in
    /// closed form: what is reached without any training, and without a `phase`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gaussian: bool,
    /// Half-lives, in steps, of the moving averages that are kept. Of one, it is sampled with; of more, the one whose samples
    /// are nearest to the validation split; of none, the last parameters are sampled with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ema_half_lives: Vec<f64>,
}

/// `[velocity.flow]`: an invertible network T (Glow) that carries source to data in one step. As a field it is
/// $T(x) - x$, of which one Euler step is exact and more make no sense; it is fitted by its likelihood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// Steps of a coupling, a linear map and an ActNorm.
    pub steps: usize,
    /// What couplings do.
    pub transform: TransformConfig,
}

/// What the couplings of a flow do to the coordinates that they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformConfig {
    /// Scale and shift.
    #[default]
    Affine,
    /// Monotone rational-quadratic splines.
    Spline,
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

/// `[[phase]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// For the log.
    pub name: String,
    /// Turns.
    pub turns: u64,
    /// Levels that start over with the phase.
    #[serde(default)]
    pub fresh: Vec<strait_optim::LevelName>,
    /// What each level does in a turn.
    pub level: Vec<LevelConfig>,
}

/// `[[phase.level]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelConfig {
    /// Which level.
    pub level: strait_optim::LevelName,
    /// What its steps lower.
    pub objective: ObjectiveConfig,
    /// What is added to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plus: Vec<TermConfig>,
    /// Steps in a turn.
    #[serde(default = "one")]
    pub steps: u32,
    /// Pairs in a batch.
    pub batch: i64,
    /// The law of t.
    #[serde(default)]
    pub times: Times,
    /// Standard deviation of the noise added to both points of a pair, in the units that networks see.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f64,
    /// The largest learning rate.
    pub rate: f64,
    /// Turns of linear warm-up.
    #[serde(default)]
    pub warm_up: u64,
    /// What follows the warm-up.
    #[serde(default)]
    pub decay: Decay,
    /// AdamW's decay rates of the moments.
    #[serde(default = "betas")]
    pub betas: (f64, f64),
    /// AdamW's weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// The largest gradient norm; absent: no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

fn one() -> u32 {
    1
}

fn is_false(x: &bool) -> bool {
    !x
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

fn betas() -> (f64, f64) {
    (0.9, 0.999)
}

/// The part of the data that numbers are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitConfig {
    /// For choosing settings.
    Validation,
    /// For the numbers that are reported.
    #[default]
    Test,
}

impl SplitConfig {
    /// The split.
    pub fn split(self) -> Split {
        match self {
            Self::Validation => Split::Validation,
            Self::Test => Split::Test,
        }
    }
}

/// The times between which a solver with fixed steps takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum GridConfig {
    /// Equal steps
    #[default]
    Uniform,
    /// Dense towards both ends
    Cosine,
    /// Searched for the trained field, and kept with the run
    Searched,
}

/// `[evaluate]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Counts of evaluations.
    pub nfe: Vec<usize>,
    /// The solver.
    pub solver: String,
    /// Its times.
    pub grid: GridConfig,
    /// Samples (fewer where the split, or the training split that the floor is of, holds fewer).
    pub samples: i64,
    /// What they are compared with.
    pub split: SplitConfig,
    /// Whether a linear path with the same network and as many gradient steps is trained beside the run.
    pub baseline: bool,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            nfe: vec![1, 2, 4, 8, 100],
            solver: "euler".into(),
            grid: GridConfig::Uniform,
            samples: 2000,
            split: SplitConfig::Test,
            baseline: true,
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Turns between lines of `metrics.jsonl`.
    pub every: u64,
    /// Turns between checkpoints.
    pub checkpoint: u64,
    /// How many checkpoints are kept.
    pub keep: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { every: 50, checkpoint: 500, keep: 2 }
    }
}
