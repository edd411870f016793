//! One training from its first step to its last, through whatever interrupts it: the run itself, or the linear
//! baseline beside it.

use super::{gaussian, reflow};
use crate::build::one_step::OneStep;
use crate::build::{Path as BuiltPath, Plans, Velocity};
use crate::comparison::methods;
use crate::config::{self, Config};
use crate::evaluation::averages;
use crate::run::command::Session;
use crate::run::folder::RunFolder;
use crate::run::provenance;
use crate::run::summary::AverageSummary;
use crate::training::context::Setting;
use crate::{ProgramError, build};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;
use strait_core::{Dataset, Interpolant, Parameters, Seed, Split, VelocityField};
use strait_optim::checkpoint::{self, Checkpoint};
use strait_optim::{LevelLog, LevelName, Pairing, System, Trainer};
use tch::Tensor;
use tracing::{info, warn};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MetricsLine {
    /// Turns taken.
    pub step: u64,
    /// The phase's name.
    pub phase: String,
    /// Training seconds.
    pub wall_seconds: f64,
    /// What each level did since the line before.
    pub levels: Vec<LevelLine>,
}

/// One level in a line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LevelLine {
    /// Which.
    pub level: LevelName,
    /// Its objective.
    pub objective: String,
    /// The mean of each term of its loss.
    pub terms: BTreeMap<String, f64>,
    /// The mean gradient norm before clipping.
    pub gradient_norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// Seconds spent on it.
    pub seconds: f64,
}

impl From<LevelLog> for LevelLine {
    fn from(log: LevelLog) -> Self {
        Self {
            level: log.level,
            objective: log.objective.into(),
            terms: log.terms.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            gradient_norm: log.gradient_norm,
            rate: log.rate,
            seconds: log.elapsed.as_secs_f64(),
        }
    }
}

/// What a training took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Gradient steps of all levels.
    pub gradient_steps: u64,
    /// Seconds.
    pub wall_seconds: f64,
}

/// A training and where its files lie.
pub struct Track<'a> {
    /// Its name: `learned`, `linear`, ...
    pub name: String,
    /// Its settings.
    pub config: &'a Config,
    /// Where `metrics.jsonl` and `checkpoints/` lie.
    pub folder: PathBuf,
    /// The finished training whose path and pairs it is trained on, in place of its own.
    pub on: Option<&'a Track<'a>>,
}

impl<'a> Track<'a> {
    /// Of `config`, below `folder`.
    pub fn new(config: &'a Config, folder: &Path) -> Self {
        Self { name: methods::name(config).into(), config, folder: folder.to_owned(), on: None }
    }

