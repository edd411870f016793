//! Rectified flow: the rounds before a run's own training, and the pairs that each leaves to the next.

use crate::ProgramError;
use crate::config::{Config, CouplingConfig};
use crate::run::command::Session;
use crate::run::folder::RunFolder;
use crate::training::context::Setting;
use crate::training::training_run::{Spent, Track};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;
use strait_core::Seed;
use strait_ode::{Method, Options, TimeGrid};
use strait_transport::{Generated, PairStore, StoredPairs};
use tch::{Device, Kind};
use tracing::info;

/// Pairs in a file.
const SHARD: i64 = 4096;
/// Seconds that the pairs took, over all sessions.
const RECORD: &str = "pairs.json";

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Record {
    wall_seconds: f64,
}

/// The config of the teacher of a rectified flow: the same with one round fewer, and before the first round the first
/// teacher's own. None where pairs are drawn.
pub fn teacher(config: &Config) -> Option<Config> {
    let CouplingConfig::Reflow { teacher, .. } = &config.coupling else { return None };
    let mut before = config.clone();
    if let CouplingConfig::Reflow { rounds, .. } = &mut before.coupling
        && *rounds > 1
    {
        *rounds -= 1;
        return Some(before);
    }
    before.coupling = CouplingConfig::Independent;
    if let Some(teacher) = teacher {
        before.coupling.clone_from(&teacher.coupling);
        before.interpolant.clone_from(&teacher.interpolant);
        before.phase.clone_from(&teacher.phase);
    }
    Some(before)
}

/// Where the teacher of the run in `folder` lies.
fn teacher_folder(folder: &Path) -> std::path::PathBuf {
    folder.join("teacher")
}

/// What was spent before the run in `folder` took its own first step: its teacher, and the pairs.
///
/// # Errors
/// Those of reading checkpoints.
pub fn spent(config: &Config, folder: &Path) -> Result<Spent, ProgramError> {
    let Some(config) = teacher(config) else { return Ok(Spent::default()) };
    let before = Track::new(&config, &teacher_folder(folder)).spent()?;
    Ok(Spent { wall_seconds: before.wall_seconds + record(folder)?.wall_seconds, ..before })
}

fn record(folder: &Path) -> Result<Record, ProgramError> {
    Ok(RunFolder::of(folder).read_json(RECORD)?.unwrap_or_default())
}

/// The pairs that the run in `folder` was trained on. None where its pairs are drawn.
///
/// # Errors
/// `Pairs` where they are not all there.
pub fn stored(config: &Config, folder: &Path, device: Device) -> Result<Option<StoredPairs>, ProgramError> {
    let CouplingConfig::Reflow { pairs, .. } = &config.coupling else { return Ok(None) };
    Ok(Some(store(folder, *pairs).open(Kind::Float, device)?))
}

fn store(folder: &Path, pairs: i64) -> PairStore {
    PairStore::new(folder.join("pairs"), pairs, SHARD)
}

/// The pairs that the run in `folder` is trained on, made first where they are not there yet. None where its pairs are
/// drawn.
///
/// # Errors
/// Those of the teacher's training and of files; `Interrupted` after `stop` was set.
pub fn pairs(
    config: &Config,
    folder: &Path,
    setting: &Setting<'_>,
    session: &Session<'_>,
) -> Result<Option<StoredPairs>, ProgramError> {
    let CouplingConfig::Reflow { rounds, pairs, solver, nfe, .. } = &config.coupling else { return Ok(None) };
    let Some(teacher_config) = teacher(config) else { return Ok(None) };
    let teacher = Track { name: format!("teacher {rounds}"), ..Track::new(&teacher_config, &teacher_folder(folder)) };
    teacher.train(setting, session)?;
    let models = teacher.models(setting)?;
    let method: Method = solver.parse()?;
    let grid = TimeGrid::uniform(method.steps(*nfe)?)?;
    let store = store(folder, *pairs);
    let stream = Seed(config.seed).stream("pairs of a round").stream(&rounds.to_string());
    let bar = session.bar("pairs", store.shards(), 0);
    store.fill(|shard, n| {
        if session.stop.load(Ordering::Relaxed) {
            return Err(ProgramError::Interrupted { step: 0, again: session.again.clone() });
        }
        let begun = Instant::now();
        let x0 = setting.source.sample(n, &mut stream.at(shard), Kind::Float, setting.device)?;
        let x1 = method.solve(&*models.velocity, &x0, &grid, Options::default())?.x;
        let record = Record { wall_seconds: record(folder)?.wall_seconds + begun.elapsed().as_secs_f64() };
        RunFolder::of(folder).write_json(RECORD, &record)?;
        bar.inc(1);
        Ok::<_, ProgramError>(Generated { x0, x1, labels: None })
    })?;
    bar.finish_and_clear();
    info!("{pairs} pairs of round {rounds} in {}", folder.join("pairs").display());
    stored(config, folder, setting.device)
}
