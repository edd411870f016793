//! `train`: a run from a config to its report.

use super::config_of::{config_of, stem};
use super::inspect::say_look;
use super::one_step::say_passed_over;
use super::run_report::write_report;
use super::watch::Watch;
use crate::ProgramError;
use crate::config::{self, Config, EvaluateConfig, GridConfig};
use crate::evaluation::choose_solver;
use crate::evaluation::features;
use crate::evaluation::measure::measure;
use crate::evaluation::reference::Reference;
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::ranks::Ranks;
use crate::run::stdout::print_line;
use crate::run::stop::Stop;
use crate::training::context::RunContext;
use crate::training::threads;
use crate::training::training_run::TrainingRun;
use clap::{Args, value_parser};
use indicatif::MultiProgress;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// What is trained where nothing is named.
const DEFAULT: &str = "digits";

/// Trains, samples, measures and reports.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A preset (see --list), a TOML file, or your own data, to be trained by the default for them [default: digits]
    #[arg(value_name = "PRESET, FILE.toml, X.npz or X.npy")]
    config: Option<String>,
    /// Your own data: alone, or in the place of a preset's
    #[arg(long, value_name = "X.npz or X.npy")]
    data: Option<PathBuf>,
    /// Lay a setting over the config, as in `--set velocity.hidden=[128,128] --set phase.0.iterations=100`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads to compute with on the CPU [default: OMP_NUM_THREADS, else what the network keeps busy]
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// The run's name, a folder below runs/ [default: the preset's name and a number]
    #[arg(long)]
    name: Option<String>,
    /// Go on with a run that was stopped or killed; with `--set`, longer (phase.N.iterations) or with another rate, batch or clip
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "data", "name"])]
    resume: Option<String>,
    /// Write the page of the run while it trains: it shows the losses, and samples of images, and loads itself anew
    #[arg(long)]
    watch: bool,
    /// List the presets
    #[arg(long)]
    list: bool,
}

/// Runs `train`. Returns the path of the report.
///
/// # Errors
/// Every error of a run, each one line.
pub fn train(args: &TrainArgs, stop: &Stop, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    if args.list {
        for (name, text) in config::PRESETS {
            print_line(&format!("{name:28}{}", text.lines().next().unwrap_or_default().trim_start_matches("# ")))?;
        }
        return Ok(None);
    }
    // Everything that can be refused is refused before anything is written, and so that all ranks hear of it.
    Ranks::together(|ranks| {
        let (config, folder) = match &args.resume {
            Some(run) => of_run(run, &args.sets, ranks)?,
            None => (config_of(args.config.as_deref(), args.data.as_deref(), DEFAULT, &args.sets)?, None),
        };
        together(args, &config, folder, (ranks, stop, bars))
    })
}

/// What a run is gone on with, and its folder on rank 0, which tells the others its settings: they need not see it.
fn of_run(run: &str, sets: &[String], ranks: &Ranks) -> Result<(Config, Option<RunFolder>), ProgramError> {
    if !ranks.is_first() {
        let text = ranks.first_says(String::new())?;
        return Ok((config::parse("the run's config on rank 0", &text, sets)?, None));
    }
    let folder = RunFolder::open(run)?;
    let (before, config) = (folder.config()?, folder.config_with(sets)?);
    before.check_change(&config)?;
    ranks.first_says(config::write(&before)?)?;
    Ok((config, Some(folder)))
}

