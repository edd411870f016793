//! `compare`: methods side by side, with the same data, network, optimizer and budget, and one evaluation.

use super::config_of::{config_of, stem};
use crate::ProgramError;
use crate::comparison::methods::{Budget, Method};
use crate::comparison::{Comparison, LeftOut};
use crate::config::Config;
use crate::evaluation::choose_solver;
use crate::evaluation::measure::{measure, write_summary};
use crate::evaluation::reference::Reference;
use crate::evaluation::stress::stress;
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::output::print_line;
use crate::run::provenance;
use crate::run::ranks::Ranks;
use crate::run::stop::Stop;
use crate::run::summary::Summary;
use crate::training::context::RunContext;
use crate::training::training_run::TrainingRun;
use clap::Args;
use indicatif::MultiProgress;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// What is compared on where nothing is named.
const DEFAULT: &str = "8gaussians";

/// Trains methods side by side and puts them into one table.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A preset, a TOML file or your own data: the data, the velocity network, the optimizer, the budget and the evaluation
    /// [default: 8gaussians]
    #[arg(value_name = "PRESET, FILE.toml, X.npz or X.npy")]
    config: Option<String>,
    /// Your own data: alone, or in the place of a preset's
    #[arg(long, value_name = "X.npz or X.npy")]
    data: Option<PathBuf>,
    /// What to compare [default: linear,ot,reflow,likelihood,learned,paper; beside a flow map linear, ot and the preset itself]
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<Method>,
    /// Train the methods beside learned, or else preset, also for as long as that took
    #[arg(long)]
    same_time: bool,
    /// How many seeds, from the preset's on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Rounds of the rectified flow
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
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
/// Each one line. A method that does not fit the preset, or whose training fails, is no error, but a line of the table.
pub fn compare(args: &CompareArgs, stop: &Stop, bars: &MultiProgress) -> Result<PathBuf, ProgramError> {
    let config = config_of(args.config.as_deref(), args.data.as_deref(), DEFAULT, &args.sets)?;
    if i64::try_from(config.seed.saturating_add(args.seeds - 1)).is_err() {
        let problem = format!("from seed {} on, the last one is larger than {}", config.seed, i64::MAX);
        return Err(ProgramError::Argument { argument: format!("--seeds {}", args.seeds), problem });
    }
    let stem = stem(args.config.as_deref(), args.data.as_deref(), DEFAULT);
    let name = args.name.clone().unwrap_or_else(|| format!("compare-{stem}"));
    let path = RunFolder::below_runs(&name)?;
    let (ranks, resume_command) = (&Ranks::default(), CommandContext::this_command());
    let command = CommandContext { stop, ranks, bars, resume_command };
    let digest = provenance::digest(&config.data)?;
    let methods = if args.methods.is_empty() { Method::usual(&config) } else { args.methods.clone() };
    let mut left_out: Vec<LeftOut> = vec![];
    let gather = |left_out: &[LeftOut]| {
        let folder = RunFolder::at(&path, &config)?;
        let comparison = Comparison::of(&folder, &command.resume_command, left_out)?;
        comparison.write(&folder).map(|()| comparison)
    };
    let mut any = false;
    for seed in config.seed..config.seed + args.seeds {
        let preset = Config { seed, ..config.clone() };
        let mut reference = None;
        let timed = methods.iter().filter(|method| args.same_time && method.is_scalable());
        let timed = timed.map(|method| (*method, Budget::Time));
        for (method, budget) in methods.iter().map(|method| (*method, Budget::Steps)).chain(timed) {
            let contender = Contender { method, budget, path: &path, args, digest: digest.as_deref() };
            let done = contender.run(&preset, &mut reference, &command, || RunFolder::at(&path, &config));
            let (done, of) = match done {
                Err(error) if error.is_of_one_training() => (Err(error.to_string()), Some(seed)),
                done => (done?, None),
            };
            if let Err(why) = done {
                let line = LeftOut { method: method.row(budget), seed: of, why };
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
        let problem = left_out.iter().map(LeftOut::to_string).collect::<Vec<_>>().join("; ");
        return Err(ProgramError::Argument { argument: format!("compare {stem}"), problem });
    }
    left_out.iter().for_each(|line| warn!("{line}"));
    print_line(gather(&left_out)?.markdown().trim_end())?;
    Ok(path.join("comparison.md"))
}

/// One method with one seed: an ordinary run in a folder of its own.
struct Contender<'a> {
    method: Method,
    budget: Budget,
    /// Where the comparison lies.
    path: &'a Path,
    args: &'a CompareArgs,
    /// The SHA-256 of the data, where they are a file.
    digest: Option<&'a str>,
}

/// In words, why a method does not fit a preset.
type Unfit = String;

impl Contender<'_> {
    fn folder(&self, method: Method, budget: Budget, seed: u64) -> PathBuf {
        self.path.join(format!("{}-{seed}", method.row(budget)))
    }

    /// The gradient steps that take this method as long as the preset took, by the seconds that its own have taken. They are
    /// measured once: a training that has begun keeps its own.
    fn steps_in_time(&self, seed: u64, folder: &Path) -> Result<Result<u64, Unfit>, ProgramError> {
        let run = RunFolder::of(folder);
        if run.is_there() {
            return Ok(Ok(self.method.steps(&run.config()?, self.args.rounds)));
        }
        let took = |method| {
            let run = RunFolder::of(&self.folder(method, Budget::Steps, seed));
            Ok::<_, ProgramError>(Summary::finished(&run)?.map(|summary| summary.method))
        };
        let preset = took(Method::Learned)?.map_or_else(|| took(Method::Preset), |learned| Ok(Some(learned)))?;
        let (Some(preset), Some(own)) = (preset, took(self.method)?) else {
            let why = "neither learned nor preset was trained, so that there is no time to train it for";
            return Ok(Err(why.into()));
        };
        let steps = own.gradient_steps as f64 * preset.wall_seconds / own.wall_seconds;
        Ok(Ok(steps.round() as u64))
    }

    /// Trains and measures, where that is not done. `begin` makes the folder of the comparison.
    fn run(
        &self,
        preset: &Config,
        reference: &mut Option<Reference>,
        command: &CommandContext<'_>,
        begin: impl Fn() -> Result<RunFolder, ProgramError>,
    ) -> Result<Result<(), Unfit>, ProgramError> {
        let (name, folder) = (self.method.row(self.budget), self.folder(self.method, self.budget, preset.seed));
        let steps = match self.budget {
            Budget::Steps => Ok(preset.gradient_steps()),
            Budget::Time => self.steps_in_time(preset.seed, &folder)?,
        };
        let config = match steps.and_then(|steps| self.method.plan(preset, self.args.rounds, steps)) {
            Ok(config) => config,
            Err(why) => return Ok(Err(why)),
        };
        if folder.is_dir() {
            let run = RunFolder::at(&folder, &config)?;
            let stressed = |summary: &Summary| summary.method.stress.is_some() || config.stress().is_none();
            if Summary::finished(&run)?.is_some_and(|summary| !self.args.stress || stressed(&summary)) {
                provenance::check(&run, &config, self.digest)?;
                return Ok(Ok(()));
            }
        }
        let context = RunContext::new(&config, &self.args.device)?;
        let training = TrainingRun { name: name.clone(), ..TrainingRun::new(&config, &folder) };
        if let Err(error) = training.check(&context) {
            return Ok(Err(error.to_string()));
        }
        begin()?;
        RunFolder::at(&folder, &config)?;
        info!("{name}, seed {}: {}", config.seed, folder.display());
        training.train(&context, command, choose_solver::choose)?;
        let reference = match reference {
            Some(reference) => reference,
            None => reference.insert(Reference::new(&context, &config.evaluate)?),
        };
        let mut measured = measure(&context, &training, reference)?;
        if self.args.stress {
            measured.summary.stress = stress(&context, &training, &measured.models, reference, command)?;
        }
        write_summary(&context, &training, &measured, None, reference)?;
        Ok(Ok(()))
    }
}