    /// The folder that it is a run in.
    pub fn run(&self) -> RunFolder {
        RunFolder::of(&self.folder)
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    fn metrics(&self) -> PathBuf {
        self.folder.join("metrics.jsonl")
    }

    /// Trains from the newest whole checkpoint, or from the start, to the end.
    ///
    /// # Errors
    /// `Interrupted` after `stop` was set and a checkpoint written; `Run` where another process trains in this folder; those of
    /// training and of files.
    pub fn train(&self, setting: &Setting<'_>, session: &Session<'_>) -> Result<(), ProgramError> {
        let _held = self.run().hold()?;
        let (run, digest) = (self.run(), setting.digest.as_deref());
        if checkpoint::list(&self.checkpoints())?.is_empty() {
            provenance::begin(&run, self.config, digest)?;
        } else {
            provenance::check(&run, self.config, digest)?;
        }
        if self.config.velocity.gaussian {
            return Ok(()); // fitted in closed form, whenever it is asked for
        }
        let of = self.on.unwrap_or(self);
        let stored = reflow::pairs(of.config, &of.folder, setting, session)?;
        let pairing = stored.as_ref().map_or_else(|| setting.pairing(), |pairs| Pairing::Stored(pairs));
        let mut trainer = self.trainer(pairing, setting)?;
        let mut wall = self.restore(&mut trainer)?;
        self.trim_metrics(trainer.position().step)?;
        let bar = session.bar(&self.name, trainer.total(), trainer.position().step);
        let (every, checkpoint_every) = (self.config.log.every, self.config.log.checkpoint);
        let mut since = Instant::now();
        while let Some(phase) = trainer.phase().map(|phase| phase.name.clone()) {
            if trainer.position().turn == 0 {
                info!("{}: phase `{phase}`", self.name);
            }
            trainer.turn()?;
            bar.inc(1);
            let step = trainer.position().step;
            let (finished, stopping) = (trainer.phase().is_none(), session.stop.load(Ordering::Relaxed));
            let saves = step.is_multiple_of(checkpoint_every) || finished || stopping;
            if step.is_multiple_of(every) || saves {
                wall += since.elapsed().as_secs_f64();
                since = Instant::now();
                let line = MetricsLine {
                    step,
                    phase,
                    wall_seconds: wall,
                    levels: trainer.log()?.into_iter().map(LevelLine::from).collect(),
                };
                bar.set_message(message(&line));
                self.append(&line)?;
            }
            if saves {
                checkpoint::save(&trainer, &self.checkpoints(), wall, self.config.log.keep)?;
            }
            if stopping && !finished {
                bar.abandon();
                return Err(ProgramError::Interrupted { step, again: session.again.clone() });
            }
        }
        bar.finish();
        Ok(())
    }

    /// Refuses a config whose training, or that of a teacher before it, could not begin or would stop at a later phase.
    ///
    /// # Errors
    /// Those of its phases, models and batches.
    pub fn check(&self, setting: &Setting<'_>) -> Result<(), ProgramError> {
        if self.config.velocity.gaussian {
            return Ok(());
        }
        let trainer = self.trainer(setting.pairing(), setting)?;
        match reflow::teacher(self.config) {
            Some(teacher) => Track::new(&teacher, &self.folder).check(setting),
            None => Ok(trainer.rehearse()?),
        }
    }

    fn trainer<'p>(&self, pairing: Pairing<'p>, setting: &Setting<'_>) -> Result<Trainer<'p>, ProgramError> {
        let (data, device) = (&*setting.data.points, setting.device);
        let event = data.event_shape();
        let d = event.iter().product();
        let seed = Seed(self.config.seed);
        let start = |name: &str| seed.stream("start").stream(name).at(0).seed();
        let BuiltPath { path, parameters: path_parameters, map } =
            build::interpolant(&self.config.interpolant, event, start("interpolant"), device)?;
        let Velocity { field: velocity, parameters, flow } =
            build::velocity(&self.config.velocity, d, start("velocity"), device)?;
        let (map, map_parameters) = map.unzip();
        for flow in flow.iter().chain(&map) {
            flow.initialise(&self.initialising(data, seed)?)?;
        }
        if let Some(of) = self.on {
            let levels =
                [(LevelName::Transport, map_parameters.as_ref()), (LevelName::Interpolant, Some(&path_parameters))];
            assign(&of.trained()?, &levels)?;
        }
        let plans = Plans { config: self.config, data: &setting.data, flow: flow.as_ref(), map: map.as_ref() };
        let phases = plans.phases()?;
        let levels = build::levels(self.config, map_parameters, path_parameters, parameters)?;
        Ok(Trainer::new(System { interpolant: path, velocity, levels }, phases, pairing, seed)?)
    }

    /// Points that data-dependent parameters are set from, with the most noise that any level sees them with.
    fn initialising(&self, data: &dyn Dataset, seed: Seed) -> Result<Tensor, ProgramError> {
        let points = data.points(Split::Train, 2048, &mut seed.stream("initialisation").at(0))?;
        let noise =
            self.config.phase.iter().flat_map(|phase| &phase.level).map(|level| level.noise).fold(0.0, f64::max);
        if noise == 0.0 {
            return Ok(points);
        }
        let draws = &mut seed.stream("initialisation noise").at(0);
        Ok(&points + draws.normal(&points.size(), points.kind(), points.device())? * noise)
    }

    /// The newest whole checkpoint.
    fn trained(&self) -> Result<Checkpoint, ProgramError> {
        let none = || ProgramError::Run { path: self.folder.clone(), problem: "it has no checkpoint yet".into() };
        self.newest()?.ok_or_else(none)
    }

    /// The newest whole checkpoint; None before the first. Where all are damaged, the newest one's error.
    fn newest(&self) -> Result<Option<Checkpoint>, ProgramError> {
        let (newest, mut refused) = checkpoint::newest(&self.checkpoints())?;
        if newest.is_none() && !refused.is_empty() {
            return Err(refused.remove(0).error.into());
        }
        for refused in refused {
            warn!("{}; the one before it is used", refused.error);
        }
        Ok(newest)
    }

    /// Whether it took all its turns.
    ///
    /// # Errors
    /// Those of reading checkpoints.
    pub fn is_finished(&self) -> Result<bool, ProgramError> {
        let newest = if self.config.velocity.gaussian { None } else { self.newest()? };
        Ok(newest.map_or(0, |found| found.state.position.step) >= self.config.turns())
    }

    /// Puts the trainer where the newest whole checkpoint was taken; returns the seconds spent up to there.
    fn restore(&self, trainer: &mut Trainer<'_>) -> Result<f64, ProgramError> {
        let Some(found) = self.newest()? else { return Ok(0.0) };
        found.restore(trainer)?;
        info!("{}: going on from {}", self.name, found.path.display());
        if found.state.threads != tch::get_num_threads() {
            warn!(
                "the checkpoint was computed with {} threads and this session has {}: results will differ by rounding",
                found.state.threads,
                tch::get_num_threads()
            );
        }
        Ok(found.state.wall_seconds)
    }

    /// The lines of `metrics.jsonl`; a line that was cut short by a kill is passed over.
    ///
    /// # Errors
    /// `Io` where the file cannot be read.
    pub fn read_metrics(&self) -> Result<Vec<MetricsLine>, ProgramError> {
        let path = self.metrics();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(ProgramError::io(&path)(error)),
        }
    }

