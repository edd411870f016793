//! One training from its first step to its last, through whatever interrupts it: the run itself, or the linear
//! baseline beside it.

use crate::config::{self, Config, InterpolantConfig, PhaseConfig};
use crate::{ProgramError, build};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use strait_core::{Interpolant, Seed, VelocityField};
use strait_optim::checkpoint::{self, Checkpoint};
use strait_optim::{LevelLog, LevelName, Pairing, System, Trainer};
use tch::Device;
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

/// The config of a linear path with the same network and as many gradient steps in all as `config` takes.
pub fn baseline(config: &Config) -> Option<Config> {
    if config.interpolant == InterpolantConfig::Linear {
        return None;
    }
    let steps = |phase: &PhaseConfig| phase.turns * phase.level.iter().map(|level| u64::from(level.steps)).sum::<u64>();
    let total: u64 = config.phase.iter().map(steps).sum();
    let last = config.phase.last()?;
    let mut level = last.level.iter().find(|level| level.level == LevelName::Velocity)?.clone();
    level.steps = 1;
    let phase = PhaseConfig { name: "linear".into(), turns: total, fresh: vec![], level: vec![level] };
    Some(Config { interpolant: InterpolantConfig::Linear, phase: vec![phase], ..config.clone() })
}

/// A training and where its files lie.
pub struct Track<'a> {
    /// Its name: `learned`, `linear`, ...
    pub name: String,
    /// Its settings.
    pub config: &'a Config,
    /// Where `metrics.jsonl` and `checkpoints/` lie.
    pub folder: PathBuf,
}

/// A name for a method, from its path.
pub fn method_name(config: &Config) -> &'static str {
    match config.interpolant {
        InterpolantConfig::Linear => "linear",
        InterpolantConfig::Trigonometric => "trigonometric",
        InterpolantConfig::Power { .. } => "power",
        InterpolantConfig::Affine { .. } => "learned",
    }
}

impl<'a> Track<'a> {
    /// Of `config`, below `folder`.
    pub fn new(config: &'a Config, folder: &Path) -> Self {
        Self { name: method_name(config).into(), config, folder: folder.to_owned() }
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
    /// `Interrupted` after `stop` was set and a checkpoint written; those of training and of files.
    pub fn train(
        &self,
        pairing: Pairing<'_>,
        device: Device,
        stop: &AtomicBool,
        bars: &MultiProgress,
        run: &Path,
    ) -> Result<(), ProgramError> {
        let mut trainer = self.trainer(pairing, device)?;
        let mut wall = self.restore(&mut trainer)?;
        self.trim_metrics(trainer.position().step)?;
        let bar = bar(bars, &self.name, trainer.total(), trainer.position().step);
        let (every, checkpoint_every) = (self.config.log.every, self.config.log.checkpoint);
        let mut since = Instant::now();
        while let Some(phase) = trainer.phase().map(|phase| phase.name.clone()) {
            if trainer.position().turn == 0 {
                info!("{}: phase `{phase}`", self.name);
            }
            trainer.turn()?;
            bar.inc(1);
            let step = trainer.position().step;
            let (finished, stopping) = (trainer.phase().is_none(), stop.load(Ordering::Relaxed));
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
                return Err(ProgramError::Interrupted { step, run: run.to_owned() });
            }
        }
        bar.finish();
        Ok(())
    }

    fn trainer<'p>(&self, pairing: Pairing<'p>, device: Device) -> Result<Trainer<'p>, ProgramError> {
        let d = pairing.data.event_shape().iter().product();
        let seed = Seed(self.config.seed);
        let start = |name: &str| Seed(seed.stream("start").stream(name).at(0).bits());
        let (path, path_parameters) = build::interpolant(&self.config.interpolant, d, start("interpolant"), device)?;
        let (velocity, parameters) = build::velocity(&self.config.velocity, d, start("velocity"), device)?;
        let levels = build::levels(self.config, path_parameters, parameters)?;
        let interpolant: Box<dyn Interpolant> = path;
        let system = System { interpolant, velocity: Box::new(velocity), levels };
        Ok(Trainer::new(system, build::phases(&self.config.phase), pairing, seed)?)
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
        crate::run_folder::write_whole(&self.metrics(), text.as_bytes())
    }

    fn append(&self, line: &MetricsLine) -> Result<(), ProgramError> {
        let path = self.metrics();
        let text = json_line(&path, line)?;
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(ProgramError::io(&path))?;
        file.write_all(text.as_bytes()).map_err(ProgramError::io(&path))
    }

    /// The trained models of the newest whole checkpoint, with the velocity's moving average where one is kept.
    ///
    /// # Errors
    /// `Run` where there is no checkpoint; those of reading it.
    pub fn models(&self, event: &[i64], device: Device) -> Result<Models, ProgramError> {
        let none = || ProgramError::Run { path: self.folder.clone(), problem: "it has no checkpoint yet".into() };
        let found = self.newest()?.ok_or_else(none)?;
        let d = event.iter().product();
        let (path, path_parameters) = build::interpolant(&self.config.interpolant, d, Seed(0), device)?;
        let (velocity, parameters) = build::velocity(&self.config.velocity, d, Seed(0), device)?;
        if path_parameters.count() > 0 {
            let file = found.sampling_file(LevelName::Interpolant);
            path_parameters.assign(&checkpoint::read_sampling(&file)?)?;
        }
        parameters.assign(&checkpoint::read_sampling(&found.sampling_file(LevelName::Velocity))?)?;
        let count = path_parameters.count() + parameters.count();
        Ok(Models { path, velocity: Box::new(velocity), state: found.state, parameters: count })
    }
}

/// Trained models, to sample with.
pub struct Models {
    /// The path.
    pub path: Box<dyn strait_core::InvertibleInterpolant>,
    /// The field.
    pub velocity: Box<dyn VelocityField>,
    /// Where the training stood.
    pub state: checkpoint::State,
    /// Trainable numbers.
    pub parameters: usize,
}

fn json_line(path: &Path, line: &MetricsLine) -> Result<String, ProgramError> {
    let text = serde_json::to_string(line).map_err(|error| ProgramError::io(path)(error.into()))?;
    Ok(text + "\n")
}

fn bar(bars: &MultiProgress, name: &str, total: u64, done: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix:>8} {bar:30} {human_pos}/{human_len} {per_sec:.0} eta {eta} {msg}");
    let bar = bars.add(ProgressBar::new(total).with_position(done).with_prefix(name.to_owned()));
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar
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
    crate::run_folder::write_whole(&folder.join("config.toml"), config::write(config)?.as_bytes())
}
