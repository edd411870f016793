//! The command line.

use clap::{Parser, Subcommand};
use indicatif::{MultiProgress, ProgressDrawTarget};
use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use strait::ProgramError;
use strait::cli::compare::{CompareArgs, compare};
use strait::cli::evaluate::{EvaluateArgs, evaluate};
use strait::cli::features::{FeaturesArgs, features};
use strait::cli::inspect::{InspectArgs, inspect};
use strait::cli::sample::{SampleArgs, sample};
use strait::cli::train::{TrainArgs, train};
use strait::run::output::print_line;
use strait::run::ranks::Ranks;
use strait::run::stop::Stop;
use tracing_subscriber::EnvFilter;

/// Learns curved interpolants so that generative flows become straight.
#[derive(Debug, Parser)]
#[command(name = "strait", version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a run and report on it
    Train(TrainArgs),
    /// Draw samples from a run
    Sample(SampleArgs),
    /// Measure a run
    Evaluate(EvaluateArgs),
    /// Train methods side by side and put them into one table
    Compare(CompareArgs),
    /// Look at the columns of a file before training on it
    Inspect(InspectArgs),
    /// Fit the classifier in whose features digits are compared
    Features(FeaturesArgs),
}

/// Log lines go above the progress bars. A log that nobody can read is no reason to stop.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.suspend(|| io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

fn main() -> ExitCode {
    let stop = Stop::on_signals();
    let arguments = Arguments::parse();
    let bars = MultiProgress::new();
    // Of several ranks the first speaks, and each of its own errors.
    let silent = matches!(arguments.command, Command::Train(_) | Command::Evaluate(_) | Command::Compare(_))
        && Ranks::is_silent();
    if silent {
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
    let writer = AboveBars(bars.clone());
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(if silent { "error" } else { "info" }));
    let coloured = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time()
        .with_ansi(coloured)
        .with_writer(move || writer.clone())
        .init();
    let done = stop.and_then(|stop| match run(&arguments.command, &stop, &bars) {
        Err(ProgramError::Interrupted { .. }) if silent => stop.leave_silently(),
        Err(error @ ProgramError::Interrupted { .. }) => stop.leave(&error.to_string()),
        Ok(Some(path)) => print_line(&path.display().to_string()),
        done => done.map(|_| ()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let ProgramError::MissingData { name, .. } = &error {
                // The runner reads this line, fetches, and starts the program again.
                let _ = print_line(&format!("strait:missing-data {name}"));
            }
            let _ = writeln!(io::stderr(), "strait: {}", one_line(&error.to_string()));
            error.exit_code()
        }
    }
}

/// libtorch says where in its source it stood, in many lines; and of memory, not what took it.
fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if ["allocate memory", "out of memory"].iter().any(|words| text.contains(words)) {
        return format!(
            "{line}; lower a level's batch, evaluate.samples, the widths of a network (hidden), or --count"
        );
    }
    line.to_owned()
}

fn run(command: &Command, stop: &Stop, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    match command {
        Command::Train(args) => train(args, stop, bars),
        Command::Sample(args) => sample(args, bars).map(Some),
        Command::Evaluate(args) => evaluate(args, stop, bars),
        Command::Compare(args) => compare(args, stop, bars),
        Command::Inspect(args) => inspect(args).map(|()| None),
        Command::Features(args) => features(args).map(Some),
    }
}
