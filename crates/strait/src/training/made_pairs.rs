//! What is made before a training and kept with its run: rectified pairs or trajectories of a teacher's flow, a pool of
//! exactly assigned pairs, and a semidiscrete coupling of the source with all training points.

use super::context::RunContext;
use super::models::TrainedModels;
use crate::ProgramError;
use crate::config::{Config, CouplingConfig};
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::provenance;
use crate::run::ranks::Ranks;
use crate::run::stop::Stop;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;
use strait_core::{Conditions, Coupling, Error, PairedDataset, Pairs, Source, Split, VelocityField};
use strait_io::sha256;
use strait_ode::{Method, Options, TimeGrid};
use strait_optim::{Pairing, checkpoint};
use strait_transport::{
    Ascent, ExactOt, Generated, PairStore, Semidiscrete, SemidiscretePairs, StoredPairs, StoredTrajectories,
    TrajectoryStore,
};
use tch::{Kind, Tensor};
use tracing::info;

/// Pairs in a file of a rectified flow.
const SHARD: i64 = 4096;
/// Source points that a semidiscrete coupling is solved with, at most, for each training point.
const MOST: i64 = 4096;
/// Source points that are carried at once: what a network of images makes of them then fits into a cache, and takes a second or less.
const CARRIED: i64 = 256;
/// Seconds that the pairs took, over all commands.
const RECORD: &str = "pairs.json";
/// A semidiscrete coupling.
const POTENTIALS: &str = "potentials.safetensors";

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Record {
    wall_seconds: f64,
}

/// What was made before a training.
pub enum MadePairs {
    /// Pairs.
    Stored(StoredPairs),
    /// Trajectories.
    Trajectories(StoredTrajectories),
    /// A coupling of the source with all training points.
    Semidiscrete(Box<Semidiscrete>),
}

impl MadePairs {
    /// The pairs; of trajectories their first points with their last.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn dataset<'a>(&'a self, source: &'a dyn Source) -> Result<Box<dyn PairedDataset + 'a>, ProgramError> {
        Ok(match self {
            Self::Stored(pairs) => Box::new(pairs),
            Self::Trajectories(trajectories) => Box::new(trajectories.endpoints()?),
            Self::Semidiscrete(transport) => Box::new(SemidiscretePairs { transport, source }),
        })
    }

    /// As training draws from them, with the pairs of [`dataset`](Self::dataset), and `drawn` for what is trained beside
    /// trajectories: the pairs whose flow these follow.
    pub fn pairing<'a>(&'a self, pairs: &'a dyn PairedDataset, drawn: &'a Pairing<'a>) -> Pairing<'a> {
        match self {
            Self::Trajectories(stored) => Pairing::Trajectories { stored, beside: Some(drawn) },
            Self::Stored(_) | Self::Semidiscrete(_) => Pairing::Stored(pairs),
        }
    }
}

/// Where the teacher of a run lies.
pub(crate) fn teacher_folder(folder: &RunFolder) -> PathBuf {
    folder.path().join("teacher")
}

/// Seconds that the pairs of a run took.
///
/// # Errors
/// Those of the record's file.
pub(super) fn seconds(folder: &RunFolder) -> Result<f64, ProgramError> {
    Ok(folder.read_json::<Record>(RECORD)?.unwrap_or_default().wall_seconds)
}

fn spend(folder: &RunFolder, start: Instant) -> Result<(), ProgramError> {
    let record = Record { wall_seconds: seconds(folder)? + start.elapsed().as_secs_f64() };
    folder.write_json(RECORD, &record)?;
    Ok(())
}

/// What a run was trained on. None where its pairs are drawn.
///
/// # Errors
/// `Pairs` where they are not all there.
pub fn kept(config: &Config, folder: &RunFolder, context: &RunContext) -> Result<Option<MadePairs>, ProgramError> {
    if let Some(store) = store(config, folder) {
        return Ok(Some(MadePairs::Stored(store.open(Kind::Float, context.device)?)));
    }
    if let Some((store, _, _)) = trajectories(config, folder)? {
        return Ok(Some(MadePairs::Trajectories(store.open(Kind::Float, context.device)?)));
    }
    let CouplingConfig::Semidiscrete { .. } = config.coupling else { return Ok(None) };
    let path = folder.path().join(POTENTIALS);
    let found = Semidiscrete::load(&path, context.device)?;
    let missing = || ProgramError::Run { path, problem: "it is not there; train the run again, which makes it".into() };
    Ok(Some(MadePairs::Semidiscrete(Box::new(found.ok_or_else(missing)?))))
}

