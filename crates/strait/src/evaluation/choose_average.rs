//! Which of a velocity's moving averages is sampled with.

use super::reference::Reference;
use super::samples::{sample, solver};
use crate::ProgramError;
use crate::config::{EvaluateConfig, SplitConfig};
use crate::run::summary::AverageSummary;
use crate::training::context::RunContext;
use crate::training::models::{Loaded, TrainedModels};
use crate::training::training_run::TrainingRun;
use strait_ode::TimeGrid;
use tracing::info;

/// Points that candidates are compared on at most: over nine data sets 1,500 chose no better than 500, and the distance of 10,000
/// points takes as long as a short training.
const JUDGED: i64 = 2000;
/// The file of what was chosen, in the folder of a training.
const FILE: &str = "averages.json";

/// Gives the velocity of loaded models the moving average to sample with. Of several it is the one whose samples are
/// nearest to the validation split, by the distance that judges and in the geometric mean over the counts of evaluations
/// of the config that was trained: what is measured on test points was not chosen on them. It is chosen once for a
/// checkpoint, and kept with the training.
///
/// # Errors
/// Those of the checkpoint, of sampling and of the metrics.
pub(super) fn choose_average(
    run: &TrainingRun<'_>,
    context: &RunContext,
    loaded: Loaded,
) -> Result<TrainedModels, ProgramError> {
    let Some(averages) = &loaded.averages else { return Ok(loaded.decide(None)) };
    let half_lives = match &averages.half_lives[..] {
        [] => return Ok(loaded.decide(None)),
        [one] => {
            averages.assign(*one)?;
            return Ok(loaded.decide(None));
        }
        several => several,
    };
    let step = loaded.models.state.position.step;
    let known = run.folder.read_cached::<AverageSummary>(FILE).filter(|known| known.step == step);
    let chosen = match known {
        Some(known) => known,
        None => {
            let judge = Judge::new(context, judged_as(run))?;
            let mut distances = vec![];
            for &half_life in half_lives {
                averages.assign(half_life)?;
                distances.push((half_life, judge.distance(run, context, &loaded.models)?));
            }
            let chosen = judge.choose(step, distances);
            run.folder.cache(FILE, &chosen);
            info!("{}: of its moving averages, that of half-life {}", run.name, chosen.half_life);
            chosen
        }
    };
    averages.assign(chosen.half_life)?;
    Ok(loaded.decide(Some(chosen)))
}

/// How the models of a training are judged: as those of the training that it is made for, where it is a larger velocity on
/// the path of another.
pub(super) fn judged_as<'a>(run: &'a TrainingRun<'_>) -> &'a EvaluateConfig {
    &run.on.map_or(run.config, |other| other.config).evaluate
}

/// The validation split, and how samples are compared with it.
pub(super) struct Judge {
    /// The split.
    pub(super) reference: Reference,
}

impl Judge {
    pub(super) fn new(context: &RunContext, settings: &EvaluateConfig) -> Result<Self, ProgramError> {
        let samples = settings.samples.min(JUDGED);
        let settings = EvaluateConfig { split: SplitConfig::Validation, samples, ..settings.clone() };
        Ok(Self { reference: Reference::new(context, &settings)? })
    }

    /// Over all counts of evaluations, the geometric mean: no count outweighs another by its scale.
    fn distance(
        &self,
        run: &TrainingRun<'_>,
        context: &RunContext,
        models: &TrainedModels,
    ) -> Result<f64, ProgramError> {
        let reference = &self.reference;
        let (method, counts) = solver(run, models, &reference.settings)?;
        let metric = reference.leading();
        let mut logarithms = 0.0;
        for &nfe in counts {
            let grid = TimeGrid::uniform(method.steps(nfe)?)?;
            let scores = sample(context, (&*models.velocity, &reference.conditions), method, &grid, reference)?.scores;
            logarithms += metric.of(&scores).map_or(f64::INFINITY, |(value, _)| value).ln();
        }
        Ok((logarithms / counts.len() as f64).exp())
    }

    fn choose(&self, step: u64, averages: Vec<(f64, f64)>) -> AverageSummary {
        let best = averages.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        AverageSummary {
            step,
            half_life: best.map_or(f64::NAN, |(half_life, _)| *half_life),
            judged_by: self.reference.leading().name().into(),
            reference: self.reference.name.clone(),
            averages,
        }
    }
}
