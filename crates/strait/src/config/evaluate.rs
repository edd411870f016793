//! `[evaluate]`: how a trained run is measured.

use super::guidance::Guidance;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use strait_core::Split;

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

/// The features that images are compared in: written `"classifier"`, `"lite0"`, or `{ inception = "FILE" }`.
///
/// ```
/// use strait::config::FeaturesConfig;
/// let of = |text: &str| text.parse::<FeaturesConfig>().unwrap();
/// assert_eq!(of("lite0"), FeaturesConfig::Lite0);
/// assert_eq!(of("mine.pt"), FeaturesConfig::Inception("mine.pt".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeaturesConfig {
    /// Those of the classifier that is fitted to the data set.
    Classifier,
    /// Those of EfficientNet-Lite0, trained on photographs.
    Lite0,
    /// Those of a `TorchScript` file of the user's own, which is to be the Inception network of FID
    /// ([`TorchScript`](strait_metrics::features::TorchScript)).
    Inception(PathBuf),
}

impl FromStr for FeaturesConfig {
    type Err = Infallible;

    /// As on the command line: a name, or else the path of a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "classifier" => Self::Classifier,
            "lite0" => Self::Lite0,
            path => Self::Inception(path.into()),
        })
    }
}

impl fmt::Display for FeaturesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classifier => write!(f, "\"classifier\""),
            Self::Lite0 => write!(f, "\"lite0\""),
            Self::Inception(path) => write!(f, "{{ inception = {:?} }}", path.display().to_string()),
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
    /// Dense towards both endpoints
    Cosine,
    /// Searched for the trained field, and kept with the run
    Searched,
}

/// `[evaluate]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Numbers of evaluations.
    pub nfe: Vec<usize>,
    /// The solver. None: for a flow map, the one whose samples are nearest to the validation points at each number of
    /// evaluations; `euler` for any other velocity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solver: Option<String>,
    /// Its times.
    pub grid: GridConfig,
    /// How far samples are guided to their condition. Straightness, likelihood and every choice among moving averages, solvers
    /// and times are of the velocity itself.
    pub guidance: Guidance,
    /// Samples (fewer where the split, or the training split that the floor is of, holds fewer).
    pub samples: i64,
    /// What they are compared with.
    pub split: SplitConfig,
    /// The features that images are compared in. None: those of the data's classifier, where they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<FeaturesConfig>,
    /// Whether a linear path with the same network and as many gradient steps is trained beside the run.
    pub baseline: bool,
    /// How energy, straightness and the motion of paths are measured.
    #[serde(skip_serializing_if = "is_default")]
    pub dynamics: DynamicsConfig,
    /// How the likelihood of held-out data is measured.
    #[serde(skip_serializing_if = "is_default")]
    pub likelihood: LikelihoodConfig,
    /// How the exact field is measured.
    #[serde(skip_serializing_if = "is_default")]
    pub exact_field: ExactFieldConfig,
    /// How times are searched where `grid` is `searched`.
    #[serde(skip_serializing_if = "is_default")]
    pub grid_search: GridSearchConfig,
    /// How the larger velocity of `evaluate --stress` is trained.
    #[serde(skip_serializing_if = "is_default")]
    pub stress: StressConfig,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            nfe: vec![1, 2, 4, 8, 100],
            solver: None,
            grid: GridConfig::Uniform,
            guidance: Guidance::default(),
            samples: 2000,
            split: SplitConfig::Test,
            features: None,
            baseline: true,
            dynamics: DynamicsConfig::default(),
            likelihood: LikelihoodConfig::default(),
            exact_field: ExactFieldConfig::default(),
            grid_search: GridSearchConfig::default(),
            stress: StressConfig::default(),
        }
    }
}

fn is_default<T: Default + PartialEq>(record: &T) -> bool {
    *record == T::default()
}

/// `[evaluate.dynamics]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DynamicsConfig {
    /// Euler steps that path energy and straightness are measured over.
    pub steps: usize,
    /// The most trajectories that the residual is averaged over.
    pub trajectories: i64,
    /// Times at which the path of each pair is evaluated.
    pub times: i64,
}

impl Default for DynamicsConfig {
    fn default() -> Self {
        Self { steps: 100, trajectories: 1024, times: 8 }
    }
}

/// `[evaluate.likelihood]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LikelihoodConfig {
    /// Up to this dimension the divergence is exact.
    pub exact_dimensions: i64,
    /// Steps of the fourth-order method that integrates flow and divergence.
    pub steps: usize,
    /// The most data points with the exact divergence.
    pub points: i64,
    /// The most data points with a probed divergence.
    pub probed_points: i64,
    /// Antithetic pairs of probes for each of those.
    pub probe_pairs: i64,
}

impl Default for LikelihoodConfig {
    fn default() -> Self {
        Self { exact_dimensions: 8, steps: 50, points: 1000, probed_points: 256, probe_pairs: 4 }
    }
}

/// `[evaluate.exact_field]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExactFieldConfig {
    /// Candidates of the field whose effective sample size is reported.
    pub candidates: i64,
    /// Candidates of the field that is sampled.
    pub sampled_candidates: i64,
    /// Queries that an effective sample size is averaged over.
    pub queries: i64,
    /// Trajectories that its residual is averaged over.
    pub trajectories: i64,
    /// The most evaluations of a sample: with more, samples come ever nearer to the field's own candidates.
    pub most_nfe: usize,
    /// The most dimensions that it is sampled in: above, few candidates carry all the weight.
    pub most_dimensions: i64,
}

impl Default for ExactFieldConfig {
    fn default() -> Self {
        Self {
            candidates: 1024,
            sampled_candidates: 2048,
            queries: 64,
            trajectories: 256,
            most_nfe: 8,
            most_dimensions: 8,
        }
    }
}

/// `[evaluate.grid_search]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GridSearchConfig {
    /// Source points that a grid is searched on.
    pub points: i64,
    /// Grids that are tried.
    pub trials: usize,
}

impl Default for GridSearchConfig {
    fn default() -> Self {
        Self { points: 512, trials: 200 }
    }
}

/// `[evaluate.stress]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StressConfig {
    /// Iterations that the larger velocity is trained for.
    #[serde(alias = "turns")]
    pub iterations: u64,
}

impl Default for StressConfig {
    fn default() -> Self {
        Self { iterations: 8000 }
    }
}