fn store(config: &Config, folder: &RunFolder) -> Option<PairStore> {
    let (pairs, shard) = match config.coupling {
        CouplingConfig::Reflow { pairs, .. } => (pairs, SHARD),
        _ => config.pool()?,
    };
    Some(PairStore::new(folder.path().join("pairs"), pairs, shard))
}

/// Where trajectories are kept, and what makes them. They are of the teacher's seed and parameters as its newest checkpoint has them.
fn trajectories(
    config: &Config,
    folder: &RunFolder,
) -> Result<Option<(TrajectoryStore, Method, TimeGrid)>, ProgramError> {
    let CouplingConfig::Trajectories { trajectories, solver, nfe, .. } = &config.coupling else { return Ok(None) };
    let method: Method = solver.parse()?;
    let grid = TimeGrid::uniform(method.steps(*nfe)?)?;
    let newest = checkpoint::list(&RunFolder::of(&teacher_folder(folder)).checkpoints())?.into_iter().next();
    let of = match newest {
        Some(newest) => sha256(&newest.join("velocity.safetensors"))?,
        None => String::new(),
    };
    let store = TrajectoryStore::new(folder.path().join("trajectories"), *trajectories, SHARD, grid.times(), &of);
    Ok(Some((store, method, grid)))
}

/// Refuses ranks that do not see the run folder of rank 0, where they are to read what is made before a training: before it is made,
/// which may take hours.
///
/// # Errors
/// The group's, which names the ranks.
pub(super) fn check_shared(config: &Config, folder: &RunFolder, ranks: &Ranks) -> Result<(), ProgramError> {
    let made = config.teacher().is_some()
        || config.pool().is_some()
        || matches!(config.coupling, CouplingConfig::Semidiscrete { .. });
    if !made {
        return Ok(());
    }
    ranks.meet()?; // rank 0 has begun it
    let what = "run folder (what is made before a training must lie on a file system that all ranks share)";
    ranks.check_same(what, &provenance::text(folder))
}

/// Makes what is not there yet: a rectified flow's pairs by its teacher's models. Nothing where pairs are drawn.
///
/// # Errors
/// Those of the solver, the coupling and files; `Interrupted` after `stop` was set.
pub(super) fn make(
    config: &Config,
    folder: &RunFolder,
    teacher: Option<&TrainedModels>,
    context: &RunContext,
    command: &CommandContext<'_>,
) -> Result<(), ProgramError> {
    let teacher = teacher.map(|teacher| Watched { field: &*teacher.velocity, stop: command.stop });
    match (&config.coupling, &teacher) {
        (CouplingConfig::Reflow { rounds, solver, nfe, .. }, Some(teacher)) => {
            let method: Method = solver.parse()?;
            let grid = TimeGrid::uniform(method.steps(*nfe)?)?;
            let stream = context.seed.stream("pairs of a round").stream(&rounds.to_string());
            let options = Options { chunk: Some(CARRIED), ..Options::default() };
            let carried = |shard, n| {
                let x0 = context.source.sample(n, &mut stream.at(shard), Kind::Float, context.device)?;
                let conditions = context.conditions(n, &mut stream.stream("conditions").at(shard))?;
                let x1 = method.solve_given(teacher, &conditions, &x0, &grid, options)?.x;
                Ok(Generated { x0, x1, labels: conditions.only()?.map(Tensor::shallow_clone) })
            };
            fill(config, folder, carried, command)
        }
        (CouplingConfig::Trajectories { .. }, Some(teacher)) => {
            let Some((store, method, grid)) = trajectories(config, folder)? else { return Ok(()) };
            let stream = context.seed.stream("trajectories");
            let options = Options { trajectory: true, chunk: Some(CARRIED), ..Options::default() };
            let carried = |shard, n| {
                let x0 = context.source.sample(n, &mut stream.at(shard), Kind::Float, context.device)?;
                let solution = method.solve(teacher, &x0, &grid, options)?;
                let missing = || {
                    let problem = format!("{method} keeps no trajectory; take a solver with a fixed step");
                    ProgramError::Argument { argument: "coupling.solver".into(), problem }
                };
                Ok(solution.trajectory.ok_or_else(missing)?.f_transpose(0, 1).map_err(Error::from)?)
            };
            make_shards(store.shards(), (folder, command), carried, |part, shard| store.fill_part(part, shard))?;
            info!("trajectories in {}", folder.path().join("trajectories").display());
            Ok(())
        }
        (CouplingConfig::Pool { .. }, _) => {
            let stream = context.seed.stream("pool");
            let assigned = |shard, n| {
                let (x1, conditions) = context.data.points.conditional_minibatch(n, shard, stream.stream("data"))?;
                let x0 = context.source.sample(n, &mut stream.stream("source").at(shard), x1.kind(), x1.device())?;
                let pairs = ExactOt.couple(x0, x1, &mut stream.stream("coupling").at(shard))?;
                let conditions = pairs.carried(conditions)?;
                let Pairs { x0, x1, .. } = pairs;
                Ok(Generated { x0, x1, labels: conditions.only()?.map(Tensor::shallow_clone) })
            };
            fill(config, folder, assigned, command)
        }
        (CouplingConfig::Semidiscrete { points, tolerance }, _) => {
            let path = folder.path().join(POTENTIALS);
            if !command.ranks.is_first() || Semidiscrete::load(&path, context.device)?.is_some() {
                return command.ranks.meet();
            }
            let (start, stream) = (Instant::now(), context.seed.stream("semidiscrete"));
            let data = context.data.points.points(Split::Train, *points, &mut stream.stream("data").at(0))?;
            let draw = |n, draws: &mut _| context.source.sample(n, draws, data.kind(), data.device());
            let ascent = Ascent { tolerance: *tolerance, most: MOST * data.size()[0] };
            let transport = Semidiscrete::solve(&data, ascent, &mut stream.at(0), draw)?;
            transport.save(&path)?;
            spend(folder, start)?;
            let (points, chi_square, draws) = (data.size()[0], transport.chi_square(), transport.draws());
            info!("{points} training points coupled by {draws} draws, chi-squared of their marginal {chi_square:.3}");
            command.ranks.meet()
        }
        _ => Ok(()),
    }
}

