//! What a trained method is worth: samples at each count of evaluations, distances beside their floor, straightness.

use super::dynamics::{motion, straightness_of};
use super::likelihood::likelihood;
use super::reference::Reference;
use super::samples::{Samples, evaluations, sample, samples};
use super::{choose_solver, diagnostics, exact_field};
use crate::ProgramError;
use crate::run::metrics::{self, LevelLine, MetricsLine};
use crate::run::summary::{Evaluation, LevelSummary, MethodSummary, SUMMARY, Summary, versions};
use crate::training::context::RunContext;
use crate::training::made_pairs;
use crate::training::models::TrainedModels;
use crate::training::training_run::TrainingRun;
use strait_core::{Conditions, PairedDataset as _, Pairs};
use strait_ode::{Method, TimeGrid};
use tch::Tensor;

/// All that was measured of one method.
pub struct Measured {
    /// For `summary.json`.
    pub summary: MethodSummary,
    /// For the report.
    pub samples: Vec<Samples>,
    /// What was measured.
    pub models: TrainedModels,
    /// Pairs as its path is trained on: n of them.
    pub pairs: Pairs,
    /// The conditions of these.
    pub conditions: Conditions,
}

/// Loads a method's models, chooses its moving average and solvers, and measures it at every count of evaluations: on every rank
/// alike, but that samples are drawn together.
///
/// # Errors
/// Those of loading, of sampling and of the metrics.
pub fn measure(context: &RunContext, run: &TrainingRun<'_>, reference: &Reference) -> Result<Measured, ProgramError> {
    let models = reference.ranks.after_first(|| choose_solver::choose(run, context, run.load(context)?))?;
    let settings = &reference.settings;
    let samples = samples(context, run, &models, reference)?;
    let (pairs, conditions) = pairs(context, run, reference)?;
    let summary = MethodSummary {
        method: run.name.clone(),
        steps: models.state.position.step,
        gradient_steps: models.spent.gradient_steps,
        wall_seconds: models.spent.wall_seconds,
        parameters: models.parameters,
        evaluations: evaluations(&samples, reference),
        classes: samples.iter().flat_map(|sample| sample.classes.clone()).collect(),
        straightness: straightness_of(&models, reference)?,
        likelihood: likelihood(&models, context, reference, &settings.likelihood)?,
        ess: exact_field::effective(context, run, &models, reference)?,
        path: motion(&models, (&pairs, &conditions), &settings.dynamics)?,
        map: alone(context, &models, reference)?,
        levels: levels(&metrics::read(&run.folder)?),
        average: models.average.clone(),
        solvers: models.solvers.clone(),
        stress: None,
    };
    Ok(Measured { summary, samples, models, pairs, conditions })
}

/// Writes the `summary.json` of a run, with what its numbers say against it, and returns what it says.
///
/// # Errors
/// `Io` names the file.
pub fn write_summary(
    context: &RunContext,
    run: &TrainingRun<'_>,
    own: &Measured,
    baseline: Option<&Measured>,
    reference: &Reference,
) -> Result<Summary, ProgramError> {
    let metric = reference.leading();
    let mut said = diagnostics::warnings(&own.summary, baseline.map(|measured| &measured.summary), metric);
    let (taken, iterations) = (own.summary.steps, run.config.iterations());
    if taken < iterations {
        said.insert(
            0,
            format!("Its training stands at iteration {taken} of {iterations}: nothing here is of the finished one."),
        );
    }
    let summary = Summary {
        run: run.folder.name(),
        dataset: context.data.points.name().into(),
        event: context.data.points.event_shape().to_vec(),
        seed: context.seed.0,
        device: context.device_name.clone(),
        threads: tch::get_num_threads(),
        method: own.summary.clone(),
        baseline: baseline.map(|measured| measured.summary.clone()),
        evaluate: Some(reference.settings.clone()),
        judged_by: metric.name().into(),
        warnings: said,
        versions: versions(),
    };
    run.folder.write_json(SUMMARY, &summary)?;
    Ok(summary)
}

/// What the map that a path goes through reaches by itself: a path through it must be worth more.
fn alone(context: &RunContext, models: &TrainedModels, reference: &Reference) -> Result<Vec<Evaluation>, ProgramError> {
    let Some(map) = &models.map else { return Ok(vec![]) };
    let none = Conditions::default();
    let conditions = if map.is_conditional() { &reference.conditions } else { &none };
    Ok(evaluations(&[sample(context, (map, conditions), Method::Euler, &TimeGrid::uniform(1)?, reference)?], reference))
}

/// Pairs as a training is given them, before any noise: those that its teacher made, or the reference's points, paired at
/// most as many at a time as in its last phase; with their conditions.
fn pairs(
    context: &RunContext,
    run: &TrainingRun<'_>,
    reference: &Reference,
) -> Result<(Pairs, Conditions), ProgramError> {
    let stream = context.seed.stream("evaluation");
    let (x0, x1) = (reference.sources(), &reference.points);
    let n = x1.size()[0];
    if let Some(made) = made_pairs::kept(run.config, &run.folder, context)? {
        return Ok(made.dataset(&*context.source)?.conditional_minibatch(n, 0, stream.stream("pairs"))?);
    }
    let batch = run.config.last_velocity_level().map_or(n, |level| level.batch);
    let (mut sources, mut points, mut draws) = (vec![], vec![], stream.stream("coupling").at(0));
    let mut conditions: Option<Conditions> = None;
    for (i, (x0, x1)) in x0.f_split(batch, 0)?.into_iter().zip(x1.f_split(batch, 0)?).enumerate() {
        let own = reference.conditions.part(i as i64 * batch, x1.size()[0])?;
        let pairs = context.coupling.couple_given(x0, x1, &own, &mut draws)?;
        let own = pairs.carried(own)?;
        conditions = Some(match conditions {
            Some(before) => before.then(&own)?,
            None => own,
        });
        sources.push(pairs.x0);
        points.push(pairs.x1);
    }
    let pairs = Pairs { x0: Tensor::f_cat(&sources, 0)?, x1: Tensor::f_cat(&points, 0)?, target_rows: None };
    Ok((pairs, conditions.unwrap_or_default()))
}

/// What the log says of each level.
fn levels(lines: &[MetricsLine]) -> Vec<LevelSummary> {
    let mut found: Vec<LevelSummary> = vec![];
    for LevelLine { level, gradient_norm, seconds, .. } in lines.iter().flat_map(|line| &line.levels) {
        match found.iter_mut().find(|other| other.level == *level) {
            Some(other) => {
                other.gradient_norm = gradient_norm.unwrap_or(other.gradient_norm);
                other.seconds += seconds;
            }
            None => {
                let (level, gradient_norm, seconds) = (*level, gradient_norm.unwrap_or(0.0), *seconds);
                found.push(LevelSummary { level, gradient_norm, seconds, share: 0.0 });
            }
        }
    }
    let all: f64 = found.iter().map(|level| level.seconds).sum();
    found.iter_mut().for_each(|level| level.share = level.seconds / all);
    found
}
