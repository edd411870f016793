//! `evaluate`: a trained run measured again, at counts of evaluations and with a solver of one's choice.

use crate::comparison::methods::baseline;
use crate::config::GridConfig;
use crate::evaluation::measure::{Reference, measure};
use crate::evaluation::stress::stress;
use crate::run::command::Session;
use crate::run::folder::RunFolder;
use crate::run::summary::{MethodSummary, SUMMARY};
use crate::training::context::Setting;
use crate::training::training_run::Track;
use crate::{ProgramError, page};
use clap::Args;
use indicatif::MultiProgress;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Measures a run, and rewrites its summary.json and its report.
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
    /// Train a larger velocity afresh on the run's path, and on its baseline's, and measure both, beside the exact field
    /// where it is defined
    #[arg(long)]
    stress: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Runs `evaluate`. Returns the path of `summary.json`.
///
/// # Errors
/// Each one line.
pub fn evaluate(args: &EvaluateArgs, stop: &AtomicBool, bars: &MultiProgress) -> Result<PathBuf, ProgramError> {
    let folder = RunFolder::open(&args.run)?;
    // What it was trained as, its moving averages' choice with it, is not for this command to say.
    let trained = folder.config()?;
    let mut config = trained.clone();
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
    let session = Session { stop, bars, again: Session::this_command() };
    let measured = |track: &Track<'_>| {
        let mut measured = measure(&setting, track, &reference)?;
        if args.stress {
            measured.summary.stress = stress(&setting, track, &reference, &session)?;
        }
        Ok::<_, ProgramError>(measured)
    };
    let track = Track::new(&trained, folder.path());
    let own = measured(&track)?;
    let below = folder.path().join("baseline");
    let other_config = baseline(&trained);
    let other_track = other_config.as_ref().map(|config| Track::new(config, &below));
    let other_track = match other_track {
        Some(track) if track.is_finished()? => Some(track),
        _ => None,
    };
    let other = other_track.as_ref().map(measured).transpose()?;
    let summary = setting.write_summary(&folder, &own, other.as_ref(), reference.leading())?;
    let own = page::Method { track: &track, measured: &own };
    let other = other_track.as_ref().zip(other.as_ref()).map(|(track, measured)| page::Method { track, measured });
    let methods: Vec<_> = std::iter::once(own).chain(other).collect();
    page::write(&setting, &folder, &summary, &methods, &reference)?;
    for method in std::iter::once(&summary.method).chain(&summary.baseline) {
        print(method);
    }
    summary.print_warnings();
    Ok(folder.path().join(SUMMARY))
}

fn print(method: &MethodSummary) {
    let name = &method.method;
    for (field, found) in method.by_field() {
        for e in found {
            println!(
                "{name:10} {:7} {:8} nfe {:4}  {:22} {:.4}  floor {:.4}",
                field.name(),
                e.solver,
                e.nfe,
                e.metric,
                e.value,
                e.floor
            );
        }
    }
    if let Some(found) = &method.likelihood {
        println!(
            "{name:10} {:.4} bits per dimension, {:.4} nats +- {:.4} over {} points ({})",
            found.bits_per_dimension, found.nats, found.standard_error, found.points, found.estimator
        );
    }
}
