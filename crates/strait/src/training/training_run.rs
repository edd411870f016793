//! One training, from its first step to its last: the run itself, its linear baseline, or a teacher. It resumes from
//! its newest whole checkpoint, and loads its models from there.

use super::context::RunContext;
use super::gaussian;
use super::iterate::Iterate;
use super::made_pairs::{self, MadePairs};
use super::models::{Averages, Loaded, Spent, TrainedModels};
use super::preview::Preview;
use crate::build::one_step::OneStep;
use crate::build::{Path as BuiltPath, Plans, Velocity};
use crate::config::{Config, CouplingConfig};
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::metrics::{self, LevelLine, MetricsLine};
use crate::run::provenance;
use crate::run::ranks::Pace;
use crate::{ProgramError, build};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strait_core::{Conditions, Dataset, Parameters, Seed, Split};
use strait_optim::checkpoint::{self, Checkpoint};
use strait_optim::{LevelName, Pairing, System, Trainer};
use strait_transport::StoredTrajectories;
use tch::{Kind, Tensor};
use tracing::{info, warn};

/// Chooses the velocity of a finished training among its moving averages. Training needs it for a teacher, which is
/// sampled with the same average as in its evaluation. It is a parameter, because this stage may not import
/// `evaluation`.
pub type ChooseAverage = fn(&TrainingRun<'_>, &RunContext, Loaded) -> Result<TrainedModels, ProgramError>;

/// A training and where its files lie.
pub struct TrainingRun<'a> {
    /// Its name: `learned`, `linear`, ...
    pub name: String,
    /// The config that it is trained with.
    pub config: &'a Config,
    /// Where `metrics.jsonl` and `checkpoints/` lie.
    pub folder: RunFolder,
    /// The finished training whose path and pairs it is trained on, in place of its own.
    pub on: Option<&'a TrainingRun<'a>>,
}

impl<'a> TrainingRun<'a> {
    /// Of `config`, below `folder`.
    pub fn new(config: &'a Config, folder: &Path) -> Self {
        Self { name: config.method().into(), config, folder: RunFolder::of(folder), on: None }
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.checkpoints()
    }

    fn is_trained(&self) -> bool {
        self.config.velocity.kind().is_trained
    }

    /// Trains from the newest whole checkpoint, or from the start, to the end.
    ///
    /// # Errors
    /// `Interrupted` after `stop` was set and a checkpoint written; `Run` where another process trains in this folder; those of
    /// training and of files.
    pub fn train(
        &self,
        context: &RunContext,
        command: &CommandContext<'_>,
        choose: ChooseAverage,
    ) -> Result<(), ProgramError> {
        let ranks = command.ranks;
        let _held = if ranks.is_first() { Some(self.begin(context)?) } else { None };
        if !self.is_trained() {
            return Ok(()); // fitted in closed form, whenever it is asked for
        }
        let made = self.on.unwrap_or(self).pairs(context, command, choose)?;
        let pairs = made.as_ref().map(|made| made.dataset(&*context.source)).transpose()?;
        let drawn = context.pairing();
        let stored = made.as_ref().zip(pairs.as_ref());
        let pairing = stored.map_or(drawn, |(made, pairs)| made.pairing(&**pairs, &drawn));
        let mut trainer = self.trainer(pairing, context)?.among(ranks.synchronize(), self.config.ranks.pairs)?;
        trainer.pair_ahead(context.pairing_threads);
        trainer.check_ranks()?;
        let wall = if ranks.is_first() { self.restore(&mut trainer)? } else { 0.0 };
        trainer.follow_first()?;
        if ranks.is_first() {
            metrics::trim(&self.folder, trainer.position().step)?;
        }
        let (step, stopped) = command.answered_by(|| self.iterations(&mut trainer, wall, context, command))?;
        if stopped || command.stop.is_asked() {
            return Err(command.interrupted(step));
        }
        Ok(())
    }

    /// Locks the folder, and writes or checks its provenance.
    fn begin(&self, context: &RunContext) -> Result<File, ProgramError> {
        let held = self.folder.hold()?;
        let digest = context.digest.as_deref();
        if checkpoint::list(&self.checkpoints())?.is_empty() {
            provenance::write(&self.folder, self.config, digest)?;
        } else {
            provenance::check(&self.folder, self.config, digest)?;
        }
        Ok(held)
    }

