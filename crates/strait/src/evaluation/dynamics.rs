//! How straight a flow is, and how the path under it moves.

use super::reference::Reference;
use super::scores::ONE_BY_ONE;
use crate::ProgramError;
use crate::config::DynamicsConfig;
use crate::run::summary::{PathSummary, StraightnessSummary};
use crate::training::models::TrainedModels;
use strait_core::{Conditions, Interpolant, Pairs, path_given};
use strait_metrics::{Residual, Straightness, conditional_motion, residual, straightness};
use strait_paths::{Along, Linear};

/// Times that a residual is taken at, and Euler steps between them.
const RESIDUAL_TIMES: usize = 10;
const STEPS_BETWEEN: usize = 10;

/// How straight the flow of a trained velocity is.
///
/// # Errors
/// Those of the field.
pub(super) fn straightness_of(
    models: &TrainedModels,
    reference: &Reference,
) -> Result<StraightnessSummary, ProgramError> {
    let settings = &reference.settings.dynamics;
    let (along, bent) = dynamics(models, reference, settings)?;
    Ok(StraightnessSummary {
        steps: if models.flow.is_some() { 1 } else { settings.steps },
        straightness: along.s,
        path_energy: along.path_energy,
        transport: reference.transport,
        normalised_path_energy: (along.path_energy - reference.transport).abs() / reference.transport,
        residual: bent.mean(),
        residual_times: bent.times,
        residual_profile: bent.profile,
    })
}

/// Energy, straightness and residual of the flow, of as many sources as samples are compared one by one. What a flow of one step
/// does is straight.
fn dynamics(
    models: &TrainedModels,
    reference: &Reference,
    settings: &DynamicsConfig,
) -> Result<(Straightness, Residual), ProgramError> {
    let x0 = reference.sources();
    let n = x0.size()[0];
    let x0 = &x0.narrow(0, 0, if reference.features.is_some() { n.min(ONE_BY_ONE) } else { n });
    let field = &*reference.bound(&*models.velocity, x0.size()[0])?;
    if models.flow.is_some() {
        return Ok((straightness(field, x0, 1)?, Residual { times: vec![0.5], profile: vec![0.0] }));
    }
    let few = x0.narrow(0, 0, x0.size()[0].min(settings.trajectories));
    Ok((
        straightness(field, x0, settings.steps)?,
        residual(&*field.of_samples(0, few.size()[0])?, &few, RESIDUAL_TIMES, STEPS_BETWEEN, Along::Forward)?,
    ))
}

/// How the path moves between pairs under their conditions, beside the linear path.
///
/// # Errors
/// Those of the paths.
pub(super) fn motion(
    models: &TrainedModels,
    (pairs, conditions): (&Pairs, &Conditions),
    settings: &DynamicsConfig,
) -> Result<Option<PathSummary>, ProgramError> {
    let of = |path: &dyn Interpolant| conditional_motion(path, &pairs.x0, &pairs.x1, settings.times);
    let path = path_given(&*models.path, conditions)?;
    let (Some(own), Some(linear)) = (of(&*path)?, of(&Linear)?) else { return Ok(None) };
    Ok(Some(PathSummary {
        squared_speed: own.squared_speed,
        squared_speed_tail: own.squared_speed_tail,
        squared_acceleration: own.squared_acceleration,
        log_det: own.log_det,
        linear_squared_speed: linear.squared_speed,
        linear_squared_speed_tail: linear.squared_speed_tail,
    }))
}
