//! `summary.json`: the numbers of a run, for scripts.

use super::stdout::print_line;
use crate::ProgramError;
use crate::config::{Config, EvaluateConfig};
use crate::run::folder::RunFolder;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use strait_optim::LevelName;

/// The name of the file.
pub const SUMMARY: &str = "summary.json";

/// One measured number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How samples were made.
    pub solver: String,
    /// Evaluations of the field for each sample, as counted.
    pub nfe: usize,
    /// The metric's name.
    #[serde(deserialize_with = "renamed")]
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Its value between two sets of real points: what even a perfect sampler has. Of as many points; in features of as
    /// many, or of all training points where they are fewer.
    pub floor: f64,
    /// How many samples.
    pub samples: i64,
    /// What they were compared with.
    pub reference: String,
}

/// A metric's name; those in classifier features were named after digits while only digits had a classifier.
fn renamed<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    Ok(name.strip_suffix("_digits").map_or_else(|| name.clone(), |metric| format!("{metric}_classifier")))
}

/// How far samples of a class are from real points of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassEvaluation {
    /// The class.
    pub class: i64,
    /// How samples were made.
    pub solver: String,
    /// Evaluations of the field for each sample, as counted.
    pub nfe: usize,
    /// The metric's name: `w2`, or `sliced_w2` above a few dimensions.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Its value between training points of the class and the real points.
    pub floor: f64,
    /// How many samples, and as many real points.
    pub samples: i64,
}

/// How straight a flow is, in normalised units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StraightnessSummary {
    /// Euler steps that it was measured over.
    pub steps: usize,
    /// $S$.
    pub straightness: f64,
    /// $\int E|v|^2 dt$.
    pub path_energy: f64,
    /// Its lower bound, $W_2^2$ between as many source and data points: what the straight optimal flow takes. In many
    /// dimensions it is estimated too high.
    #[serde(default)]
    pub transport: f64,
    /// $|\int E|v|^2 dt - W_2^2| / W_2^2$ with $W_2$ between source and data.
    pub normalised_path_energy: f64,
    /// $E|Dv/Dt|^2$, the mean over all t.
    pub residual: f64,
    /// The times of the profile.
    pub residual_times: Vec<f64>,
    /// The residual at each.
    pub residual_profile: Vec<f64>,
}

/// The effective sample size of the exact field (Proposition 1) on the path.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EssSummary {
    /// Candidates; 0 where the field is not defined (a coupling that is not independent).
    pub candidates: i64,
    /// Times.
    pub times: Vec<f64>,
    /// The mean effective sample size at each.
    pub effective: Vec<f64>,
}

/// The likelihood of held-out data under the flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodSummary {
    /// $-\log p(x)$ in nats and the data's own units, the mean over the points.
    pub nats: f64,
    /// The same in bits, over the dimensions. Of data that were rounded to multiples of 1, it bounds the bits of the
    /// integers from above.
    pub bits_per_dimension: f64,
    /// The standard error of `nats` over the points.
    pub standard_error: f64,
    /// The part of it that comes from the probes of an estimated divergence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_error: Option<f64>,
    /// The method.
    pub estimator: String,
    /// Evaluations of the field and its divergence for each point.
    pub nfe: usize,
    /// How many points.
    pub points: i64,
}

/// How a path moves between pairs as it was trained on, over all of t, in normalised units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathSummary {
    /// $E|u|^2$.
    pub squared_speed: f64,
    /// The 99.9% quantile of $|u|^2$.
    pub squared_speed_tail: f64,
    /// $E|x_{tt}|^2$.
    pub squared_acceleration: f64,
    /// The least and the largest log-determinant a dimension, less that of the linear path, where the path is invertible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_det: Option<(f64, f64)>,
    /// $E|u|^2$ of the linear path between the same pairs.
    pub linear_squared_speed: f64,
    /// Its 99.9% quantile.
    pub linear_squared_speed_tail: f64,
}