    /// The iterations that are left, or those up to a signal; the last of them is in a checkpoint. Returns its step, and whether a
    /// signal ended them. Of several ranks the first writes.
    fn iterations(
        &self,
        trainer: &mut Trainer<'_>,
        mut wall: f64,
        context: &RunContext,
        command: &CommandContext<'_>,
    ) -> Result<(u64, bool), ProgramError> {
        let ranks = command.ranks;
        let (mut pace, mut stopping) = (Pace::from(trainer.position().step), false);
        let bar = command.bar(&self.name, trainer.total(), trainer.position().step);
        let (every, checkpoint_every) = (self.config.log.every, self.config.log.checkpoint);
        let data = &*context.data.points;
        let (mut iterate, dir) = (Iterate::default(), self.checkpoints());
        let mut preview = Preview::new(context, self.config, &self.folder)?;
        let (mut since, mut waited, mut spent) = (Instant::now(), data.waited(), ranks.spent());
        while let Some(phase) = trainer.phase().map(|phase| phase.name.clone()) {
            if trainer.position().iteration == 0 {
                info!("{}: phase `{phase}`", self.name);
            }
            iterate.next(trainer, wall + since.elapsed().as_secs_f64(), (&dir, self.config.log.keep), command)?;
            bar.inc(1);
            let step = trainer.position().step;
            let finished = trainer.phase().is_none();
            stopping = pace.stops(step, command.stop.is_asked(), ranks)?;
            let saves = step.is_multiple_of(checkpoint_every) || finished || stopping;
            if step.is_multiple_of(every) || saves {
                let seconds = since.elapsed().as_secs_f64();
                let of = |now: Duration, before: Duration| (now - before).as_secs_f64() / seconds.max(1e-9);
                let (wait, reduce) = (of(data.waited(), waited), of(ranks.spent(), spent));
                wall += seconds;
                (since, waited, spent) = (Instant::now(), data.waited(), ranks.spent());
                let line = MetricsLine {
                    step,
                    phase,
                    wall_seconds: wall,
                    wait,
                    reduce,
                    levels: trainer.log()?.into_iter().map(LevelLine::from).collect(),
                };
                bar.set_message(line.message());
                for level in line.levels.iter().filter(|level| level.skipped > 0) {
                    let (skipped, name) = (level.skipped, level.level.name());
                    warn!(
                        "step {step}: {skipped} of the last steps of level {name} were skipped: their loss or gradient was \
                         not finite"
                    );
                }
                if ranks.is_first() {
                    metrics::append(&self.folder, &line)?;
                }
            }
            if saves {
                trainer.check_ranks()?;
            }
            if saves && ranks.is_first() {
                checkpoint::save(trainer, &dir, wall, self.config.log.keep)?;
                if let Some(preview) = &mut preview {
                    let interrupted = command.interrupted(step);
                    command.left_by(|| interrupted, || preview.draw(&*trainer.system.velocity, step))?;
                }
            }
            if stopping {
                bar.abandon();
                break;
            }
        }
        bar.finish();
        Ok((trainer.position().step, stopping))
    }

    /// Pairs that are made before the training; they are made now if they do not exist yet. None where pairs are drawn.
    fn pairs(
        &self,
        context: &RunContext,
        command: &CommandContext<'_>,
        choose: ChooseAverage,
    ) -> Result<Option<MadePairs>, ProgramError> {
        made_pairs::check_shared(self.config, &self.folder, command.ranks)?;
        if let Some(config) = self.config.teacher() {
            let teacher = self.teacher(&config);
            teacher.train(context, command, choose)?;
            let load = || choose(&teacher, context, teacher.load(context)?);
            let models = command.ranks.after_first(load)?;
            made_pairs::make(self.config, &self.folder, Some(&models), context, command)?;
        } else {
            made_pairs::make(self.config, &self.folder, None, context, command)?;
        }
        made_pairs::kept(self.config, &self.folder, context)
    }

