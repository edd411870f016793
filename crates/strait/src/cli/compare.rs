//! `compare`: methods side by side, with the same data, network, optimizer and budget, and one evaluation.

use super::config_of::{config_of, stem};
use crate::ProgramError;
use crate::comparison::methods::{Budget, Method};
use crate::comparison::part::Part;
use crate::comparison::{Comparison, LeftOut};
use crate::config::{self, Config};
use crate::evaluation::choose_solver;
use crate::evaluation::features;
use crate::evaluation::measure::{measure, write_summary};
use crate::evaluation::reference::Reference;
use crate::evaluation::stress::stress;
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::provenance;
use crate::run::ranks::Ranks;
use crate::run::stdout::print_line;
use crate::run::stop::Stop;
use crate::run::summary::{SUMMARY, Summary};
use crate::training::context::RunContext;
use crate::training::threads;
use crate::training::training_run::TrainingRun;
use clap::{Args, value_parser};
use indicatif::MultiProgress;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// What is compared on where nothing is named.
const DEFAULT: &str = "8gaussians";

/// Why a part's training failed, in its folder, for whoever gathers the table.
const FAILED: &str = "failed.json";

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
    /// Train and measure one method with one seed of those, and write no table: many such commands can work in one folder at
    /// once
    #[arg(long, value_name = "METHOD,SEED", conflicts_with = "gather")]
    only: Option<Part>,
    /// Train nothing: put what is finished into the table, and say what is missing
    #[arg(long)]
    gather: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads to compute with on the CPU [default: OMP_NUM_THREADS, else what the network keeps busy]
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// The folder below runs/; where it is there already, what is missing in it is added [default: compare-PRESET]
    #[arg(long)]
    name: Option<String>,
}

/// Runs `compare`. Returns the path of `comparison.md`, or of the summary of the one part that was asked for; nothing on ranks
/// that do not speak.
///
/// # Errors
/// Each one line. A method that does not fit the preset, or whose training fails, is no error, but a line of the table.
pub fn compare(args: &CompareArgs, stop: &Stop, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    Ranks::together(|ranks| together(args, (ranks, stop, bars)))
}

/// The comparison of all ranks, which share out its parts.
fn together(
    args: &CompareArgs,
    (ranks, stop, bars): (&Ranks, &Stop, &MultiProgress),
) -> Result<Option<PathBuf>, ProgramError> {
    let config = config_of(args.config.as_deref(), args.data.as_deref(), DEFAULT, &args.sets)?;
    if i64::try_from(config.seed.saturating_add(args.seeds - 1)).is_err() {
        let problem = format!("from seed {} on, the last one is larger than {}", config.seed, i64::MAX);
        return Err(ProgramError::Argument { argument: format!("--seeds {}", args.seeds), problem });
    }
    if let Some(twice) = args.methods.iter().enumerate().find_map(|(i, m)| args.methods[..i].contains(m).then_some(m)) {
        let problem = format!("{} is named twice", twice.name());
        return Err(ProgramError::Argument { argument: "--methods".into(), problem });
    }
    let stem = stem(args.config.as_deref(), args.data.as_deref(), DEFAULT);
    let path = RunFolder::below_runs(&args.name.clone().unwrap_or_else(|| format!("compare-{stem}")))?;
    let digest = provenance::digest(&config.data)?;
    let methods = if args.methods.is_empty() { Method::usual(&config) } else { args.methods.clone() };
    // What is trained for as long as another method needs that one before.
    let stages = Budget::ALL.map(|budget| -> Vec<Part> {
        let of = |method: &&Method| budget == Budget::Steps || (args.same_time && method.is_scalable());
        let methods: Vec<Method> = methods.iter().filter(of).copied().collect();
        let of_seed = |seed| methods.iter().map(move |&method| Part { method, budget, seed });
        (config.seed..config.seed + args.seeds).flat_map(of_seed).collect()
    });
    ranks.check_program()?;
    ranks.check_same("config, or other arguments,", &format!("{}{args:?}", config::write(&config)?))?;
    ranks.check_same("data file (other bytes)", digest.as_deref().unwrap_or_default())?;
    let (digest, device) = (digest.as_deref(), &*ranks.device(&args.device));
    // Each rank trains by itself.
    let (alone, resume_command) = (&Ranks::default(), CommandContext::this_command(ranks));
    let command = &CommandContext { stop, ranks: alone, bars, resume_command };
    let work = Work { config: &config, path: &path, stages: &stages, args, digest, device, command };
    match args.only {
        Some(part) => work.only(part, ranks).map(Some),
        None => work.all(ranks, &stem),
    }
}

