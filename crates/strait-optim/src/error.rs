use crate::Position;
use std::path::PathBuf;

/// What can go wrong while optimising, saving or restoring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimError {
    /// A loss or a gradient was NaN or infinite for many steps in a row. They changed no parameter.
    #[error(
        "step {step}: {term} of level {level} ({objective}) is not finite, nor is any of the {count} steps from there on; \
         {}", remedy(*.rate, *.clip, *.stepped)
    )]
    NonFinite {
        /// The iteration of the first of them, counted over all phases.
        step: u64,
        /// The level that was being stepped.
        level: &'static str,
        /// Its objective.
        objective: &'static str,
        /// The term of the loss, or "the gradient".
        term: &'static str,
        /// How many steps in a row.
        count: u64,
        /// The learning rate of the last of them.
        rate: f64,
        /// The gradient norm that is clipped to; infinity: none.
        clip: f64,
        /// Whether a step of the level was taken before them.
        stepped: bool,
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
        "checkpoint {}: it is of another list of phases ({} iterations, {} of them in phase {})",
        path.display(), position.step, position.iteration, position.phase
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

/// What can be done that was not done already.
fn remedy(rate: f64, clip: f64, stepped: bool) -> String {
    if !stepped {
        return "no step was taken before them, so that no rate or clip mends it; bring what its loss is made of nearer to 1: the \
                source, the path, the noise, and the weights and powers of the objective"
            .into();
    }
    // Three digits: a rate on its way down has sixteen.
    let rate: f64 = format!("{rate:.2e}").parse().unwrap_or(rate);
    if clip.is_finite() {
        let clip = if clip < 1e-3 { format!("{clip:e}") } else { clip.to_string() };
        return format!(
            "go on from a checkpoint before it with a learning rate below {rate:e}, or a clip below {clip}"
        );
    }
    format!("go on from a checkpoint before it with its gradient clipped, or a learning rate below {rate:e}")
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
