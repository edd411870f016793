//! Samples a second of two ranks of one thread each, beside one rank of one thread and one of two, on the network, the data and
//! the batches of an image preset: `cargo run --release -p strait --features distributed --example ranks_throughput [PRESET]`.
//! Two trainings at once that exchange nothing show what the machine has for two ranks at the most.
//!
//! Each training is the first phase of its preset, or of its teacher, for about `SECONDS` seconds. They take turns, so that a machine that
//! slows down slows all of them. The time before the first line of `metrics.jsonl` (loading data, first steps) is not
//! counted.

use indicatif::MultiProgress;
use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use strait::config;
use strait::evaluation::choose_solver;
use strait::run::command::CommandContext;
use strait::run::folder::RunFolder;
use strait::run::metrics;
use strait::run::ranks::Ranks;
use strait::run::stop::Stop;
use strait::training::context::RunContext;
use strait::training::training_run::TrainingRun;

const PRESET: &str = "fashion-mnist";
/// Of each training.
const SECONDS: f64 = 12.0;
/// Of each way.
const ROUNDS: usize = 3;
/// Steps between lines of the log, and steps of the training that the others are sized by.
const EVERY: u64 = 5;
const FIRST: u64 = 20;
const WAYS: [Way; 4] = [
    Way { trainings: 1, ranks: 1, threads: 1 },
    Way { trainings: 1, ranks: 1, threads: 2 },
    Way { trainings: 2, ranks: 1, threads: 1 },
    Way { trainings: 1, ranks: 2, threads: 1 },
];

/// Trainings at once, the ranks of each, and the threads of each rank.
#[derive(Clone, Copy)]
struct Way {
    trainings: usize,
    ranks: usize,
    threads: usize,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What one training reached.
struct Reached {
    samples_a_second: f64,
    /// The share of the time in which rank 0 reduced, or waited.
    reduce: f64,
    batch: i64,
}

/// One rank: trains in a folder, and measures nothing.
fn train(preset: &str, folder: &Path, iterations: u64) -> Result<()> {
    let config = config::load(preset, &[])?;
    // The velocity of a map on trajectories is trained by its teacher.
    let mut config = config.teacher().unwrap_or(config);
    config.phase.truncate(1);
    config.phase[0].iterations = iterations;
    (config.log.every, config.log.checkpoint) = (EVERY, iterations);
    let (stop, bars) = (Stop::default(), MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden()));
    Ranks::together(|ranks| {
        let context = RunContext::new(&config, &ranks.device("cpu"))?;
        let command = CommandContext { stop: &stop, ranks, bars: &bars, resume_command: String::new() };
        TrainingRun::new(&config, folder).train(&context, &command, choose_solver::choose)
    })?;
    Ok(())
}

/// Starts the ranks of one training, which are this program.
fn start(preset: &str, folder: &Path, way: Way, iterations: u64) -> Result<Vec<Child>> {
    fs::create_dir_all(folder)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let rank = |rank: usize| {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([preset, "rank"]).arg(folder).arg(iterations.to_string());
        command.env("OMP_NUM_THREADS", way.threads.to_string()).env("MASTER_ADDR", "127.0.0.1");
        command.env("MASTER_PORT", &port).env("RANK", rank.to_string()).env("WORLD_SIZE", way.ranks.to_string()).spawn()
    };
    Ok((0..way.ranks).map(rank).collect::<std::io::Result<_>>()?)
}

/// What a training logged.
fn logged(preset: &str, folder: &Path) -> Result<Reached> {
    let lines = metrics::read(&RunFolder::of(folder))?;
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Err("nothing was logged".into()) };
    let batch = config::load(preset, &[])?.phase[0].level[0].batch;
    let seconds = last.wall_seconds - first.wall_seconds;
    let reduce = lines[1..].iter().map(|line| line.reduce).sum::<f64>() / (lines.len() - 1).max(1) as f64;
    Ok(Reached { samples_a_second: batch as f64 * (last.step - first.step) as f64 / seconds, reduce, batch })
}

/// Trains in one way: the samples a second of all its trainings together.
fn run(preset: &str, folder: &Path, way: Way, iterations: u64) -> Result<Reached> {
    let folders: Vec<PathBuf> = (0..way.trainings).map(|number| folder.join(number.to_string())).collect();
    let started = folders.iter().map(|folder| start(preset, folder, way, iterations)).collect::<Result<Vec<_>>>()?;
    for mut rank in started.into_iter().flatten() {
        if !rank.wait()?.success() {
            return Err("a rank failed".into());
        }
    }
    let mut reached = logged(preset, &folders[0])?;
    for other in &folders[1..] {
        reached.samples_a_second += logged(preset, other)?.samples_a_second;
    }
    fs::remove_dir_all(folder)?;
    Ok(reached)
}

/// The middle, the least and the most.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn compare(preset: &str) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("strait-throughput-{}", std::process::id()));
    let first = run(preset, &folder, WAYS[0], FIRST)?;
    let iterations = ((SECONDS * first.samples_a_second / first.batch as f64) as u64).next_multiple_of(EVERY) + EVERY;
    println!("{preset}, batches of {}, {iterations} steps each, {ROUNDS} rounds", first.batch);
    let mut reached = [const { Vec::new() }; WAYS.len()];
    for _ in 0..ROUNDS {
        for (way, reached) in WAYS.into_iter().zip(&mut reached) {
            reached.push(run(preset, &folder, way, iterations)?);
        }
    }
    let middle = |i: usize| spread(reached[i].iter().map(|found: &Reached| found.samples_a_second).collect());
    let [(one, ..), (two_threads, ..), (two_trainings, ..)] = [0, 1, 2].map(middle);
    println!(
        "| trainings x ranks x threads | samples a second (least to most) | of one rank | of one of two threads \
         | of two trainings | reducing |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (i, Way { trainings, ranks, threads }) in WAYS.into_iter().enumerate() {
        let (value, least, most) = middle(i);
        let (reduce, ..) = spread(reached[i].iter().map(|found| 100.0 * found.reduce).collect());
        println!(
            "| {trainings} x {ranks} x {threads} | {value:.1} ({least:.1} to {most:.1}) | {:.2} | {:.2} | {:.2} | {reduce:.1}% |",
            value / one,
            value / two_threads,
            value / two_trainings
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [preset, "rank", folder, iterations] => iterations
            .parse()
            .map_err(Into::into)
            .and_then(|iterations| train(preset, &PathBuf::from(folder), iterations)),
        [] => compare(PRESET),
        [preset] => compare(preset),
        _ => Err("usage: ranks_throughput [PRESET]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ranks_throughput: {error}");
            ExitCode::FAILURE
        }
    }
}