/// What training a level took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelSummary {
    /// Which.
    pub level: LevelName,
    /// The mean gradient norm before clipping, of the last line of the log that it stands in.
    pub gradient_norm: f64,
    /// Seconds of its steps.
    pub seconds: f64,
    /// Their share of the seconds of all levels.
    pub share: f64,
}

/// Which moving average of a velocity samples use; the choice was made on the validation split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AverageSummary {
    /// The step of the checkpoint that it was chosen of.
    pub step: u64,
    /// The half-life of the chosen one, in steps of the velocity.
    pub half_life: f64,
    /// What each was judged by: the geometric mean of this distance over the config's counts of evaluations.
    #[serde(deserialize_with = "renamed")]
    pub judged_by: String,
    /// What its samples were compared with.
    pub reference: String,
    /// The half-lives, and each one's mean distance.
    pub averages: Vec<(f64, f64)>,
}

/// The solver of a flow map for each number of evaluations; the choice was made on the validation split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SolverSummary {
    /// The step of the checkpoint that it was chosen of.
    pub step: u64,
    /// What each was judged by.
    pub judged_by: String,
    /// What its samples were compared with.
    pub reference: String,
    /// The numbers of evaluations, in order, each with all candidates.
    pub counts: Vec<CountSummary>,
}

/// The candidates at one number of evaluations, the chosen one first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountSummary {
    /// The count.
    pub nfe: usize,
    /// What was tried.
    pub tried: Vec<StepsSummary>,
}

/// Steps of a solver at the times $(i/n)^p$.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepsSummary {
    /// The solver.
    pub solver: String,
    /// p.
    pub power: f64,
    /// How far its samples are from the reference.
    pub value: f64,
}

impl SolverSummary {
    /// What was chosen at the count that is nearest, in ratio, to `nfe`.
    pub fn at(&self, nfe: usize) -> Option<&StepsSummary> {
        let ratio = |count: &&CountSummary| (count.nfe.max(nfe) as f64) / (count.nfe.min(nfe).max(1) as f64);
        self.counts.iter().min_by(|a, b| ratio(a).total_cmp(&ratio(b)))?.tried.first()
    }
}

/// The results of a larger velocity that was trained from scratch on a method's path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StressSummary {
    /// Widths of its hidden layers.
    pub hidden: Vec<i64>,
    /// Iterations that it took.
    pub steps: u64,
    /// Gradient steps of all that was trained for it: the method's own too.
    pub gradient_steps: u64,
    /// Seconds, likewise.
    pub wall_seconds: f64,
    /// Trainable numbers.
    pub parameters: usize,
    /// Sample quality.
    pub evaluations: Vec<Evaluation>,
    /// Straightness of the field.
    pub straightness: StraightnessSummary,
    /// What the exact field reaches on the same path, where it is defined and of few dimensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_field: Option<ExactFieldSummary>,
}

/// The results of the exact field on a path, with few Euler steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExactFieldSummary {
    /// Sample quality.
    pub evaluations: Vec<Evaluation>,
    /// Its candidates, and how many of them carry weight.
    pub ess: EssSummary,
    /// $E|Dv^\ast/Dt|^2$ on its own trajectories, the mean over all t. Where few candidates carry weight, near t = 1, it is
    /// that of a field that leads to them.
    #[serde(default)]
    pub residual: f64,
    /// The times of the profile.
    #[serde(default)]
    pub residual_times: Vec<f64>,
    /// The residual at each.
    #[serde(default)]
    pub residual_profile: Vec<f64>,
}

