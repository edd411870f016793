//! By which steps a flow map is followed at each count of evaluations.

use super::choose_average::{Judge, choose_average};
use super::samples::sample;
use crate::ProgramError;
use crate::config::GridConfig;
use crate::run::summary::{CountSummary, SolverSummary, StepsSummary};
use crate::training::context::RunContext;
use crate::training::models::{Loaded, Models};
use crate::training::training_run::TrainingRun;
use strait_ode::{Method, TimeGrid};
use tracing::info;

/// The file of what was chosen, in the folder of a training.
const FILE: &str = "solvers.json";

/// What is tried, with the power of its times: maps of equal spans, maps of spans that grow, and the velocity on the diagonal.
/// A learned map's error is largest where it spans much, and a solver's of the diagonal where steps are few.
const TRIED: [(Method, f64); 5] =
    [(Method::Map, 1.0), (Method::Map, 2.0), (Method::Map, 3.0), (Method::Euler, 1.0), (Method::Midpoint, 1.0)];

/// Gives loaded models the moving average to sample with (`choose_average`) and, where they are a flow map and its config
/// names no solver, the steps to follow it by at each count of evaluations of the config that was trained: those whose samples
/// are nearest to the validation split. Chosen once for a checkpoint, and kept with the training.
///
/// # Errors
/// Those of the checkpoint, of sampling and of the metrics.
pub fn choose(run: &TrainingRun<'_>, context: &RunContext, loaded: Loaded) -> Result<Models, ProgramError> {
    let mut models = choose_average(run, context, loaded)?;
    let settings = &run.config.evaluate;
    if !run.config.is_flow_map() || settings.solver.is_some() || settings.grid != GridConfig::Uniform {
        return Ok(models);
    }
    let step = models.state.position.step;
    let known = run.folder.read_cached::<SolverSummary>(FILE).filter(|known| known.step == step);
    if known.is_none() {
        let judge = Judge::new(context, settings)?;
        let counts = settings.nfe.iter().map(|&nfe| tried(nfe, &judge, context, &models));
        let counts = counts.collect::<Result<Vec<_>, ProgramError>>()?;
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

/// All that can be followed by at a count, the nearest to the reference first; of equal ones the first of [`TRIED`].
fn tried(nfe: usize, judge: &Judge, context: &RunContext, models: &Models) -> Result<CountSummary, ProgramError> {
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
