//! `evaluate`: a trained run measured again, at counts of evaluations and with a solver of one's choice.

use super::one_step::say_passed_over;
use super::run_report::write_report;
use crate::ProgramError;
use crate::config::{self, Config, EvaluateConfig, FeaturesConfig, GridConfig, Guidance};
use crate::evaluation::measure::measure;
use crate::evaluation::reference::Reference;
use crate::evaluation::stress::stress;
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::ranks::Ranks;
use crate::run::stdout::print_line;
use crate::run::stop::Stop;
use crate::run::summary::{ClassEvaluation, Evaluation, MethodSummary, SUMMARY};
use crate::training::context::RunContext;
use crate::training::threads;
use crate::training::training_run::TrainingRun;
use clap::{Args, value_parser};
use indicatif::MultiProgress;
use std::path::PathBuf;

/// Measures a run, and rewrites its summary.json and its report.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A run, by name or path
    run: String,
    /// Counts of evaluations, as in 1,2,4,8,100 [default: the config's]
    #[arg(long, value_delimiter = ',')]
    nfe: Vec<usize>,
    /// euler, midpoint, heun, ralston, rk4, ab2 or, of a flow map, map [default: the config's; of a flow map
    /// without one what was chosen for it]
    #[arg(long)]
    solver: Option<String>,
    /// Times of the solver's steps [default: the config's]
    #[arg(long, value_enum)]
    grid: Option<GridConfig>,
    /// How far samples are guided to their condition, as `sample` guides them [default: the config's]
    #[arg(long, allow_negative_numbers = true)]
    guidance: Option<f64>,
    /// How many samples [default: the config's]
    #[arg(long)]
    samples: Option<i64>,
    /// The features that images are compared in: classifier, lite0 (EfficientNet-Lite0), or the TorchScript file of an Inception
    /// network [default: the config's]
    #[arg(long)]
    features: Option<FeaturesConfig>,
    /// Train a larger velocity afresh on the run's path, and on its baseline's, and measure both, beside the exact field
    /// where it is defined
    #[arg(long)]
    stress: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads to compute with on the CPU [default: OMP_NUM_THREADS, else what the network keeps busy]
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Runs `evaluate`. Returns the path of `summary.json`; nothing on ranks that do not speak.
///
/// # Errors
/// Each one line.
pub fn evaluate(args: &EvaluateArgs, stop: &Stop, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    Ranks::together(|ranks| together(args, (ranks, stop, bars)))
}

/// The measurement of all ranks, of which each draws its share of the samples.
fn together(
    args: &EvaluateArgs,
    (ranks, stop, bars): (&Ranks, &Stop, &MultiProgress),
) -> Result<Option<PathBuf>, ProgramError> {
    ranks.check_program()?;
    let folder = RunFolder::open(&args.run).map_err(|error| match error {
        ProgramError::Run { path, .. } if !ranks.is_first() => {
            let problem =
                "another rank than the first sees no such run; all read it, from a file system that they share".into();
            ProgramError::Run { path, problem }
        }
        error => error,
    })?;
    // What it was trained as, the choice of its moving average with it, is not for this command to say.
    let trained = folder.config()?;
    let settings = args.settings(&trained)?;
    let asked = [
        ("--nfe", args.nfe.iter().any(|nfe| *nfe != 1)),
        ("--solver", args.solver.is_some()),
        ("--grid", args.grid.is_some_and(|grid| grid != GridConfig::Uniform)),
    ];
    say_passed_over(&trained, &asked);
    ranks.check_same("config", &config::write(&Config { evaluate: settings.clone(), ..trained.clone() })?)?;
    let mut context = RunContext::new(&trained, &ranks.device(&args.device))?;
    context.check_measured(&settings)?;
    threads::set(args.threads, &trained, &mut context);
    ranks.check_same("data file (other bytes)", context.digest.as_deref().unwrap_or_default())?;
    let reference = Reference::new(&context, &settings)?.among(ranks);
    if ranks.is_first() {
        folder.keep_units(&context.data.put_back)?;
    }
    let command = CommandContext { stop, ranks, bars, resume_command: CommandContext::this_command(ranks) };
    let measured = |run: &TrainingRun<'_>| {
        let once = || measure(&context, run, &reference);
        // Ranks that failed cannot begin anew together.
        let mut measured = if ranks.world() == 1 { run.on_newest(once) } else { once() }?;
        if args.stress {
            measured.summary.stress = stress(&context, run, &measured.models, &reference, &command)?;
        }
        Ok::<_, ProgramError>(measured)
    };
    let own = TrainingRun::new(&trained, folder.path());
    let own_measured = measured(&own)?;
    let baseline_config = trained.baseline();
    let below = folder.path().join("baseline");
    let baseline = match baseline_config.as_ref().map(|config| TrainingRun::new(config, &below)) {
        Some(run) if run.is_finished()? => Some(run),
        _ => None,
    };
    let beside = baseline.as_ref().map(measured).transpose()?;
    let beside = baseline.as_ref().zip(beside.as_ref());
    if !ranks.is_first() {
        return Ok(None);
    }
    let (summary, _) = write_report(&context, (&own, &own_measured), beside, &reference)?;
    for method in std::iter::once(&summary.method).chain(&summary.baseline) {
        print(method)?;
    }
    summary.print_warnings()?;
    Ok(Some(folder.path().join(SUMMARY)))
}

impl EvaluateArgs {
    /// How a run is measured: as its config says, and these arguments over it.
    fn settings(&self, trained: &Config) -> Result<EvaluateConfig, ProgramError> {
        let mut settings = trained.evaluate.clone();
        if !self.nfe.is_empty() {
            settings.nfe.clone_from(&self.nfe);
        }
        if let Some(solver) = &self.solver {
            settings.solver = Some(solver.clone());
        }
        settings.grid = self.grid.unwrap_or(settings.grid);
        settings.guidance = self.guidance.map_or(settings.guidance, Guidance);
        settings.samples = self.samples.unwrap_or(settings.samples);
        settings.features = self.features.clone().or(settings.features);
        Config { evaluate: settings.clone(), ..trained.clone() }.check()?;
        Ok(settings)
    }
}

fn print(method: &MethodSummary) -> Result<(), ProgramError> {
    let name = &method.method;
    for (field, found) in method.by_field() {
        for e in found {
            let (field, Evaluation { solver, nfe, metric, value, floor, .. }) = (field.name(), e);
            print_line(&format!(
                "{name:10} {field:7} {solver:8} nfe {nfe:4}  {metric:22} {value:.4}  floor {floor:.4}"
            ))?;
        }
    }
    for ClassEvaluation { class, solver, nfe, metric, value, floor, .. } in &method.classes {
        print_line(&format!(
            "{name:10} class {class:<3} {solver:8} nfe {nfe:4}  {metric:22} {value:.4}  floor {floor:.4}"
        ))?;
    }
    if let Some(found) = &method.likelihood {
        print_line(&format!(
            "{name:10} {:.4} bits per dimension, {:.4} nats +- {:.4} over {} points ({})",
            found.bits_per_dimension, found.nats, found.standard_error, found.points, found.estimator
        ))?;
    }
    Ok(())
}