/// The run of all ranks: they must be of one program, one config and one data file.
fn together(
    args: &TrainArgs,
    config: &Config,
    folder: Option<RunFolder>,
    (ranks, stop, bars): (&Ranks, &Stop, &MultiProgress),
) -> Result<Option<PathBuf>, ProgramError> {
    ranks.check_program()?;
    ranks.check_same("config", &config::write(config)?)?;
    let mut context = RunContext::new(config, &ranks.device(&args.device))?;
    if args.resume.is_none() {
        config.coupling.check_share(context.condition())?;
    }
    features::check(&config.evaluate, &context.data)?;
    context.check_measured(&config.evaluate)?;
    let threads = threads::set(args.threads, config, &mut context);
    ranks.check_same("data file (other bytes)", context.digest.as_deref().unwrap_or_default())?;
    if ranks.is_first() {
        say_look(&config.data)?;
        context.data.condition_remarks.iter().for_each(|remark| warn!("{remark}"));
    }
    let EvaluateConfig { nfe, solver, grid, .. } = &config.evaluate;
    let asked = [
        ("evaluate.nfe", nfe[..] != [1]),
        ("evaluate.solver", solver.is_some()),
        ("evaluate.grid", *grid != GridConfig::Uniform),
    ];
    if ranks.is_first() {
        say_passed_over(config, &asked);
    }
    TrainingRun::new(config, Path::new("")).check(&context).map_err(|error| ProgramError::Refused(error.into()))?;
    let folder = match folder {
        _ if !ranks.is_first() => RunFolder::of(Path::new("")),
        Some(folder) => {
            change(&folder, config, args, &context)?;
            folder
        }
        None => {
            let stem = stem(args.config.as_deref(), args.data.as_deref(), DEFAULT);
            RunFolder::create(args.name.as_deref(), &stem, config)?
        }
    };
    // Only what is made before a training is read by all ranks from it.
    let folder = RunFolder::of(Path::new(&ranks.first_says(folder.path().display().to_string())?));
    let mut words: Vec<String> = vec!["train".into(), "--resume".into(), folder.path().display().to_string()];
    if args.device != "cpu" {
        words.extend(["--device".into(), args.device.clone()]);
    }
    if let Some(threads) = args.threads {
        words.extend(["--threads".into(), threads.to_string()]);
    }
    words.extend(args.watch.then(|| "--watch".into()));
    let resume_command = CommandContext::command(ranks, words);
    let (data, device) = (context.data.points.name(), &context.device_name);
    let threads = if threads == 1 { "one thread".into() } else { format!("{threads} threads") };
    let threads = match context.pairing_threads {
        more @ 1.. if config.coupling.kind().is_drawn && context.coupling.for_thread().is_some() => {
            format!("{threads}, {more} more to pair ahead")
        }
        _ => threads,
    };
    info!("{}: {data} on {device}, {threads}, seed {}", folder.path().display(), config.seed);
    let command = CommandContext { stop, ranks, bars, resume_command };
    let watch = (args.watch && ranks.is_first()).then(|| Watch::new(config, &context, &folder, &command));
    let done = run(config, &context, &folder, &command, watch.as_ref());
    if let (Some(watch), Err(error)) = (&watch, &done) {
        watch.stopped(error);
    }
    done
}

/// Records the settings that a run is gone on with, where they are others, for it and for the baseline beside it.
fn change(folder: &RunFolder, to: &Config, args: &TrainArgs, context: &RunContext) -> Result<(), ProgramError> {
    let before = folder.config()?;
    if before == *to {
        return Ok(());
    }
    let digest = context.digest.as_deref();
    TrainingRun::new(&before, folder.path()).change(to, &args.sets, digest)?;
    if let (Some(before), Some(to)) = (before.baseline(), to.baseline()) {
        TrainingRun::new(&before, &folder.path().join("baseline")).change(&to, &args.sets, digest)?;
    }
    folder.write_config(to)
}

fn run(
    config: &Config,
    context: &RunContext,
    folder: &RunFolder,
    command: &CommandContext<'_>,
    watch: Option<&Watch>,
) -> Result<Option<PathBuf>, ProgramError> {
    let path = folder.path();
    if command.ranks.is_first() {
        folder.keep_units(&context.data.put_back)?;
    }
    let own = TrainingRun::new(config, path);
    let baseline = if config.evaluate.baseline { config.baseline() } else { None };
    let below = path.join("baseline");
    let baseline = baseline.as_ref().map(|config| TrainingRun::new(config, &below));
    let train = || {
        own.train(context, command, choose_solver::choose)?;
        let Some(baseline) = &baseline else { return Ok(()) };
        if command.ranks.is_first() {
            baseline.folder.write_config(baseline.config)?;
        }
        baseline.train(context, command, choose_solver::choose)
    };
    match watch {
        Some(watch) => watch.during(train)?,
        None => train()?,
    }
    if !command.ranks.is_first() {
        return Ok(None); // rank 0 measures
    }
    info!("measuring");
    let reference = Reference::new(context, &config.evaluate)?;
    let measured = measure(context, &own, &reference)?;
    let beside = baseline.as_ref().map(|run| measure(context, run, &reference)).transpose()?;
    let beside = baseline.as_ref().zip(beside.as_ref());
    let (summary, report) = write_report(context, (&own, &measured), beside, &reference)?;
    summary.print_warnings()?;
    Ok(Some(report))
}
