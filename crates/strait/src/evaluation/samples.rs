//! Samples of a field, and how far they are from the reference.

use super::reference::Reference;
use super::scores::{Metric, Scores, scores};
use super::{classes, time_grids};
use crate::ProgramError;
use crate::config::{EvaluateConfig, GridConfig};
use crate::run::summary::{ClassEvaluation, Evaluation};
use crate::training::context::RunContext;
use crate::training::models::TrainedModels;
use crate::training::training_run::TrainingRun;
use std::ops::Range;
use strait_core::{Conditions, VelocityField};
use strait_ode::{Method, Options, TimeGrid};
use tch::Tensor;

/// Samples at one count of evaluations, in the data's units.
pub struct Samples {
    /// The solver's name.
    pub solver: &'static str,
    /// Evaluations of the field.
    pub nfe: usize,
    /// (N, ...).
    pub x: Tensor,
    /// How far they are from the reference.
    pub scores: Scores,
    /// How far those of each class are from the reference's, where there are classes.
    pub classes: Vec<ClassEvaluation>,
}

/// Samples of a trained velocity, guided as the settings say, at every count of evaluations of the network; of a flow of one
/// step, at one.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn samples(
    context: &RunContext,
    run: &TrainingRun<'_>,
    models: &TrainedModels,
    reference: &Reference,
) -> Result<Vec<Samples>, ProgramError> {
    let (settings, ranks) = (&reference.settings, &reference.ranks);
    let (method, counts) = solver(run, models, settings)?;
    ranks.check_same("checkpoint", &models.state.position.step.to_string())?;
    // Whoever names a solver or a grid is asked for those.
    let free = settings.solver.is_none() && settings.grid == GridConfig::Uniform;
    let chosen = models.solvers.as_ref().filter(|_| free);
    let (guidance, guided) = (settings.guidance, settings.guidance.of(&*models.velocity));
    let at = |&nfe: &usize| {
        let field = (&*guided, &reference.conditions);
        if let Some(chosen) = chosen {
            let (method, grid) = time_grids::chosen(chosen, nfe)?;
            return sample(context, field, method, &grid, reference);
        }
        let nfe = nfe / guidance.evaluations();
        let grid =
            || time_grids::grid(settings.grid, &settings.grid_search, (method, nfe), models, context, &run.folder);
        let grid = ranks.after_first(grid)?;
        sample(context, field, method, &grid, reference)
    };
    counts.iter().map(at).collect()
}

/// The solver that a training's velocity is sampled with, and the counts of its evaluations.
///
/// # Errors
/// `UnknownMethod` for a name that is none.
pub(super) fn solver<'s>(
    run: &TrainingRun<'_>,
    models: &TrainedModels,
    settings: &'s EvaluateConfig,
) -> Result<(Method, &'s [usize]), ProgramError> {
    if models.flow.is_some() {
        return Ok((Method::Euler, &[1]));
    }
    let name = settings.solver.as_deref().unwrap_or(run.config.default_solver());
    Ok((name.parse()?, &settings.nfe))
}

/// Samples of a field under conditions by one solver, and how far they are from the reference. Each of several ranks carries
/// its share of the source points, and all have all samples.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn sample(
    context: &RunContext,
    (field, conditions): (&dyn VelocityField, &Conditions),
    method: Method,
    grid: &TimeGrid,
    reference: &Reference,
) -> Result<Samples, ProgramError> {
    let options = Options { chunk: Some(4096), ..Options::default() };
    let (ranks, count) = (&reference.ranks, reference.x0.size()[0]);
    let Range { start, end } = ranks.rows(count);
    let (x0, own) = (reference.x0.narrow(0, start, end - start), conditions.part(start, end - start)?);
    let solution = method.solve_given(field, &own, &x0, grid, options)?;
    let x = context.data.points.denormalise(&ranks.all_rows(solution.x, count)?)?;
    let scores = scores(&x, &reference.data, reference.features.as_ref())?;
    let (solver, nfe) = (method.name(), solution.nfe);
    let classes = if conditions.is_empty() { &[][..] } else { &reference.classes };
    let classes = classes::evaluations(&x, (solver, nfe), classes)?;
    Ok(Samples { solver, nfe, x, scores, classes })
}

/// All that samples are judged by, as records.
pub fn evaluations(samples: &[Samples], reference: &Reference) -> Vec<Evaluation> {
    let of = |sample: &Samples, metric: Metric| {
        let ((value, samples), (floor, _)) = (metric.of(&sample.scores)?, metric.of(&reference.floor)?);
        Some(Evaluation {
            solver: sample.solver.into(),
            nfe: sample.nfe,
            metric: metric.name().into(),
            value,
            floor,
            samples,
            reference: reference.name.clone(),
        })
    };
    samples.iter().flat_map(|sample| Metric::all().filter_map(move |metric| of(sample, metric))).collect()
}
