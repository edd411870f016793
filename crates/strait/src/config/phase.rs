//! `[[phase]]` and `[[phase.level]]`: which levels take which steps.

use super::error::{ConfigError, need, positive};
use super::objective::{ObjectiveConfig, TermConfig};
use serde::{Deserialize, Serialize};
use strait_optim::{Decay, LevelName, Spans, Times};

/// `[[phase]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// For the log.
    pub name: String,
    /// Iterations.
    #[serde(alias = "turns")]
    pub iterations: u64,
    /// Levels that start over with the phase.
    #[serde(default)]
    pub fresh: Vec<LevelName>,
    /// What each level does in an iteration.
    pub level: Vec<LevelConfig>,
}

/// `[[phase.level]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelConfig {
    /// Which level.
    pub level: LevelName,
    /// What its steps lower.
    pub objective: ObjectiveConfig,
    /// What is added to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plus: Vec<TermConfig>,
    /// Steps in an iteration.
    #[serde(default = "one")]
    pub steps: u32,
    /// Pairs in a batch.
    pub batch: i64,
    /// Equal parts that a batch is computed in, one after the other, for less memory; 1: at once.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub parts: u32,
    /// The law of t.
    #[serde(default)]
    pub times: Times,
    /// The law of the two times of an objective of flow maps, over that of t: the share `off_diagonal`, and of it the share
    /// `from_start`.
    #[serde(default, skip_serializing_if = "is_none")]
    pub spans: Spans,
    /// Standard deviation of the noise added to both points of a pair, in the units that networks see.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f64,
    /// The share of samples whose condition is dropped, so that the velocity without a condition is learned too: for
    /// guidance, and for samples without a class.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub condition_drop: f64,
    /// The largest learning rate.
    pub rate: f64,
    /// Iterations of linear warm-up.
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

fn is_one(n: &u32) -> bool {
    *n == 1
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

fn is_none(spans: &Spans) -> bool {
    *spans == Spans::default()
}

fn betas() -> (f64, f64) {
    (0.9, 0.999)
}

impl LevelConfig {
    /// Whether its steps train a flow map off its diagonal, too.
    pub fn trains_map(&self) -> bool {
        let mut objectives = std::iter::once(self.objective).chain(self.plus.iter().map(|term| term.objective));
        self.level == LevelName::Velocity && objectives.any(ObjectiveConfig::trains_map)
    }

    /// Refuses settings with which no step can be taken.
    pub(super) fn check(&self, at: &str) -> Result<(), ConfigError> {
        let key = |name: &str| format!("{at}.{name}");
        need(self.batch > 0, &key("batch"), self.batch, "at least 1")?;
        need(positive(self.rate), &key("rate"), self.rate, "above 0")?;
        let most =
            format!("from 0 to {} (1 / rate): a step would take more of a parameter than it is", 1.0 / self.rate);
        let decays = (0.0..=1.0).contains(&(self.weight_decay * self.rate));
        need(decays, &key("weight_decay"), self.weight_decay, &most)?;
        need(self.noise.is_finite() && self.noise >= 0.0, &key("noise"), self.noise, "at least 0")?;
        need(self.clip.is_none_or(positive), &key("clip"), self.clip, "above 0")?;
        let unit = |b: f64| (0.0..1.0).contains(&b);
        need(unit(self.betas.0) && unit(self.betas.1), &key("betas"), self.betas, "a pair of numbers in [0, 1)")?;
        let (holds, must) = match self.times {
            Times::Uniform => (true, ""),
            Times::LogitNormal { mean, sd } => (mean.is_finite() && positive(sd), "of a finite mean and an sd above 0"),
            Times::UShaped { sharpness } => (positive(sharpness), "of a sharpness above 0"),
            Times::Power { power } => (positive(power), "of a power above 0"),
        };
        need(holds, &key("times"), self.times, must)
    }

    /// Refuses a batch, noise or times that do not fit an objective of this level.
    pub(super) fn check_batch(&self, at: &str, objective: ObjectiveConfig) -> Result<(), ConfigError> {
        let key = format!("{at}.batch");
        match objective {
            ObjectiveConfig::MarginalFlowMatching { candidates } => {
                let must = format!("above the candidates of its objective, {candidates}");
                need(self.batch > candidates, &key, self.batch, &must)?;
            }
            ObjectiveConfig::Straightness { candidates, times, .. } => {
                let points = self.batch - candidates;
                let must = format!("{candidates} candidates and a multiple of {times} points");
                need(points > 0 && points % times == 0, &key, self.batch, &must)?;
            }
            _ => {}
        }
        if objective.kind().needs_independent {
            // Both endpoints of a pair get the same noise, which the field's weights would take for independent endpoints.
            need(self.noise == 0.0, &format!("{at}.noise"), self.noise, "0 for an objective of the exact field")?;
        }
        let any = !matches!(objective, ObjectiveConfig::MarginalStraightness { .. });
        let must = "uniform for marginal_straightness";
        need(any || self.times == Times::Uniform, &format!("{at}.times"), self.times, must)
    }
}
