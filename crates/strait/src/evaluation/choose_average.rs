//! Which of a velocity's moving averages is sampled with.

use crate::ProgramError;
use crate::config::{Config, EvaluateConfig, SplitConfig};
use crate::evaluation::measure::{Reference, sample};
use crate::run::summary::AverageSummary;
use crate::training::context::Setting;
use crate::training::training_run::{Models, Track};
use strait_core::Parameters;
use strait_ode::{Method, TimeGrid};
use strait_optim::LevelName;
use strait_optim::checkpoint::Checkpoint;
use tracing::info;

/// The file of what was chosen, in the folder of a training.
const FILE: &str = "averages.json";

/// Gives the velocity of `models`, which is made of `parameters`, the moving average to sample with. Of several it is the
/// one whose samples are nearest to the validation split, by the distance that judges and in the geometric mean over the
/// config's counts of evaluations: what is measured on test points was not chosen on them. It is chosen once for a
/// checkpoint, and kept with the training.
///
/// # Errors
/// Those of the checkpoint, of sampling and of the metrics.
pub fn settle(
    track: &Track<'_>,
    setting: &Setting<'_>,
    found: &Checkpoint,
    parameters: &Parameters,
    models: &Models,
) -> Result<Option<AverageSummary>, ProgramError> {
    let assign = |half_life| -> Result<(), ProgramError> {
        Ok(parameters.assign(&found.average(LevelName::Velocity, half_life)?)?)
    };
    let half_lives = match &track.config.velocity.ema_half_lives[..] {
        [] => return Ok(None),
        [one] => return assign(*one).map(|()| None),
        several => several,
    };
    let step = found.state.position.step;
    let known = track.run().read_json::<AverageSummary>(FILE)?.filter(|known| known.step == step);
    let chosen = match known {
        Some(known) => known,
        None => {
            let judge = Judge::new(track.config, setting)?;
            let mut averages = vec![];
            for &half_life in half_lives {
                assign(half_life)?;
                averages.push((half_life, judge.distance(setting, models)?));
            }
            let chosen = judge.choose(step, averages);
            track.run().write_json(FILE, &chosen)?;
            info!("{}: of its moving averages, that of half-life {}", track.name, chosen.half_life);
            chosen
        }
    };
    assign(chosen.half_life)?;
    Ok(Some(chosen))
}

/// The validation split, and how samples are made to be compared with it.
struct Judge<'a> {
    config: &'a EvaluateConfig,
    reference: Reference,
}

impl<'a> Judge<'a> {
    fn new(config: &'a Config, setting: &Setting<'_>) -> Result<Self, ProgramError> {
        let mut on = config.clone();
        on.evaluate.split = SplitConfig::Validation;
        let reference = Reference::new(&on, &setting.data, &*setting.source, setting.device)?;
        Ok(Self { config: &config.evaluate, reference })
    }

    /// Over all counts of evaluations, the geometric mean: no count outweighs another by its scale.
    fn distance(&self, setting: &Setting<'_>, models: &Models) -> Result<f64, ProgramError> {
        let (method, counts) = match &models.flow {
            Some(_) => (Method::Euler, &[1][..]),
            None => (self.config.solver.parse()?, &self.config.nfe[..]),
        };
        let metric = self.reference.leading();
        let mut logarithms = 0.0;
        for &nfe in counts {
            let grid = TimeGrid::uniform(method.steps(nfe)?)?;
            let scores = sample(setting, &*models.velocity, method, &grid, &self.reference)?.scores;
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
