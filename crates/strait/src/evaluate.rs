//! `evaluate`: a trained run measured again, at counts of evaluations and with a solver of one's choice.

use crate::ProgramError;
use crate::config::GridConfig;
use crate::measure::{Reference, measure};
use crate::methods::baseline;
use crate::run_folder::RunFolder;
use crate::setting::Setting;
use crate::summary::SUMMARY;
use crate::track::Track;
use clap::Args;
use std::path::PathBuf;

/// Measures a run and rewrites its summary.json.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A run, by name or path
    run: String,
    /// Counts of evaluations, as in 1,2,4,8,100 [default: the config's]
    #[arg(long, value_delimiter = ',')]
    nfe: Vec<usize>,
    /// euler, midpoint, heun, ralston, rk4 or ab2 [default: the config's]
    #[arg(long)]
    solver: Option<String>,
    /// Times of the solver's steps [default: the config's]
    #[arg(long, value_enum)]
    grid: Option<GridConfig>,
    /// How many samples [default: the config's]
    #[arg(long)]
    samples: Option<i64>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs `evaluate`. Returns the path of `summary.json`.
///
/// # Errors
/// Each one line.
pub fn evaluate(args: &EvaluateArgs) -> Result<PathBuf, ProgramError> {
    let folder = RunFolder::open(&args.run)?;
    let mut config = folder.config()?;
    if !args.nfe.is_empty() {
        config.evaluate.nfe.clone_from(&args.nfe);
    }
    if let Some(solver) = &args.solver {
        config.evaluate.solver.clone_from(solver);
    }
    if let Some(grid) = args.grid {
        config.evaluate.grid = grid;
    }
    if let Some(samples) = args.samples {
        config.evaluate.samples = samples;
    }
    config.check()?;
    let setting = Setting::new(&config, &args.device)?;
    let reference = Reference::new(&config, &setting.data, &*setting.source, setting.device)?;
    let own = measure(&setting, &Track::new(&config, folder.path()), &reference)?;
    let below = folder.path().join("baseline");
    let other = match baseline(&config) {
        Some(other) if below.join("checkpoints").is_dir() => {
            Some(measure(&setting, &Track::new(&other, &below), &reference)?)
        }
        _ => None,
    };
    let summary = setting.write_summary(&folder, &own, other.as_ref())?;
    for method in std::iter::once(&summary.method).chain(&summary.baseline) {
        for e in &method.evaluations {
            println!(
                "{:10} {:8} nfe {:4}  {:22} {:.4}  floor {:.4}",
                method.method, e.solver, e.nfe, e.metric, e.value, e.floor
            );
        }
        if let Some(found) = &method.likelihood {
            println!(
                "{:10} {:.4} bits per dimension, {:.4} nats +- {:.4} over {} points ({})",
                method.method,
                found.bits_per_dimension,
                found.nats,
                found.standard_error,
                found.points,
                found.estimator
            );
        }
    }
    Ok(folder.path().join(SUMMARY))
}
