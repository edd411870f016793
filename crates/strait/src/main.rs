//! The command line.

use clap::{Parser, Subcommand};
use indicatif::MultiProgress;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strait::ProgramError;
use strait::cli::compare::{CompareArgs, compare};
use strait::cli::evaluate::{EvaluateArgs, evaluate};
use strait::cli::features::{FeaturesArgs, features};
use strait::cli::sample::{SampleArgs, sample};
use strait::cli::train::{TrainArgs, train};
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
    /// Fit the classifier in whose features digits are compared
    Features(FeaturesArgs),
}

/// Log lines go above the progress bars.
#[derive(Clone)]
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bars = MultiProgress::new();
    let writer = AboveBars(bars.clone());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(move || writer.clone())
        .init();
    match run(&arguments.command, &bars) {
        Ok(Some(path)) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            if let ProgramError::MissingData { name, .. } = &error {
                // The runner reads this line, fetches, and starts the program again.
                println!("strait:missing-data {name}");
            }
            eprintln!("strait: {error}");
            error.exit_code()
        }
    }
}

fn run(command: &Command, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    match command {
        Command::Train(args) => train(args, &*stop_on_interrupt()?, bars),
        Command::Sample(args) => sample(args, bars).map(Some),
        Command::Evaluate(args) => evaluate(args, &*stop_on_interrupt()?, bars).map(Some),
        Command::Compare(args) => compare(args, &*stop_on_interrupt()?, bars).map(Some),
        Command::Features(args) => features(args).map(Some),
    }
}

/// Set by the first Ctrl-C; a second one ends the program at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, ProgramError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|error| ProgramError::Argument { argument: "Ctrl-C".into(), problem: error.to_string() })?;
    Ok(stop)
}
