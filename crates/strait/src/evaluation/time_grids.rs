//! The steps and times that a run is sampled at, searched ones kept with the run.

use super::reference::bound;
use crate::ProgramError;
use crate::config::{GridConfig, GridSearchConfig};
use crate::run::folder::RunFolder;
use crate::run::summary::{SolverSummary, StepsSummary};
use crate::training::context::RunContext;
use crate::training::models::TrainedModels;
use serde::{Deserialize, Serialize};
use strait_ode::{GridSearch, Method, TimeGrid};
use tch::Kind;
use tracing::info;

/// The file of a run's searched grids.
const FILE: &str = "grids.json";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Found {
    solver: String,
    nfe: usize,
    /// The step of the checkpoint that it was searched for.
    step: u64,
    times: Vec<f64>,
    /// The root mean square distance from where the flow leads, here and on the uniform grid.
    error: f64,
    uniform_error: f64,
}

/// The steps that `nfe` evaluations follow a flow map by: as was chosen at the nearest count, or by maps of equal spans where
/// that takes another multiple of evaluations.
///
/// # Errors
/// `NotAMultiple` for no evaluation.
pub fn chosen(chosen: &SolverSummary, nfe: usize) -> Result<(Method, TimeGrid), ProgramError> {
    if let Some(StepsSummary { solver, power, .. }) = chosen.at(nfe)
        && let Ok(method) = solver.parse::<Method>()
        && let Ok(steps) = method.steps(nfe)
    {
        return Ok((method, TimeGrid::power(steps, *power)?));
    }
    Ok((Method::Map, TimeGrid::uniform(Method::Map.steps(nfe)?)?))
}

/// A grid for `nfe` evaluations of a method along the trained field of the run in `folder`.
///
/// # Errors
/// Those of the search and of its file.
pub fn grid(
    choice: GridConfig,
    search: &GridSearchConfig,
    (method, nfe): (Method, usize),
    models: &TrainedModels,
    context: &RunContext,
    folder: &RunFolder,
) -> Result<TimeGrid, ProgramError> {
    if matches!(method, Method::Dopri5(_)) {
        return Ok(TimeGrid::uniform(1)?);
    }
    let steps = method.steps(nfe)?;
    match choice {
        GridConfig::Uniform => return Ok(TimeGrid::uniform(steps)?),
        GridConfig::Cosine => return Ok(TimeGrid::cosine(steps)?),
        GridConfig::Searched => {}
    }
    let step = models.state.position.step;
    let mut known: Vec<Found> = folder.read_cached(FILE).unwrap_or_default();
    known.retain(|found| found.step == step);
    if let Some(found) = known.iter().find(|found| found.solver == method.name() && found.nfe == nfe) {
        return Ok(TimeGrid::custom(found.times.clone())?);
    }
    let mut draws = context.seed.stream("grid search").at(0); // nothing else draws from it
    let x0 = context.source.sample(search.points, &mut draws, Kind::Float, context.device)?;
    let field = bound(&*models.velocity, &context.conditions(search.points, &mut draws)?)?;
    let found = GridSearch { method, steps, trials: search.trials }.run(&*field, &x0)?;
    info!("a grid of {steps} steps: error {:.4}, on the uniform one {:.4}", found.error, found.uniform_error);
    known.push(Found {
        solver: method.name().into(),
        nfe,
        step,
        times: found.grid.times().to_vec(),
        error: found.error,
        uniform_error: found.uniform_error,
    });
    folder.cache(FILE, &known);
    Ok(found.grid)
}
