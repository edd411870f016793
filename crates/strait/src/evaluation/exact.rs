//! The exact marginal field (Proposition 1) on a trained path, where it is defined.

use crate::ProgramError;
use crate::evaluation::likelihood::has_density;
use crate::evaluation::measure::{Reference, evaluations, sample};
use crate::run::summary::{EssSummary, ExactFieldSummary};
use crate::training::context::Setting;
use crate::training::reflow;
use crate::training::training_run::{Models, Track};
use strait_core::{Seed, Split, event_size};
use strait_metrics::residual;
use strait_ode::{Method, TimeGrid};
use strait_paths::{Along, ExactField};

/// Candidates of the field whose effective sample size is reported, and of the one that is sampled.
const REPORTED: i64 = 1024;
const SAMPLED: i64 = 2048;
/// Queries that an effective sample size is averaged over, trajectories that a residual is, and pairs that are computed
/// at once.
const QUERIES: i64 = 64;
const TRAJECTORIES: i64 = 256;
const PAIRS_AT_ONCE: i64 = 1 << 16;
/// The most evaluations of a sample: with more the field leads ever nearer to its own candidates.
const MOST: usize = 8;
/// The step of the difference that its residual is taken by.
const STEP: f64 = 5e-3;
/// The most dimensions that it is sampled in: above, few candidates carry all the weight.
const MOST_DIMENSIONS: i64 = 8;

/// The field over some training points, and how many there are. None where it is not defined: a path that is not
/// invertible, pairs that are not independent, a source without a density.
fn field<'m>(
    setting: &'m Setting<'_>,
    track: &Track<'_>,
    models: &'m Models,
    candidates: i64,
) -> Result<Option<(ExactField<'m>, i64)>, ProgramError> {
    let (source, coupling) = (&*setting.source, &*setting.coupling);
    let independent = coupling.is_independent() && reflow::teacher(track.config).is_none();
    let Some(path) = models.path.as_invertible() else { return Ok(None) };
    let mut draws = Seed(setting.config.seed).stream("evaluation").stream("candidates").at(0);
    let candidates = setting.data.points.points(Split::Train, candidates, &mut draws)?;
    if models.flow.is_some() || !independent || !has_density(source, &candidates) {
        return Ok(None);
    }
    let count = candidates.size()[0];
    Ok(Some((ExactField::new(path, source, coupling, candidates, PAIRS_AT_ONCE)?, count)))
}

/// Its effective sample size on the method's path.
///
/// # Errors
/// Those of the path.
pub fn effective(
    setting: &Setting<'_>,
    track: &Track<'_>,
    models: &Models,
    reference: &Reference,
) -> Result<EssSummary, ProgramError> {
    match field(setting, track, models, REPORTED)? {
        Some((field, candidates)) => ess(&field, candidates, reference),
        None => Ok(EssSummary::default()),
    }
}

fn ess(field: &ExactField<'_>, candidates: i64, reference: &Reference) -> Result<EssSummary, ProgramError> {
    let n = QUERIES.min(reference.points.size()[0]);
    let times = vec![0.1, 0.3, 0.5, 0.7, 0.9];
    let effective = field.effective_sizes(&reference.x0.narrow(0, 0, n), &reference.points.narrow(0, 0, n), &times)?;
    Ok(EssSummary { candidates, times, effective })
}

/// Its samples by few Euler steps, and how far its own trajectories bend. None where it is not defined, or has too many dimensions.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn evaluate(
    setting: &Setting<'_>,
    track: &Track<'_>,
    models: &Models,
    reference: &Reference,
) -> Result<Option<ExactFieldSummary>, ProgramError> {
    if event_size(&reference.points) > MOST_DIMENSIONS {
        return Ok(None);
    }
    let Some((field, candidates)) = field(setting, track, models, SAMPLED)? else { return Ok(None) };
    // Euler never looks at t = 1, where the field is not defined.
    let counts = setting.config.evaluate.nfe.iter().filter(|&&nfe| nfe <= MOST);
    let at = |&nfe: &usize| sample(setting, &field, Method::Euler, &TimeGrid::uniform(nfe)?, reference);
    let samples = counts.map(at).collect::<Result<Vec<_>, _>>()?;
    let ess = ess(&field, candidates, reference)?;
    let few = reference.x0.narrow(0, 0, TRAJECTORIES.min(reference.x0.size()[0]));
    let bent = residual(&field, &few, 10, 10, Along::Difference { step: STEP })?;
    Ok(Some(ExactFieldSummary {
        evaluations: evaluations(&samples, reference),
        ess,
        residual: bent.mean(),
        residual_times: bent.times,
        residual_profile: bent.profile,
    }))
}
