//! `[coupling]`: which source point goes with which data point, and the table of couplings.

use super::error::{ConfigError, need};
use super::interpolant::InterpolantConfig;
use super::phase::PhaseConfig;
use serde::{Deserialize, Serialize};
use strait_core::ConditionKind;

/// `[coupling]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum CouplingConfig {
    /// Pairs as they are drawn.
    #[default]
    Independent,
    /// The exact optimal assignment of each minibatch (OT-CFM).
    Ot,
    /// The conditional optimal assignment of each minibatch (C2OT): exact within each class; for vectors, with an added
    /// cost on the distance between conditions.
    ConditionalOt {
        /// For conditions that are vectors: the share of all pairs of a batch that cost less than the pairs as drawn.
        #[serde(default = "share")]
        share: f64,
    },
    /// A pool of exactly assigned pairs, made before the training from batches of new points; the training draws from
    /// it.
    Pool {
        /// How many pairs it holds.
        pairs: i64,
        /// How many of them are assigned at once.
        batch: i64,
    },
    /// Semidiscrete optimal transport from the source to all training points: solved before the training, with fresh
    /// source points in every batch.
    Semidiscrete {
        /// Training points, at most; all of them where the data hold fewer.
        points: i64,
        /// The greatest chi-squared of their marginal.
        #[serde(default = "tolerance")]
        tolerance: f64,
    },
    /// Rectified flow: before the run itself, a teacher is trained by the same phases, on independent pairs in the
    /// first round. Its flow carries source points to data, and the next round is trained on these pairs.
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
    /// Trajectories of a teacher's flow, for a flow map that is trained by regression on them. The teacher is trained
    /// before the run itself, and its flow carries source points to data. The map starts at the
    /// teacher's velocity.
    Trajectories {
        /// How many.
        trajectories: i64,
        /// The solver that makes them.
        solver: String,
        /// Its evaluations for each; a trajectory is stored at every step.
        nfe: usize,
        /// The teacher, which is trained by flow matching.
        teacher: Box<TeacherConfig>,
    },
}

fn share() -> f64 {
    0.05
}

fn tolerance() -> f64 {
    0.05
}

/// `[coupling.teacher]`: the first teacher of a rectified flow, or that of trajectories, with the run's own data, source and
/// velocity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// Its path.
    pub interpolant: InterpolantConfig,
    /// Its pairs: drawn, and none that are made before.
    #[serde(default)]
    pub coupling: CouplingConfig,
    /// What is trained of it, in order.
    pub phase: Vec<PhaseConfig>,
}

/// The properties of a coupling that are known without building it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CouplingKind {
    /// Its name in a config.
    pub name: &'static str,
    /// Whether its pairs are drawn for their batch, and nothing is made before the training.
    pub is_drawn: bool,
    /// Whether the two points of a pair are independent, as Proposition 1 requires.
    pub is_independent: bool,
    /// The name of the method that is a linear path between its pairs.
    pub method: &'static str,
    /// Its keys beside `name`.
    pub example: &'static str,
}

/// All couplings.
pub const COUPLINGS: [CouplingKind; 7] = [
    CouplingKind { name: "independent", is_drawn: true, is_independent: true, method: "linear", example: "" },
    CouplingKind { name: "ot", is_drawn: true, is_independent: false, method: "ot", example: "" },
    CouplingKind {
        name: "conditional_ot",
        is_drawn: true,
        is_independent: false,
        method: "conditional_ot",
        example: "share = 0.1",
    },
    CouplingKind {
        name: "pool",
        is_drawn: false,
        is_independent: false,
        method: "ot_pool",
        example: "pairs = 64\nbatch = 32",
    },
    CouplingKind {
        name: "semidiscrete",
        is_drawn: false,
        is_independent: false,
        method: "semidiscrete_ot",
        example: "points = 64",
    },
    CouplingKind {
        name: "reflow",
        is_drawn: false,
        is_independent: false,
        method: "reflow",
        example: "rounds = 1\npairs = 64\nsolver = 'euler'\nnfe = 4",
    },
    CouplingKind {
        name: "trajectories",
        is_drawn: false,
        is_independent: false,
        method: "cmt",
        example: "trajectories = 64\nsolver = 'euler'\nnfe = 4\n[teacher]\ninterpolant = { family = 'linear' }\nphase = []",
    },
];

impl CouplingConfig {
    /// The optimal assignment that knows of the condition, with the share that is taken where none is given.
    pub fn conditional_ot() -> Self {
        Self::ConditionalOt { share: share() }
    }

    /// Refuses a share that is given for conditions that are classes: points of one are paired among themselves.
    ///
    /// # Errors
    /// `Value` with the key.
    pub fn check_share(&self, condition: Option<ConditionKind>) -> Result<(), ConfigError> {
        let own = self.teacher().map_or(self, |teacher| &teacher.coupling);
        let Self::ConditionalOt { share: given } = own else { return Ok(()) };
        let unused = matches!(condition, Some(ConditionKind::Classes(_))) && *given != share();
        let must = "left out where data.condition is of classes, whose points are paired among themselves";
        need(!unused, "coupling.share", given, must)
    }

    /// The teacher that is trained first, where its config is written out.
    pub fn teacher(&self) -> Option<&TeacherConfig> {
        match self {
            Self::Reflow { teacher, .. } => teacher.as_deref(),
            Self::Trajectories { teacher, .. } => Some(teacher),
            _ => None,
        }
    }

    /// Its row of the table.
    pub fn kind(&self) -> &'static CouplingKind {
        let [independent, ot, conditional_ot, pool, semidiscrete, reflow, trajectories] = &COUPLINGS;
        match self {
            Self::Independent => independent,
            Self::Ot => ot,
            Self::ConditionalOt { .. } => conditional_ot,
            Self::Pool { .. } => pool,
            Self::Semidiscrete { .. } => semidiscrete,
            Self::Reflow { .. } => reflow,
            Self::Trajectories { .. } => trajectories,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::variants;

    #[test]
    fn the_table_holds_every_coupling_of_the_config() {
        assert_eq!(variants::<CouplingConfig>("name = '?'"), COUPLINGS.map(|coupling| coupling.name));
        for kind in &COUPLINGS {
            let config: CouplingConfig = toml::from_str(&format!("name = '{}'\n{}", kind.name, kind.example)).unwrap();
            assert_eq!(config.kind(), kind);
        }
    }
}