/// The parts of a comparison, and what each is made of.
struct Work<'a> {
    config: &'a Config,
    /// Where the comparison lies.
    path: &'a Path,
    stages: &'a [Vec<Part>; 2],
    args: &'a CompareArgs,
    /// The SHA-256 of the data, where they are a file.
    digest: Option<&'a str>,
    device: &'a str,
    command: &'a CommandContext<'a>,
}

/// In words, why a method does not fit a preset.
type Unfit = String;

#[derive(Serialize, Deserialize)]
struct Failed {
    why: String,
}

impl Work<'_> {
    /// Trains one part, and writes nothing outside its folder.
    fn only(&self, part: Part, ranks: &Ranks) -> Result<PathBuf, ProgramError> {
        let refuse = |problem| Err(ProgramError::Argument { argument: format!("--only {part}"), problem });
        if ranks.world() > 1 {
            return refuse("one process trains one part; leave it out, and the ranks share out all".into());
        }
        let all: Vec<Part> = self.stages.concat();
        if !all.contains(&part) {
            let some = all.iter().take(8).map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ");
            return refuse(format!("it is none of the {} of --methods and --seeds, as {some}", all.len()));
        }
        match self.run(part, &mut None)? {
            None => Ok(part.folder(self.path).join(SUMMARY)),
            Some(LeftOut { seed: None, why, .. }) => refuse(why),
            Some(LeftOut { why, .. }) => Err(ProgramError::Failed { path: part.folder(self.path), problem: why }),
        }
    }

    /// Trains all parts, each on one rank, and gathers the table.
    fn all(&self, ranks: &Ranks, stem: &str) -> Result<Option<PathBuf>, ProgramError> {
        let mut own: Vec<(Part, Option<LeftOut>)> = vec![];
        let mut reference = None;
        if ranks.world() > 1 {
            // Rank 0 makes it; what another trained in a folder of its own would be in no table.
            if ranks.is_first() {
                RunFolder::at(self.path, self.config)?;
            }
            ranks.meet()?;
            let what = "folder (what ranks train side by side must lie on a file system that they share)";
            ranks.check_same(what, &fs::read_to_string(self.path.join("config.toml")).unwrap_or_default())?;
        }
        for (budget, parts) in Budget::ALL.iter().zip(self.stages).filter(|_| !self.args.gather) {
            for number in ranks.shared_out(&format!("{budget:?}"), parts.len()) {
                let part = parts[number?];
                own.push((part, self.run(part, &mut reference)?));
                let said: Vec<LeftOut> = own.iter().filter_map(|(_, out)| out.clone()).collect();
                if ranks.is_first() && said.len() < own.len() {
                    self.gather(said)?; // so that a comparison that is stopped shows what is done
                }
            }
            ranks.meet()?;
        }
        if !ranks.is_first() {
            return Ok(None);
        }
        let (mut left_out, mut any) = (vec![], false);
        for part in self.stages.iter().flatten() {
            let known = own.iter().find(|(other, _)| other == part);
            match known.map_or_else(|| self.standing(*part), |(_, out)| Ok(out.clone()))? {
                None => any = true,
                Some(line) => left_out.push(line),
            }
        }
        left_out.dedup();
        if !any {
            let problem = left_out.iter().map(LeftOut::to_string).collect::<Vec<_>>().join("; ");
            return Err(ProgramError::Argument { argument: format!("compare {stem}"), problem });
        }
        left_out.iter().for_each(|line| warn!("{line}"));
        print_line(self.gather(left_out)?.markdown().trim_end())?;
        Ok(Some(self.path.join("comparison.md")))
    }

    /// Writes the tables.
    fn gather(&self, mut left_out: Vec<LeftOut>) -> Result<Comparison, ProgramError> {
        let mut said: Vec<LeftOut> = vec![];
        left_out.retain(|line| {
            let new = !said.contains(line);
            said.push(line.clone());
            new
        });
        let folder = RunFolder::at(self.path, self.config)?;
        let comparison = Comparison::of(&folder, &self.command.resume_command, &left_out)?;
        comparison.write(&folder).map(|()| comparison)
    }

    /// Trains and measures a part, where that is not done; why it is in no table, where it is not.
    fn run(&self, part: Part, reference: &mut Option<(u64, Reference)>) -> Result<Option<LeftOut>, ProgramError> {
        let run = RunFolder::of(&part.folder(self.path));
        match self.trained(part, reference) {
            Err(error) if error.is_of_one_training() => {
                let why = error.to_string();
                if run.is_there() {
                    run.write_json(FAILED, &Failed { why: why.clone() })?;
                }
                Ok(Some(part.failed(why)))
            }
            done => {
                let unfit = done?.err();
                let _ = fs::remove_file(run.path().join(FAILED));
                Ok(unfit.map(|why| part.unfit(why)))
            }
        }
    }

    /// Why a part that this process did not train is in no table; None where it is.
    fn standing(&self, part: Part) -> Result<Option<LeftOut>, ProgramError> {
        let config = match self.plan(part)? {
            Ok(config) => config,
            Err(why) => return Ok(Some(part.unfit(why))),
        };
        let folder = part.folder(self.path);
        if folder.is_dir() {
            let run = RunFolder::at(&folder, &config)?;
            if self.is_done(&run, &config)? {
                return Ok(None);
            }
            if let Some(Failed { why }) = run.read_json(FAILED)? {
                return Ok(Some(part.failed(why)));
            }
        } else if let Err(error) = TrainingRun::new(&config, &folder).check(&RunContext::new(&config, self.device)?) {
            return Ok(Some(part.unfit(error.to_string())));
        }
        Ok(Some(part.failed(format!("it is not finished; `--only {part}` trains it"))))
    }

    /// What a part is trained as.
    fn plan(&self, part: Part) -> Result<Result<Config, Unfit>, ProgramError> {
        let preset = Config { seed: part.seed, ..self.config.clone() };
        let steps = match part.budget {
            Budget::Steps => Ok(preset.gradient_steps()),
            Budget::Time => self.steps_in_time(part)?,
        };
        Ok(steps.and_then(|steps| part.method.plan(&preset, self.args.rounds, steps)))
    }

    /// The gradient steps that take this method as long as the preset took, by the seconds that its own have taken. They are
    /// measured once: a training that has begun keeps its own.
    fn steps_in_time(&self, part: Part) -> Result<Result<u64, Unfit>, ProgramError> {
        let run = RunFolder::of(&part.folder(self.path));
        if run.is_there() {
            return Ok(Ok(run.config()?.gradient_steps()));
        }
        let took = |method| {
            let run = Part { method, budget: Budget::Steps, ..part }.folder(self.path);
            Ok::<_, ProgramError>(Summary::finished(&RunFolder::of(&run))?.map(|summary| summary.method))
        };
        let preset = took(Method::Learned)?.map_or_else(|| took(Method::Preset), |learned| Ok(Some(learned)))?;
        let (Some(preset), Some(own)) = (preset, took(part.method)?) else {
            let why = "neither learned nor preset was trained, so that there is no time to train it for";
            return Ok(Err(why.into()));
        };
        let steps = own.gradient_steps as f64 * preset.wall_seconds / own.wall_seconds;
        Ok(Ok(steps.round() as u64))
    }

    /// Whether a part is trained, and measured as is asked for.
    fn is_done(&self, run: &RunFolder, config: &Config) -> Result<bool, ProgramError> {
        let stressed =
            |summary: Summary| !self.args.stress || summary.method.stress.is_some() || config.stress().is_none();
        let done = Summary::finished(run)?.is_some_and(stressed);
        if done {
            provenance::check(run, config, self.digest)?;
        }
        Ok(done)
    }

    fn trained(&self, part: Part, reference: &mut Option<(u64, Reference)>) -> Result<Result<(), Unfit>, ProgramError> {
        let (name, folder) = (part.row(), part.folder(self.path));
        let config = match self.plan(part)? {
            Ok(config) => config,
            Err(why) => return Ok(Err(why)),
        };
        if folder.is_dir() && self.is_done(&RunFolder::at(&folder, &config)?, &config)? {
            return Ok(Ok(()));
        }
        let mut context = RunContext::new(&config, self.device)?;
        config.coupling.check_share(context.condition())?;
        features::check(&config.evaluate, &context.data)?;
        context.check_measured(&config.evaluate)?;
        threads::set(self.args.threads, &config, &mut context);
        let training = TrainingRun { name: name.clone(), ..TrainingRun::new(&config, &folder) };
        if let Err(error) = training.check(&context) {
            return Ok(Err(error.to_string()));
        }
        RunFolder::at(self.path, self.config)?;
        RunFolder::at(&folder, &config)?;
        info!("{name}, seed {}: {}", part.seed, folder.display());
        training.train(&context, self.command, choose_solver::choose)?;
        // The parts of a seed are measured by the same points.
        if reference.as_ref().is_none_or(|(seed, _)| *seed != part.seed) {
            *reference = Some((part.seed, Reference::new(&context, &config.evaluate)?));
        }
        let Some((_, reference)) = reference else { return Ok(Ok(())) };
        reference.settings.clone_from(&config.evaluate);
        let mut measured = measure(&context, &training, reference)?;
        if self.args.stress {
            measured.summary.stress = stress(&context, &training, &measured.models, reference, self.command)?;
        }
        write_summary(&context, &training, &measured, None, reference)?;
        Ok(Ok(()))
    }
}
