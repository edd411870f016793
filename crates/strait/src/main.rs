//! The command line.

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use indicatif::{MultiProgress, ProgressDrawTarget};
use signal_hook::low_level;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use strait::ProgramError;
use strait::cli::compare::{CompareArgs, compare};
use strait::cli::evaluate::{EvaluateArgs, evaluate};
use strait::cli::features::{FeaturesArgs, features};
use strait::cli::inspect::{InspectArgs, inspect};
use strait::cli::report::{ReportArgs, report};
use strait::cli::sample::{SampleArgs, sample};
use strait::cli::train::{TrainArgs, train};
use strait::run::ranks::Ranks;
use strait::run::stdout::print_line;
use strait::run::stop::{STOPPED, Stop};
use strait_optim::keep_freed_memory;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Characters of an argument that is refused, with what is said of it.
const LONGEST_REFUSAL: usize = 400;

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
    /// Draw finished runs side by side on one page
    Report(ReportArgs),
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

/// The process ends without static destructors: those of libtorch take longer than many a command.
fn main() -> ! {
    let code = command();
    let _ = io::stdout().flush();
    low_level::exit(code.into())
}

/// Runs the command; returns its exit code.
fn command() -> u8 {
    keep_freed_memory();
    let stop = Stop::on_signals();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let bars = MultiProgress::new();
    // Of several ranks the first speaks, and each of its own errors.
    let silent = matches!(arguments.command, Command::Train(_) | Command::Evaluate(_) | Command::Compare(_))
        && Ranks::is_silent();
    if silent {
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
    let writer = AboveBars(bars.clone());
    let least = Targets::new().with_default(if silent { LevelFilter::ERROR } else { LevelFilter::INFO });
    let filter = env::var("RUST_LOG").ok().and_then(|said| said.parse().ok()).unwrap_or(least);
    let coloured = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_target(false).without_time().with_ansi(coloured);
    tracing_subscriber::registry().with(lines.with_writer(move || writer.clone())).with(filter).init();
    if let (true, Ok(stop)) = (silent, &stop) {
        stop.hush();
    }
    let done = stop.and_then(|stop| match in_memory(|| run(&arguments.command, &stop, &bars)) {
        // What a rank that was asked to stop misses are the others, which stopped.
        Err(error) if silent && stop.is_asked() => stop.leave(&error.to_string()),
        Err(error @ ProgramError::Interrupted { .. }) => stop.leave(&error.to_string()),
        // The last look: a signal that came before the end of the work was not in vain.
        Ok(_) if stop.is_asked() => stop.leave(STOPPED),
        Ok(Some(path)) => print_line(&path.display().to_string()),
        done => done.map(|_| ()),
    });
    match done {
        Ok(()) => 0,
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

/// Help and version are printed as they are; what cannot be parsed is said in one line, as every other refusal.
fn refuse(error: &clap::Error) -> u8 {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return if error.use_stderr() { 2 } else { 0 };
    }
    let text = error.render().to_string();
    let said =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    // Its advice to write `-- -x` is for what is no value of an option.
    let words: Vec<&str> = said.filter(|line| !line.is_empty() && !line.starts_with("tip: to pass")).collect();
    let line = words.join(" ");
    let line = shortened(line.strip_prefix("error: ").unwrap_or(&line));
    let _ = writeln!(io::stderr(), "strait: {line}; --help lists what is taken");
    2
}

/// Of a line that is too long, the list of all that is possible gives way to the one that is meant.
fn shortened(line: &str) -> String {
    let list =
        line.split_once(" [possible values: ").and_then(|(before, rest)| Some((before, rest.split_once(']')?.1)));
    let short = match list {
        Some((before, after)) if line.chars().count() > LONGEST_REFUSAL && !after.is_empty() => {
            format!("{before}{after}")
        }
        _ => line.to_owned(),
    };
    short.chars().take(LONGEST_REFUSAL).collect()
}

/// libtorch says where in its source it stood, in many lines; and of memory, not what took it.
fn one_line(text: &str) -> String {
    if is_of_memory(text) {
        let tried = text.split_once("tried to allocate ").and_then(|(_, rest)| rest.split_once(['.', ',', '(', '\n']));
        let needed = tried.map_or(String::new(), |(bytes, _)| format!(" for {}", bytes.trim()));
        return format!(
            "there is not enough memory{needed}; lower a level's batch, evaluate.samples, the widths of a network (hidden), or \
             --count"
        );
    }
    text.lines().next().unwrap_or_default().to_owned()
}

fn is_of_memory(text: &str) -> bool {
    ["allocate memory", "out of memory"].iter().any(|words| text.contains(words))
}

/// Operations of tch that return no `Result` panic where memory runs out: that is an error as any other, and what the run has
/// kept is whole.
fn in_memory<T>(work: impl FnOnce() -> Result<T, ProgramError>) -> Result<T, ProgramError> {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |fault| {
        if !fault.payload_as_str().is_some_and(is_of_memory) {
            others(fault);
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        match payload.downcast_ref::<String>().filter(|text| is_of_memory(text)) {
            Some(text) => Err(ProgramError::Core(strait_core::Error::other(io::Error::other(text.clone())))),
            None => panic::resume_unwind(payload),
        }
    })
}

fn run(command: &Command, stop: &Stop, bars: &MultiProgress) -> Result<Option<PathBuf>, ProgramError> {
    match command {
        Command::Train(args) => train(args, stop, bars),
        Command::Sample(args) => sample(args, bars).map(Some),
        Command::Evaluate(args) => evaluate(args, stop, bars),
        Command::Report(args) => report(args).map(Some),
        Command::Compare(args) => compare(args, stop, bars),
        Command::Inspect(args) => inspect(args).map(|()| None),
        Command::Features(args) => features(args).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_refusal_keeps_what_is_meant() {
        let all = vec!["linear"; 80].join(", ");
        let long = format!("invalid value 'lin' [possible values: {all}] tip: a similar value exists: 'linear'");
        assert_eq!(shortened(&long), "invalid value 'lin' tip: a similar value exists: 'linear'");
        let bare = format!("a value is required [possible values: {all}]");
        assert_eq!(shortened(&bare).chars().count(), LONGEST_REFUSAL);
        let short = "invalid value 'lin' [possible values: linear] tip: a similar value exists: 'linear'";
        assert_eq!(shortened(short), short);
    }
}