    /// Drops what was logged past the checkpoint that training goes on from.
    fn trim_metrics(&self, step: u64) -> Result<(), ProgramError> {
        let mut text = String::new();
        for line in self.read_metrics()?.into_iter().filter(|line| line.step <= step) {
            text.push_str(&json_line(&self.metrics(), &line)?);
        }
        fs::create_dir_all(&self.folder).map_err(ProgramError::io(&self.folder))?;
        crate::run::folder::write_whole(&self.metrics(), text.as_bytes())
    }

    fn append(&self, line: &MetricsLine) -> Result<(), ProgramError> {
        let path = self.metrics();
        let text = json_line(&path, line)?;
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(ProgramError::io(&path))?;
        file.write_all(text.as_bytes()).map_err(ProgramError::io(&path))
    }

    /// The trained models of the newest whole checkpoint, with a moving average of the velocity where any is kept.
    ///
    /// # Errors
    /// `Run` where there is no checkpoint; those of reading it.
    pub fn models(&self, setting: &Setting<'_>) -> Result<Models, ProgramError> {
        provenance::check(&self.run(), self.config, setting.digest.as_deref())?;
        if self.config.velocity.gaussian {
            return gaussian::fit(setting);
        }
        let (event, device) = (setting.data.points.event_shape(), setting.device);
        let found = self.trained()?;
        let d = event.iter().product();
        let BuiltPath { path, parameters: path_parameters, map } =
            build::interpolant(&self.config.interpolant, event, Seed(0), device)?;
        let Velocity { field: velocity, parameters, flow } =
            build::velocity(&self.config.velocity, d, Seed(0), device)?;
        let (map, map_parameters) = map.unzip();
        let levels = [
            (LevelName::Transport, map_parameters.as_ref()),
            (LevelName::Interpolant, Some(&path_parameters)),
            (LevelName::Velocity, Some(&parameters)),
        ];
        let (count, state) = (assign(&found, &levels)?, found.state.clone());
        let average = None;
        let mut models = Models { path, map, velocity, flow, state, parameters: count, average, spent: self.spent()? };
        models.average = averages::settle(self, setting, &found, &parameters, &models)?;
        Ok(models)
    }

    /// What was spent up to the newest whole checkpoint, teachers included.
    ///
    /// # Errors
    /// Those of reading checkpoints.
    pub fn spent(&self) -> Result<Spent, ProgramError> {
        let before = match self.on {
            Some(of) => of.spent()?,
            None => reflow::spent(self.config, &self.folder)?,
        };
        let own = self.newest()?.map_or_else(Spent::default, |found| Spent {
            gradient_steps: found.state.position.batches,
            wall_seconds: found.state.wall_seconds,
        });
        Ok(Spent {
            gradient_steps: before.gradient_steps + own.gradient_steps,
            wall_seconds: before.wall_seconds + own.wall_seconds,
        })
    }
}

/// Gives levels their last values of a checkpoint; returns how many numbers they are.
fn assign(from: &Checkpoint, levels: &[(LevelName, Option<&Parameters>)]) -> Result<usize, ProgramError> {
    let mut count = 0;
    for (level, parameters) in levels {
        let Some(parameters) = parameters.filter(|parameters| parameters.count() > 0) else { continue };
        parameters.assign(&from.parameters(*level)?)?;
        count += parameters.count();
    }
    Ok(count)
}

/// Trained models, to sample with.
pub struct Models {
    /// The path.
    pub path: Box<dyn Interpolant>,
    /// The map that the path goes through, where it does.
    pub map: Option<OneStep>,
    /// The field.
    pub velocity: Box<dyn VelocityField>,
    /// The flow that the field takes one step of, where it is one.
    pub flow: Option<OneStep>,
    /// Where the training stood.
    pub state: checkpoint::State,
    /// Trainable numbers.
    pub parameters: usize,
    /// Which moving average the velocity is, where there was a choice.
    pub average: Option<AverageSummary>,
    /// What they took, teachers included.
    pub spent: Spent,
}

fn json_line(path: &Path, line: &MetricsLine) -> Result<String, ProgramError> {
    let text = serde_json::to_string(line).map_err(|error| ProgramError::io(path)(error.into()))?;
    Ok(text + "\n")
}

fn message(line: &MetricsLine) -> String {
    let mut text = line.phase.clone();
    for level in &line.levels {
        for (name, value) in &level.terms {
            text.push_str(&format!("  {name} {value:.3}"));
        }
    }
    text
}

/// The config of a baseline, written where its training lies.
///
/// # Errors
/// `Io` where it cannot be written.
pub fn write_config(folder: &Path, config: &Config) -> Result<(), ProgramError> {
    fs::create_dir_all(folder).map_err(ProgramError::io(folder))?;
    crate::run::folder::write_whole(&folder.join("config.toml"), config::write(config)?.as_bytes())
}
