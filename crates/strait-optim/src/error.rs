use crate::Position;
use std::path::PathBuf;

/// What can go wrong while optimising, saving or restoring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimError {
    /// A loss or a gradient became NaN or infinite. The step that met it changed no parameter.
    #[error(
        "step {step}: {term} of level {level} ({objective}) is not finite; lower its learning rate or clip its gradient"
    )]
    NonFinite {
        /// The turn, counted over all phases.
        step: u64,
        /// The level that was being stepped.
        level: &'static str,
        /// Its objective.
        objective: &'static str,
        /// The term of the loss, or "the gradient".
        term: &'static str,
    },
    /// A plan that cannot give a trained flow.
    #[error("phase plan: {problem}")]
    Plan {
        /// What is wrong, and what to change.
        problem: String,
    },
    /// An objective of the exact marginal field on pairs that it is not right of.
    #[error("phase `{phase}`, level {level}: {objective} needs independent pairs, and {pairs}")]
    NotIndependent {
        /// The phase.
        phase: String,
        /// The level.
        level: &'static str,
        /// The objective.
        objective: &'static str,
        /// What the pairs are in place of it, in words.
        pairs: String,
    },
    /// A checkpoint of other phases than those it is to go on in.
    #[error(
        "checkpoint {}: it is of another list of phases ({} turns, {} of them in phase {})",
        path.display(), position.step, position.turn, position.phase
    )]
    OtherPhases {
        /// Its folder.
        path: PathBuf,
        /// Where it stands.
        position: Position,
    },
    /// A checkpoint that is damaged or belongs to another model.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// An error of a model, a coupling or a data set.
    #[error(transparent)]
    Core(#[from] strait_core::Error),
}

impl From<tch::TchError> for OptimError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}

impl From<strait_autodiff::AutodiffError> for OptimError {
    fn from(error: strait_autodiff::AutodiffError) -> Self {
        Self::Core(error.into())
    }
}
