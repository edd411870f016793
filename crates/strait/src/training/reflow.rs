//! The pairs of a rectified flow: what the teacher's flow carries source points to, kept with the run that they are for.

use super::context::RunContext;
use super::models::Models;
use crate::ProgramError;
use crate::config::{Config, CouplingConfig};
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;
use strait_ode::{Method, Options, TimeGrid};
use strait_transport::{Generated, PairStore, StoredPairs};
use tch::{Device, Kind, Tensor};
use tracing::info;

/// Pairs in a file.
const SHARD: i64 = 4096;
/// Seconds that the pairs took, over all commands.
const RECORD: &str = "pairs.json";

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Record {
    wall_seconds: f64,
}

/// Where the teacher of a run lies.
pub(super) fn teacher_folder(folder: &RunFolder) -> PathBuf {
    folder.path().join("teacher")
}

/// Seconds that the pairs of a run took.
///
/// # Errors
/// Those of the record's file.
pub(super) fn seconds(folder: &RunFolder) -> Result<f64, ProgramError> {
    Ok(folder.read_json::<Record>(RECORD)?.unwrap_or_default().wall_seconds)
}

/// The pairs that a run was trained on. None where its pairs are drawn.
///
/// # Errors
/// `Pairs` where they are not all there.
pub fn stored(config: &Config, folder: &RunFolder, device: Device) -> Result<Option<StoredPairs>, ProgramError> {
    let CouplingConfig::Reflow { pairs, .. } = &config.coupling else { return Ok(None) };
    Ok(Some(store(folder, *pairs).open(Kind::Float, device)?))
}

fn store(folder: &RunFolder, pairs: i64) -> PairStore {
    PairStore::new(folder.path().join("pairs"), pairs, SHARD)
}

/// Makes those pairs of a run that are not there yet, by its teacher's models. Nothing where its pairs are drawn.
///
/// # Errors
/// Those of the solver and of files; `Interrupted` after `stop` was set.
pub(super) fn make(
    config: &Config,
    folder: &RunFolder,
    teacher: &Models,
    context: &RunContext,
    command: &CommandContext<'_>,
) -> Result<(), ProgramError> {
    let CouplingConfig::Reflow { rounds, pairs, solver, nfe, .. } = &config.coupling else { return Ok(()) };
    let method: Method = solver.parse()?;
    let grid = TimeGrid::uniform(method.steps(*nfe)?)?;
    let store = store(folder, *pairs);
    let stream = context.seed.stream("pairs of a round").stream(&rounds.to_string());
    let bar = command.bar("pairs", store.shards(), 0);
    let shard = |shard, n| {
        if command.stop.is_asked() {
            return Err(ProgramError::Interrupted { step: 0, resume_command: command.resume_command.clone() });
        }
        let start = Instant::now();
        let x0 = context.source.sample(n, &mut stream.at(shard), Kind::Float, context.device)?;
        let conditions = context.conditions(n, &mut stream.stream("conditions").at(shard))?;
        let x1 = method.solve_given(&*teacher.velocity, &conditions, &x0, &grid, Options::default())?.x;
        let record = Record { wall_seconds: seconds(folder)? + start.elapsed().as_secs_f64() };
        folder.write_json(RECORD, &record)?;
        bar.inc(1);
        let labels = conditions.only()?.map(Tensor::shallow_clone);
        Ok::<_, ProgramError>(Generated { x0, x1, labels })
    };
    command.stop.answered_by(|| store.fill(shard))?;
    bar.finish_and_clear();
    info!("{pairs} pairs of round {rounds} in {}", folder.path().join("pairs").display());
    Ok(())
}
