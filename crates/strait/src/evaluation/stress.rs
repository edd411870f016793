//! What the path of a finished training is worth to another field than its own: a larger velocity trained afresh on it,
//! and, where that can be had, the exact marginal field. A path can hide curvature that a small velocity does not
//! resolve, and its few-step samples then look better than the path is.

use super::exact;
use crate::ProgramError;
use crate::comparison::methods;
use crate::evaluation::measure::{Reference, evaluations, samples, straightness_of};
use crate::run::command::Session;
use crate::run::folder::RunFolder;
use crate::run::summary::StressSummary;
use crate::training::context::Setting;
use crate::training::training_run::Track;
use tracing::info;

/// Trains the larger velocity below a finished training, and measures both fields. None where there is no velocity to
/// enlarge: a flow of one step, a closed form.
///
/// # Errors
/// `Run` where the training is not finished; `Interrupted`; those of training and measuring.
pub fn stress(
    setting: &Setting<'_>,
    track: &Track<'_>,
    reference: &Reference,
    session: &Session<'_>,
) -> Result<Option<StressSummary>, ProgramError> {
    let Some(config) = methods::stress(track.config) else { return Ok(None) };
    if !track.is_finished()? {
        let problem = "its training is not finished; go on with `train --resume`, or repeat its `compare`".into();
        return Err(ProgramError::Run { path: track.folder.clone(), problem });
    }
    let own = track.models(setting)?;
    let folder = RunFolder::at(&track.folder.join("stress"), &config)?;
    let name = format!("{} stress", track.name);
    let larger = Track { name, on: Some(track), ..Track::new(&config, folder.path()) };
    info!("{}: a velocity of {:?} on its path", track.name, config.velocity.hidden);
    larger.train(setting, session)?;
    let models = larger.models(setting)?;
    Ok(Some(StressSummary {
        evaluations: evaluations(&samples(setting, &larger, &models, reference)?, reference),
        straightness: straightness_of(&models, reference)?,
        steps: models.state.position.step,
        gradient_steps: models.spent.gradient_steps,
        wall_seconds: models.spent.wall_seconds,
        parameters: models.parameters,
        exact_field: exact::evaluate(setting, track, &own, reference)?,
        hidden: config.velocity.hidden,
    }))
}