/// A teacher's field that answers until the program is asked to stop, so that a signal is not heard only after a whole shard.
struct Watched<'a, F> {
    field: F,
    stop: &'a Stop,
}

#[derive(Debug, thiserror::Error)]
#[error("it was asked to stop")]
struct Asked;

impl<F: VelocityField> VelocityField for Watched<'_, F> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        if self.stop.is_asked() { Err(Error::other(Asked)) } else { self.field.velocity(x, t) }
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Box::new(Watched { field: self.field.given(conditions)?, stop: self.stop }))
    }

    fn of_samples(&self, start: i64, length: i64) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Box::new(Watched { field: self.field.of_samples(start, length)?, stop: self.stop }))
    }

    fn evaluations(&self) -> usize {
        self.field.evaluations()
    }
}

/// Makes the shards of pairs that are not there yet.
fn fill(
    config: &Config,
    folder: &RunFolder,
    make: impl Fn(u64, i64) -> Result<Generated, ProgramError>,
    command: &CommandContext<'_>,
) -> Result<(), ProgramError> {
    let Some(store) = store(config, folder) else { return Ok(()) };
    make_shards(store.shards(), (folder, command), make, |part, shard| store.fill_part(part, shard))?;
    info!("{} pairs in {}", config.coupling.kind().name, folder.path().join("pairs").display());
    Ok(())
}

/// Lets `fill` ask `make` for the shards that are not there yet, until a signal, each rank for its own: the folder is one that all of
/// them see. Their seconds are counted, by rank 0 with those that it waits for the others.
fn make_shards<T>(
    shards: u64,
    (folder, command): (&RunFolder, &CommandContext<'_>),
    make: impl Fn(u64, i64) -> Result<T, ProgramError>,
    fill: impl FnOnce((usize, usize), &mut dyn FnMut(u64, i64) -> Result<T, ProgramError>) -> Result<(), ProgramError>,
) -> Result<(), ProgramError> {
    let (stop, ranks) = (command.stop, command.ranks);
    let part = (ranks.synchronize().rank(), ranks.world());
    let bar = command.bar("pairs", (part.0 as u64..shards).step_by(part.1).count() as u64, 0);
    let spend = |start| if ranks.is_first() { spend(folder, start) } else { Ok(()) };
    let interrupted = || command.interrupted(0);
    let mut shard = |shard, n| {
        if stop.is_asked() {
            return Err(interrupted());
        }
        let start = Instant::now();
        let stopped = interrupted();
        let made = command
            .left_by(|| stopped, || make(shard, n))
            .map_err(|error| if stop.is_asked() { interrupted() } else { error })?;
        spend(start)?;
        bar.inc(1);
        Ok(made)
    };
    let together = || {
        let filled = fill(part, &mut shard);
        let stopped = matches!(filled, Err(ProgramError::Interrupted { .. }));
        let start = Instant::now();
        if !stopped {
            filled?;
        }
        // A signal to one of them stops all.
        ranks.meet()?;
        spend(start)?;
        if ranks.any(stopped)? { Err(interrupted()) } else { Ok(()) }
    };
    command.answered_by(together)?;
    bar.finish_and_clear();
    Ok(())
}
