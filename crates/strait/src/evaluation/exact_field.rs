//! The exact marginal field (Proposition 1) on a trained path, where it is defined.

use super::likelihood::has_density;
use super::reference::Reference;
use super::samples::{evaluations, sample};
use crate::ProgramError;
use crate::config::ExactFieldConfig;
use crate::run::summary::{EssSummary, ExactFieldSummary};
use crate::training::context::RunContext;
use crate::training::models::TrainedModels;
use crate::training::training_run::TrainingRun;
use strait_core::{Conditions, Split, event_size};
use strait_metrics::residual;
use strait_ode::{Method, TimeGrid};
use strait_paths::{Along, ExactField};

/// Pairs that are computed at once.
const PAIRS_AT_ONCE: i64 = 1 << 16;
/// The step of the difference that its residual is taken by.
const STEP: f64 = 5e-3;
/// Times that a residual is taken at, and Euler steps between them.
const RESIDUAL_TIMES: usize = 10;
const STEPS_BETWEEN: usize = 10;

/// The field over some training points, and how many there are. None where it is not defined: a path that is not
/// invertible, pairs that are not independent, a source without a density.
fn field<'m>(
    context: &'m RunContext,
    run: &TrainingRun<'_>,
    models: &'m TrainedModels,
    candidates: i64,
) -> Result<Option<(ExactField<'m>, i64)>, ProgramError> {
    let (source, coupling) = (&*context.source, &*context.coupling);
    let independent = coupling.is_independent() && run.config.coupling.kind().is_drawn;
    let Some(path) = models.path.as_invertible() else { return Ok(None) };
    let mut draws = context.seed.stream("evaluation").stream("candidates").at(0);
    let candidates = context.data.points.points(Split::Train, candidates, &mut draws)?;
    // Of points under conditions, that of all of them is not what the velocity learns.
    if models.flow.is_some() || context.condition().is_some() || !independent || !has_density(source, &candidates) {
        return Ok(None);
    }
    let count = candidates.size()[0];
    Ok(Some((ExactField::new(path, source, coupling, candidates, PAIRS_AT_ONCE)?, count)))
}

/// Its effective sample size on the method's path.
///
/// # Errors
/// Those of the path.
pub(super) fn effective(
    context: &RunContext,
    run: &TrainingRun<'_>,
    models: &TrainedModels,
    reference: &Reference,
) -> Result<EssSummary, ProgramError> {
    match field(context, run, models, reference.settings.exact_field.candidates)? {
        Some((field, candidates)) => ess(&field, candidates, reference),
        None => Ok(EssSummary::default()),
    }
}

fn ess(field: &ExactField<'_>, candidates: i64, reference: &Reference) -> Result<EssSummary, ProgramError> {
    let n = reference.settings.exact_field.queries.min(reference.points.size()[0]);
    let times = vec![0.1, 0.3, 0.5, 0.7, 0.9];
    let effective = field.effective_sizes(&reference.x0.narrow(0, 0, n), &reference.points.narrow(0, 0, n), &times)?;
    Ok(EssSummary { candidates, times, effective })
}

/// Its samples by few Euler steps, and how far its own trajectories bend. None where it is not defined, or has too many dimensions.
///
/// # Errors
/// Those of sampling and of the metrics.
pub(super) fn evaluate(
    context: &RunContext,
    run: &TrainingRun<'_>,
    models: &TrainedModels,
    reference: &Reference,
) -> Result<Option<ExactFieldSummary>, ProgramError> {
    let ExactFieldConfig { sampled_candidates, trajectories, most_nfe, most_dimensions, .. } =
        reference.settings.exact_field;
    if event_size(&reference.points) > most_dimensions {
        return Ok(None);
    }
    let Some((field, candidates)) = field(context, run, models, sampled_candidates)? else { return Ok(None) };
    // Euler never looks at t = 1, where the field is not defined.
    let counts = reference.settings.nfe.iter().filter(|&&nfe| nfe <= most_nfe);
    let at = |&nfe: &usize| {
        sample(context, (&field, &Conditions::default()), Method::Euler, &TimeGrid::uniform(nfe)?, reference)
    };
    let samples = counts.map(at).collect::<Result<Vec<_>, _>>()?;
    let ess = ess(&field, candidates, reference)?;
    let few = reference.x0.narrow(0, 0, trajectories.min(reference.x0.size()[0]));
    let bent = residual(&field, &few, RESIDUAL_TIMES, STEPS_BETWEEN, Along::Difference { step: STEP })?;
    Ok(Some(ExactFieldSummary {
        evaluations: evaluations(&samples, reference),
        ess,
        residual: bent.mean(),
        residual_times: bent.times,
        residual_profile: bent.profile,
    }))
}
