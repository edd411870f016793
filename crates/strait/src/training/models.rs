//! Trained models, as records: `TrainingRun::load` reads them from a checkpoint.

use crate::ProgramError;
use crate::build::one_step::OneStep;
use crate::run::summary::{AverageSummary, SolverSummary};
use strait_core::{Interpolant, Parameters, VelocityField};
use strait_optim::LevelName;
use strait_optim::checkpoint::{Checkpoint, State};

/// The cost of a training.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Gradient steps of all levels.
    pub gradient_steps: u64,
    /// Seconds.
    pub wall_seconds: f64,
}

/// Trained models, to sample with.
pub struct TrainedModels {
    /// The path.
    pub path: Box<dyn Interpolant + Send>,
    /// The map that the path goes through, where it does.
    pub map: Option<OneStep>,
    /// The field.
    pub velocity: Box<dyn VelocityField + Send>,
    /// The flow that the field takes one step of, where it is one.
    pub flow: Option<OneStep>,
    /// Where the training stood.
    pub state: State,
    /// Trainable numbers.
    pub parameters: usize,
    /// Which moving average the velocity is, where there was a choice.
    pub average: Option<AverageSummary>,
    /// The solver for each number of evaluations where none is named, if there was a choice.
    pub solvers: Option<SolverSummary>,
    /// What they took, teachers included.
    pub spent: Spent,
}

/// Models as in a checkpoint; the velocity has the parameters of the last step. [`Loaded::decide`] then takes the
/// choice of the moving average.
pub struct Loaded {
    /// The models so far.
    pub models: TrainedModels,
    /// The moving averages of the velocity, and its parameters; None where nothing was trained.
    pub averages: Option<Averages>,
}

/// The moving averages of a velocity.
pub struct Averages {
    /// The half-lives that are kept, in steps.
    pub half_lives: Vec<f64>,
    pub(super) checkpoint: Checkpoint,
    pub(super) velocity: Parameters,
}

impl Averages {
    /// Gives the velocity the moving average of a half-life.
    ///
    /// # Errors
    /// Those of the checkpoint.
    pub fn assign(&self, half_life: f64) -> Result<(), ProgramError> {
        Ok(self.velocity.assign(&self.checkpoint.average(LevelName::Velocity, half_life)?)?)
    }
}

impl Loaded {
    /// The models, once their velocity is the one to sample with.
    pub fn decide(self, average: Option<AverageSummary>) -> TrainedModels {
        TrainedModels { average, ..self.models }
    }
}
