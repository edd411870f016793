//! `train`: a run from a config to its report.

use crate::comparison::methods::baseline;
use crate::config;
use crate::evaluation::measure::{Reference, measure};
use crate::run::command::Session;
use crate::run::folder::RunFolder;
use crate::training::context::Setting;
use crate::training::training_run::{Track, write_config};
use crate::{ProgramError, page};
use clap::Args;
use indicatif::MultiProgress;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tracing::info;

/// Trains, samples, measures and reports.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A preset (see --list) or a TOML file
    #[arg(default_value = "digits", value_name = "PRESET or FILE.toml")]
    config: String,
    /// Lay a setting over the config, as in `--set velocity.hidden=[128,128] --set phase.0.turns=100`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The run's name, a folder below runs/ [default: the preset's name and a number]
    #[arg(long)]
    name: Option<String>,
    /// Go on with a run that was stopped or killed
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "sets", "name"])]
    resume: Option<String>,
    /// List the presets
    #[arg(long)]
    list: bool,
}

/// Runs `train`. Returns the path of the report.
///
/// # Errors
/// Every error of a run, each one line.
pub fn train(args: &TrainArgs, stop: &AtomicBool, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    if args.list {
        for (name, text) in config::PRESETS {
            println!("{name:28}{}", text.lines().next().unwrap_or_default().trim_start_matches("# "));
        }
        return Ok(None);
    }
    // Everything that can be refused is refused before anything is written.
    let (config, folder) = match &args.resume {
        Some(run) => {
            let folder = RunFolder::open(run)?;
            (folder.config()?, Some(folder))
        }
        None => (config::load(&args.config, &args.sets)?, None),
    };
    let setting = Setting::new(&config, &args.device)?;
    Track::new(&config, Path::new("")).check(&setting)?;
    let folder = match folder {
        Some(folder) => folder,
        None => {
            let stem = Path::new(&args.config).file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned());
            RunFolder::create(args.name.as_deref(), &stem, &config)?
        }
    };
    let mut words = vec!["train".into(), "--resume".into(), folder.path().display().to_string()];
    if args.device != "cpu" {
        words.extend(["--device".into(), args.device.clone()]);
    }
    let again = Session::command(words);
    run(&setting, &folder, &Session { stop, bars, again }).map(Some)
}

fn run(setting: &Setting<'_>, folder: &RunFolder, session: &Session<'_>) -> Result<PathBuf, ProgramError> {
    let (config, path) = (setting.config, folder.path());
    info!("{}: {} on {}, seed {}", path.display(), setting.data.points.name(), setting.device_name, config.seed);
    let own_track = Track::new(config, path);
    own_track.train(setting, session)?;
    let other_config = if config.evaluate.baseline { baseline(config) } else { None };
    let other = match &other_config {
        Some(other) => {
            let below = path.join("baseline");
            write_config(&below, other)?;
            let track = Track::new(other, &below);
            track.train(setting, session)?;
            Some(track)
        }
        None => None,
    };
    info!("measuring");
    let reference = Reference::new(config, &setting.data, &*setting.source, setting.device)?;
    let own_measured = measure(setting, &own_track, &reference)?;
    let other_measured = match &other {
        Some(track) => Some(measure(setting, track, &reference)?),
        None => None,
    };
    let summary = setting.write_summary(folder, &own_measured, other_measured.as_ref(), reference.leading())?;
    let mut methods = vec![page::Method { track: &own_track, measured: &own_measured }];
    if let (Some(track), Some(measured)) = (&other, &other_measured) {
        methods.push(page::Method { track, measured });
    }
    let report = page::write(setting, folder, &summary, &methods, &reference)?;
    summary.print_warnings();
    Ok(report)
}