/// What one method gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodSummary {
    /// Its name.
    pub method: String,
    /// Iterations taken.
    pub steps: u64,
    /// Gradient steps of all levels.
    pub gradient_steps: u64,
    /// Training seconds.
    pub wall_seconds: f64,
    /// Trainable numbers.
    pub parameters: usize,
    /// Sample quality.
    pub evaluations: Vec<Evaluation>,
    /// Sample quality by class; empty where there are no classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassEvaluation>,
    /// Straightness of the learned field.
    pub straightness: StraightnessSummary,
    /// Of held-out data; absent where the source has no density.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<LikelihoodSummary>,
    /// Of the exact field on its path.
    pub ess: EssSummary,
    /// How the path moves; absent where that is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathSummary>,
    /// Sample quality of the map that the path goes through, alone; empty where it goes through none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<Evaluation>,
    /// What training each level took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelSummary>,
    /// Which moving average the velocity is, where there was a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageSummary>,
    /// By which steps it was followed, where it is a flow map and nobody named a solver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solvers: Option<SolverSummary>,
    /// What other fields reach on its path, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<StressSummary>,
}

/// A field that a path is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The velocity that the method trains.
    Own,
    /// A larger one, trained afresh on its path.
    Stress,
    /// The exact marginal field of its path.
    Exact,
    /// The map that its path goes through, alone, in one step.
    Map,
}

impl Field {
    /// All, in the order of tables.
    pub const ALL: [Self; 4] = [Self::Own, Self::Stress, Self::Exact, Self::Map];

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Stress => "stress",
            Self::Exact => "exact",
            Self::Map => "map",
        }
    }
}

impl MethodSummary {
    /// The sample quality of each field that was measured.
    pub fn by_field(&self) -> impl Iterator<Item = (Field, &[Evaluation])> {
        let stress = self.stress.as_ref();
        let exact = stress.and_then(|stress| stress.exact_field.as_ref());
        [
            Some((Field::Own, &self.evaluations)),
            stress.map(|stress| (Field::Stress, &stress.evaluations)),
            exact.map(|exact| (Field::Exact, &exact.evaluations)),
            (!self.map.is_empty()).then_some((Field::Map, &self.map)),
        ]
        .into_iter()
        .flatten()
        .map(|(field, found)| (field, found.as_slice()))
    }
}

/// The whole file. The method's own fields stand beside the run's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run's name.
    pub run: String,
    /// The data set, its variant named in full.
    pub dataset: String,
    /// The shape of a data point; empty in the summary of an older version.
    #[serde(default)]
    pub event: Vec<i64>,
    /// The run's seed.
    pub seed: u64,
    /// The device.
    pub device: String,
    /// Threads of libtorch.
    pub threads: i32,
    /// The run's method.
    #[serde(flatten)]
    pub method: MethodSummary,
    /// The linear baseline of the same run, where one was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<MethodSummary>,
    /// How it was measured.
    #[serde(default)]
    pub evaluate: Option<EvaluateConfig>,
    /// The distance that judges.
    #[serde(default)]
    #[serde(deserialize_with = "renamed")]
    pub judged_by: String,
    /// What its numbers say against the run.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Versions of what computed it.
    pub versions: BTreeMap<String, String>,
}

impl Summary {
    /// That of a run whose training is whole, measured as its config says; None where it is not there or of something else.
    ///
    /// # Errors
    /// `Io` names a file that cannot be read.
    pub fn finished(run: &RunFolder) -> Result<Option<Self>, ProgramError> {
        let Some(summary) = run.read_json::<Self>(SUMMARY)? else { return Ok(None) };
        Ok(run.config().is_ok_and(|config| summary.is_of(&config)).then_some(summary))
    }

    fn is_of(&self, config: &Config) -> bool {
        self.method.steps == config.iterations()
            && self.evaluate.as_ref().is_none_or(|evaluate| *evaluate == config.evaluate)
    }

    /// Prints what speaks against the run, a line each.
    ///
    /// # Errors
    /// Those of [`print_line`].
    pub fn print_warnings(&self) -> Result<(), ProgramError> {
        self.warnings.iter().try_for_each(|line| print_line(&format!("warning: {line}")))
    }
}

/// The versions that a number depends on.
pub fn versions() -> BTreeMap<String, String> {
    [("strait", env!("CARGO_PKG_VERSION")), ("tch", "0.26"), ("libtorch", "2.13.0"), ("config", "1")]
        .into_iter()
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}
