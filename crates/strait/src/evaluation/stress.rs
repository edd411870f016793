//! What the path of a finished training is worth to another field than its own: a larger velocity trained afresh on it,
//! and, where that can be had, the exact marginal field. A path can hide curvature that a small velocity does not
//! resolve, and its few-step samples then look better than the path is.

use super::choose_solver;
use super::dynamics::straightness_of;
use super::exact_field;
use super::reference::Reference;
use super::samples::{evaluations, samples};
use crate::ProgramError;
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::summary::StressSummary;
use crate::training::context::RunContext;
use crate::training::models::TrainedModels;
use crate::training::training_run::TrainingRun;
use tracing::info;

/// Trains the larger velocity below a finished training, whose models are `own`, and measures both fields. None where there
/// is no velocity to enlarge: a flow of one step, a closed form.
///
/// # Errors
/// `Run` where the training is not finished; `Interrupted`; those of training and measuring.
pub fn stress(
    context: &RunContext,
    run: &TrainingRun<'_>,
    own: &TrainedModels,
    reference: &Reference,
    command: &CommandContext<'_>,
) -> Result<Option<StressSummary>, ProgramError> {
    let Some(config) = run.config.stress() else { return Ok(None) };
    if !run.is_finished()? {
        let problem = "its training is not finished; go on with `train --resume`, or repeat its `compare`".into();
        return Err(ProgramError::Run { path: run.folder.path().to_owned(), problem });
    }
    let folder = RunFolder::at(&run.folder.path().join("stress"), &config)?;
    let name = format!("{} stress", run.name);
    let larger = TrainingRun { name, on: Some(run), ..TrainingRun::new(&config, folder.path()) };
    info!("{}: a velocity of {:?} on its path", run.name, config.velocity.hidden());
    larger.train(context, command, choose_solver::choose)?;
    let models = command.ranks.after_first(|| choose_solver::choose(&larger, context, larger.load(context)?))?;
    Ok(Some(StressSummary {
        evaluations: evaluations(&samples(context, &larger, &models, reference)?, reference),
        straightness: straightness_of(&models, reference)?,
        steps: models.state.position.step,
        gradient_steps: models.spent.gradient_steps,
        wall_seconds: models.spent.wall_seconds,
        parameters: models.parameters,
        exact_field: exact_field::evaluate(context, run, own, reference)?,
        hidden: config.velocity.hidden().to_vec(),
    }))
}