    fn teacher<'c>(&self, config: &'c Config) -> TrainingRun<'c> {
        let teacher = TrainingRun::new(config, &made_pairs::teacher_folder(&self.folder));
        TrainingRun { name: "teacher".into(), ..teacher }
    }

    /// Refuses a config whose training, or that of a teacher before it, could not begin or would stop at a later phase.
    ///
    /// # Errors
    /// Those of its phases, models and batches.
    pub fn check(&self, context: &RunContext) -> Result<(), ProgramError> {
        if !self.is_trained() {
            return Ok(());
        }
        // What a teacher will make is not there yet, but it is known of which kind it is.
        let shape = [&[1, 2], context.data.points.event_shape()].concat();
        let points = Tensor::f_zeros(shape, (Kind::Float, context.device)).map_err(strait_core::Error::from)?;
        let trajectory = StoredTrajectories::new(&points, &[0.0, 1.0])?;
        let drawn = context.pairing();
        let stored = Pairing::Trajectories { stored: &trajectory, beside: Some(&drawn) };
        let on_stored = matches!(self.config.coupling, CouplingConfig::Trajectories { .. });
        let trainer = self.trainer(if on_stored { stored } else { drawn }, context)?;
        match self.config.teacher() {
            Some(teacher) => self.teacher(&teacher).check(context),
            None => Ok(trainer.rehearse()?),
        }
    }

    fn trainer<'p>(&self, pairing: Pairing<'p>, context: &RunContext) -> Result<Trainer<'p>, ProgramError> {
        let (data, device) = (&*context.data.points, context.device);
        let seed = Seed(self.config.seed);
        let start = |name: &str| seed.stream("start").stream(name).at(0).seed();
        let BuiltPath { path, parameters: path_parameters, map } =
            build::interpolant(&self.config.interpolant, context.samples(), start("interpolant"), device)?;
        let Velocity { field: velocity, parameters, flow } =
            build::velocity(&self.config.velocity, context.samples(), start("velocity"), device)?;
        let (map, map_parameters) = map.unzip();
        for flow in flow.iter().chain(&map) {
            let (points, conditions) = self.initialising(flow, data, seed)?;
            flow.initialise(&points.to_device(device), &conditions)?;
        }
        if let Some(of) = self.on {
            let levels =
                [(LevelName::Transport, map_parameters.as_ref()), (LevelName::Interpolant, Some(&path_parameters))];
            assign(&of.trained()?, &levels)?;
        }
        if let Some(found) = self.start()? {
            assign(&found, &[(LevelName::Velocity, Some(&parameters))])?;
        }
        let plans = Plans { config: self.config, data: &context.data, flow: flow.as_ref(), map: map.as_ref() };
        let phases = plans.phases()?;
        let levels = build::levels(self.config, map_parameters, path_parameters, parameters)?;
        Ok(Trainer::new(System { interpolant: path, velocity, levels }, phases, pairing, seed)?)
    }

    /// Where a flow map by regression on trajectories starts: the velocity whose trajectories they are, once it is trained. It is
    /// the map on its diagonal already.
    fn start(&self) -> Result<Option<Checkpoint>, ProgramError> {
        match (&self.config.coupling, self.config.teacher()) {
            (CouplingConfig::Trajectories { .. }, Some(teacher)) => self.teacher(&teacher).newest(),
            _ => Ok(None),
        }
    }

    /// Points for the initialisation of data-dependent parameters, with the most noise of any level: 2,048 of the training points,
    /// or some with the mean and covariance of all; with their conditions.
    fn initialising(
        &self,
        flow: &OneStep,
        data: &dyn Dataset,
        seed: Seed,
    ) -> Result<(Tensor, Conditions), ProgramError> {
        let noises = self.config.phase.iter().flat_map(|phase| &phase.level).map(|level| level.noise);
        let noise = noises.fold(0.0, f64::max);
        if flow.is_started_by_moments() {
            let points = gaussian::with_moments_of_all(data, seed.stream("gaussian fit"), noise);
            return Ok((points?, Conditions::default()));
        }
        let mut draws = seed.stream("initialisation").at(0);
        let (points, conditions) = data.conditional_points(Split::Train, 2048, &mut draws)?;
        if noise == 0.0 {
            return Ok((points, conditions));
        }
        let mut draws = seed.stream("initialisation noise").at(0);
        Ok((&points + draws.normal(&points.size(), points.kind(), points.device())? * noise, conditions))
    }

    /// The newest whole checkpoint.
    fn trained(&self) -> Result<Checkpoint, ProgramError> {
        let none =
            || ProgramError::Run { path: self.folder.path().to_owned(), problem: "it has no checkpoint yet".into() };
        self.newest()?.ok_or_else(none)
    }

    /// Resumes from the newest checkpoint with other settings, and records this in the provenance. Does nothing if the
    /// training has not begun.
    ///
    /// # Errors
    /// `Argument` for iterations of a phase that is done, or has taken more; those of `provenance::change`.
    pub fn change(&self, to: &Config, settings: &[String], digest: Option<&str>) -> Result<(), ProgramError> {
        let Some(found) = self.newest()? else { return Ok(()) };
        let _held = self.folder.hold()?;
        let position = found.state.position;
        let last = self.config.phase.len().saturating_sub(1);
        for (i, (now, then)) in to.phase.iter().zip(&self.config.phase).enumerate() {
            let taken = match i {
                _ if i == position.phase => position.iteration,
                _ if i == last && position.phase > last => then.iterations,
                _ if i < position.phase && now.iterations != then.iterations => u64::MAX,
                _ => 0,
            };
            if now.iterations < taken {
                let problem = format!(
                    "that phase is done, or has taken more iterations ({}); later ones can change",
                    then.iterations
                );
                return Err(ProgramError::Argument {
                    argument: format!("phase.{i}.iterations = {}", now.iterations),
                    problem,
                });
            }
        }
        provenance::change(&self.folder, (self.config, to), digest, (position.step, settings))
    }

    /// Loads a checkpoint and works on it, while a training may replace its checkpoints. If the work fails and the
    /// newest checkpoint has changed meanwhile, the work is done again from the new one.
    ///
    /// # Errors
    /// Those of the work.
    pub fn on_newest<T>(&self, work: impl Fn() -> Result<T, ProgramError>) -> Result<T, ProgramError> {
        let newest = || checkpoint::list(&self.checkpoints()).ok().and_then(|found| found.into_iter().next());
        loop {
            let before = newest();
            match work() {
                Err(_) if newest() != before => {}
                done => return done,
            }
        }
    }

    /// The newest whole checkpoint; None before the first. Where all are damaged, the newest one's error.
    fn newest(&self) -> Result<Option<Checkpoint>, ProgramError> {
        let (newest, mut refused) = checkpoint::newest(&self.checkpoints())?;
        if newest.is_none() && !refused.is_empty() {
            return Err(ProgramError::NoneWhole(refused.remove(0).error));
        }
        for refused in refused {
            warn!("{}; the one before it is used", refused.error);
        }
        Ok(newest)
    }

    /// Whether it took all its iterations.
    ///
    /// # Errors
    /// Those of reading checkpoints.
    pub fn is_finished(&self) -> Result<bool, ProgramError> {
        let newest = if self.is_trained() { self.newest()? } else { None };
        Ok(newest.map_or(0, |found| found.state.position.step) >= self.config.iterations())
    }

    /// Restores the trainer from the newest whole checkpoint; returns the seconds spent up to there.
    fn restore(&self, trainer: &mut Trainer<'_>) -> Result<f64, ProgramError> {
        let Some(found) = self.newest()? else { return Ok(0.0) };
        found.restore(trainer)?;
        info!("{}: going on from {}", self.name, found.path.display());
        if found.state.threads != tch::get_num_threads() {
            warn!(
                "the checkpoint was computed with {} threads and this command has {}: results will differ by rounding",
                found.state.threads,
                tch::get_num_threads()
            );
        }
        Ok(found.state.wall_seconds)
    }

    /// The models of the newest whole checkpoint, their velocity as its last step left it. Nothing is written.
    ///
    /// # Errors
    /// `Run` where there is no checkpoint, or one of other settings or data; those of reading it.
    pub fn load(&self, context: &RunContext) -> Result<Loaded, ProgramError> {
        provenance::check(&self.folder, self.config, context.digest.as_deref())?;
        if !self.is_trained() {
            return Ok(Loaded { models: gaussian::fit(context)?, averages: None });
        }
        let device = context.device;
        let checkpoint = self.trained()?;
        let BuiltPath { path, parameters: path_parameters, map } =
            build::interpolant(&self.config.interpolant, context.samples(), Seed(0), device)?;
        let Velocity { field: velocity, parameters, flow } =
            build::velocity(&self.config.velocity, context.samples(), Seed(0), device)?;
        let (map, map_parameters) = map.unzip();
        let levels = [
            (LevelName::Transport, map_parameters.as_ref()),
            (LevelName::Interpolant, Some(&path_parameters)),
            (LevelName::Velocity, Some(&parameters)),
        ];
        let (count, state) = (assign(&checkpoint, &levels)?, checkpoint.state.clone());
        let spent = self.spent_up_to(&checkpoint)?;
        let half_lives = self.config.velocity.half_lives().to_vec();
        Ok(Loaded {
            models: TrainedModels {
                path,
                map,
                velocity,
                flow,
                state,
                parameters: count,
                average: None,
                solvers: None,
                spent,
            },
            averages: Some(Averages { half_lives, checkpoint, velocity: parameters }),
        })
    }

    /// What was spent up to the newest whole checkpoint, teachers included.
    fn spent(&self) -> Result<Spent, ProgramError> {
        self.newest()?.map_or_else(|| self.spent_before(), |found| self.spent_up_to(&found))
    }

    fn spent_up_to(&self, checkpoint: &Checkpoint) -> Result<Spent, ProgramError> {
        let before = self.spent_before()?;
        Ok(Spent {
            gradient_steps: before.gradient_steps + checkpoint.state.position.batches,
            wall_seconds: before.wall_seconds + checkpoint.state.wall_seconds,
        })
    }

    /// The cost before its own first step: of the training whose path it uses, or of its teacher and of the pairs that
    /// were made.
    fn spent_before(&self) -> Result<Spent, ProgramError> {
        if let Some(of) = self.on {
            return of.spent();
        }
        let teacher = self.config.teacher();
        let before = teacher.map_or_else(|| Ok(Spent::default()), |config| self.teacher(&config).spent())?;
        Ok(Spent { wall_seconds: before.wall_seconds + made_pairs::seconds(&self.folder)?, ..before })
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
