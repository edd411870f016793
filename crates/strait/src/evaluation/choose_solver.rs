//! By which steps a flow map is followed at each count of evaluations.

use super::choose_average::{Judge, choose_average, judged_as};
use super::samples::sample;
use crate::ProgramError;
use crate::config::{EvaluateConfig, GridConfig};
use crate::run::summary::{CountSummary, SolverSummary, StepsSummary};
use crate::training::context::RunContext;
use crate::training::models::{Loaded, TrainedModels};
use crate::training::training_run::TrainingRun;
use strait_ode::{Method, TimeGrid};
use tracing::info;

/// The file of what was chosen, in the folder of a training.
const FILE: &str = "solvers.json";

/// What is tried, with the power of its times: maps of equal spans, maps of spans that grow, and the velocity on the diagonal.
/// A learned map's error is largest where it spans much, and a solver's of the diagonal where steps are few.
const TRIED: [(Method, f64); 5] =
    [(Method::Map, 1.0), (Method::Map, 2.0), (Method::Map, 3.0), (Method::Euler, 1.0), (Method::Midpoint, 1.0)];

/// Numbers that a candidate moves at most, over all evaluations of all its samples: a thousand images of 28 x 28 at 21
/// evaluations, a hundred thousand points of the plane at 84.
const MOST: i64 = 1 << 24;
/// Samples that a candidate makes at least.
const FEWEST: i64 = 128;

/// Gives loaded models the moving average to sample with (`choose_average`) and, where they are a flow map and its config
/// names no solver, the steps to follow it by at each count of evaluations of the config that was trained: those whose samples
/// are nearest to the validation split. Chosen once for a checkpoint, and kept with the training.
///
/// # Errors
/// Those of the checkpoint, of sampling and of the metrics.
pub fn choose(run: &TrainingRun<'_>, context: &RunContext, loaded: Loaded) -> Result<TrainedModels, ProgramError> {
    let mut models = choose_average(run, context, loaded)?;
    let settings = judged_as(run);
    if !run.config.is_flow_map() || settings.solver.is_some() || settings.grid != GridConfig::Uniform {
        return Ok(models);
    }
    let step = models.state.position.step;
    let known = run.folder.read_cached::<SolverSummary>(FILE).filter(|known| known.step == step);
    if known.is_none() {
        let size = context.data.points.event_shape().iter().product();
        let judge = Judge::new(context, settings)?;
        let count = |nfe| {
            let samples = judged(nfe, size, settings.samples);
            if samples == settings.samples {
                return tried(nfe, &judge, context, &models);
            }
            tried(nfe, &Judge::new(context, &EvaluateConfig { samples, ..settings.clone() })?, context, &models)
        };
        let counts = settings.nfe.iter().map(|&nfe| count(nfe)).collect::<Result<Vec<_>, ProgramError>>()?;
        let chosen = SolverSummary {
            step,
            judged_by: judge.reference.leading().name().into(),
            reference: judge.reference.name.clone(),
            counts,
        };
        run.folder.cache(FILE, &chosen);
        for CountSummary { nfe, tried } in &chosen.counts {
            let Some(StepsSummary { solver, power, .. }) = tried.first() else { continue };
            info!("{}: at {nfe} evaluations by {solver}, at times of power {power}", run.name);
        }
        models.solvers = Some(chosen);
    } else {
        models.solvers = known;
    }
    Ok(models)
}

/// How many of the samples that a run is measured by are made with each candidate, at a count of evaluations of samples of `size`
/// numbers: many evaluations of large samples take minutes, and their candidates differ least.
fn judged(nfe: usize, size: i64, samples: i64) -> i64 {
    let each = (nfe as i64).saturating_mul(size).max(1);
    (MOST / each).clamp(FEWEST.min(samples), samples)
}

/// All that can be followed by at a count, the nearest to the reference first; of equal ones the first of [`TRIED`].
fn tried(
    nfe: usize,
    judge: &Judge,
    context: &RunContext,
    models: &TrainedModels,
) -> Result<CountSummary, ProgramError> {
    let (reference, mut tried) = (&judge.reference, vec![]);
    for (method, power) in TRIED {
        let Ok(steps) = method.steps(nfe) else { continue };
        if steps == 1 && power != 1.0 {
            continue; // as the uniform one
        }
        let grid = TimeGrid::power(steps, power)?;
        let field = (&*models.velocity as _, &reference.conditions);
        let scores = sample(context, field, method, &grid, reference)?.scores;
        let value = reference.leading().of(&scores).map_or(f64::INFINITY, |(value, _)| value);
        tried.push(StepsSummary { solver: method.name().into(), power, value });
    }
    tried.sort_by(|a, b| a.value.total_cmp(&b.value));
    Ok(CountSummary { nfe, tried })
}

#[cfg(test)]
mod tests {
    use super::judged;

    #[test]
    fn large_samples_at_many_evaluations_are_judged_by_fewer() {
        assert_eq!([1, 8, 100].map(|nfe| judged(nfe, 784, 1000)), [1000, 1000, 213]);
        assert_eq!(judged(100, 2, 10_000), 10_000);
        assert_eq!((judged(100, 12_288, 2000), judged(100, 12_288, 64)), (128, 64));
    }
}
