//! `compare`: methods side by side, with the same data, network, optimizer and budget, and one evaluation.

use crate::ProgramError;
use crate::comparison::Comparison;
use crate::config::{self, Config};
use crate::measure::{Reference, measure};
use crate::methods::{Method, stress as stress_config};
use crate::run_folder::{RUNS, RunFolder};
use crate::setting::Setting;
use crate::stress::stress;
use crate::summary::{SUMMARY, Summary};
use crate::track::{Session, Track};
use clap::Args;
use indicatif::MultiProgress;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tracing::{info, warn};

/// Trains methods side by side and puts them into one table.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A preset or a TOML file: the data, the velocity network, the optimizer, the budget and the evaluation
    #[arg(default_value = "8gaussians", value_name = "PRESET or FILE.toml")]
    config: String,
    /// What to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "linear,ot,reflow,likelihood,learned")]
    methods: Vec<Method>,
    /// How many seeds, from the preset's on
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Rounds of the rectified flow
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Lay a setting over the config
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Measure each with a larger velocity too, trained afresh on its path, and with the exact field where it is defined
    #[arg(long)]
    stress: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The folder below runs/; where it is there already, what is missing in it is added [default: compare-PRESET]
    #[arg(long)]
    name: Option<String>,
}

/// Runs `compare`. Returns the path of `comparison.md`.
///
/// # Errors
/// Each one line. A method that does not fit the preset is no error, but a line of the table.
pub fn compare(args: &CompareArgs, stop: &AtomicBool, bars: &MultiProgress) -> Result<PathBuf, ProgramError> {
    let config = config::load(&args.config, &args.sets)?;
    let stem = Path::new(&args.config).file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned());
    let name = args.name.clone().unwrap_or_else(|| format!("compare-{stem}"));
    let path = Path::new(RUNS).join(&name);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let session = Session { stop, bars, again: format!("cargo xtask {}", words.join(" ")) };
    let mut left_out = vec![];
    let gather = |left_out: &[String]| {
        let folder = RunFolder::at(&path, &config)?;
        let comparison = Comparison::of(&folder, &session.again, left_out)?;
        comparison.write(&folder).map(|()| comparison)
    };
    let mut any = false;
    for seed in config.seed..config.seed + args.seeds {
        let preset = Config { seed, ..config.clone() };
        let mut reference = None;
        for &method in &args.methods {
            let contender = Contender { method, folder: path.join(format!("{}-{seed}", method.name())), args };
            let done = contender.run(&preset, &mut reference, &session, || RunFolder::at(&path, &config))?;
            if let Err(why) = done {
                let line = format!("{} is left out: {why}", method.name());
                if !left_out.contains(&line) {
                    left_out.push(line);
                }
                continue;
            }
            any = true;
            gather(&left_out)?; // so that a comparison that is stopped shows what is done
        }
    }
    if !any {
        let problem = left_out.join("; ");
        return Err(ProgramError::Argument { argument: format!("compare {}", args.config), problem });
    }
    left_out.iter().for_each(|line| warn!("{line}"));
    print!("{}", gather(&left_out)?.markdown());
    Ok(path.join("comparison.md"))
}

/// One method with one seed: an ordinary run in a folder of its own.
struct Contender<'a> {
    method: Method,
    folder: PathBuf,
    args: &'a CompareArgs,
}

/// In words, why a method does not fit a preset.
type Unfit = String;

impl Contender<'_> {
    /// Trains and measures, where that is not done. `begin` makes the folder of the comparison.
    fn run(
        &self,
        preset: &Config,
        reference: &mut Option<Reference>,
        session: &Session<'_>,
        begin: impl Fn() -> Result<RunFolder, ProgramError>,
    ) -> Result<Result<(), Unfit>, ProgramError> {
        let config = match self.method.plan(preset, self.args.rounds) {
            Ok(config) => config,
            Err(why) => return Ok(Err(why)),
        };
        if self.folder.is_dir() {
            let run = RunFolder::at(&self.folder, &config)?;
            let done = run.read_json::<Summary>(SUMMARY)?;
            let stressed = |summary: &Summary| summary.method.stress.is_some() || stress_config(&config).is_none();
            if done.is_some_and(|summary| !self.args.stress || stressed(&summary)) {
                return Ok(Ok(()));
            }
        }
        let setting = Setting::new(&config, &self.args.device)?;
        let track = Track { name: self.method.name().into(), ..Track::new(&config, &self.folder) };
        if let Err(error) = track.check(&setting) {
            return Ok(Err(error.to_string()));
        }
        begin()?;
        let run = RunFolder::at(&self.folder, &config)?;
        info!("{}, seed {}: {}", self.method.name(), config.seed, self.folder.display());
        track.train(&setting, session)?;
        let reference = match reference {
            Some(reference) => reference,
            None => reference.insert(Reference::new(&config, &setting.data, &*setting.source, setting.device)?),
        };
        let mut measured = measure(&setting, &track, reference)?;
        if self.args.stress {
            measured.summary.stress = stress(&setting, &track, reference, session)?;
        }
        setting.write_summary(&run, &measured, None, reference.leading())?;
        Ok(Ok(()))
    }
}
