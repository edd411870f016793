//! `cargo xtask launch -n N train ...`: N processes of this machine that train one run, measure one, or share out a comparison, in
//! the environment that torchrun would give them.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::data::{self, DataSet};
use crate::failure::{Failure, Result};
use crate::gloo;
use crate::libtorch;
use crate::run::{Guard, MISSING_DATA, Running, relay};
use crate::workspace::{Workspace, exit_code};

const USAGE: &str = "launch -n N train|evaluate|compare ...";

/// What ranks do together.
const VERBS: [&str; 3] = ["train", "evaluate", "compare"];

/// How long the other ranks have to end by themselves, with a line each, after one has failed.
const GRACE: Duration = Duration::from_secs(20);

/// Runs it. The exit code is that of the rank that failed first, or 0.
pub(crate) fn command(words: &[OsString]) -> Result<i32> {
    let (ranks, words) = parse(words).ok_or(Failure::Usage { usage: USAGE })?;
    let (workspace, cache) = (Workspace::of_cargo(), Cache::of_user()?);
    libtorch::ensure(&workspace, &cache, false)?;
    gloo::ensure(&workspace, &cache)?;
    let build = ["build", "--quiet", "--release", "--package", "strait", "--features", "distributed"];
    workspace.step("cargo build", workspace.cargo(&build))?;
    let folder = data::folder(&cache);
    let running = Running::watch()?;
    let mut brought: Vec<String> = Vec::new();
    loop {
        let port = free_port()?;
        let program = |rank: usize| {
            let mut program = Command::new(workspace.target().join("release/strait"));
            program.args(words).env("STRAIT_DATA", &folder);
            program.env("LD_LIBRARY_PATH", workspace.used_libtorch().join("lib"));
            program.envs(environment(rank, ranks, port));
            if std::env::var_os("OMP_NUM_THREADS").is_none() {
                program.env("OMP_NUM_THREADS", threads(ranks).to_string());
            }
            program
        };
        let (code, missing) = run(&running, (0..ranks).map(program).collect(), GRACE)?;
        let Some(name) = missing.filter(|_| code == MISSING_DATA) else { return Ok(code) };
        if brought.contains(&name) {
            return Err(Failure::StillMissing { name, folder });
        }
        DataSet::named(&name)?.ensure(&cache, &folder)?;
        brought.push(name);
    }
}

/// The number of ranks, and the words of the program.
fn parse(words: &[OsString]) -> Option<(usize, &[OsString])> {
    let [flag, count, rest @ ..] = words else { return None };
    let count: usize = count.to_str()?.parse().ok()?;
    let verb = rest.first()?;
    (flag == "-n" && count > 0 && VERBS.iter().any(|known| verb == known)).then_some((count, rest))
}

fn environment(rank: usize, world: usize, port: u16) -> [(&'static str, String); 6] {
    [
        ("MASTER_ADDR", Ipv4Addr::LOCALHOST.to_string()),
        ("MASTER_PORT", port.to_string()),
        ("RANK", rank.to_string()),
        ("LOCAL_RANK", rank.to_string()),
        ("WORLD_SIZE", world.to_string()),
        // So that the program names this command, and not itself, as that which goes on.
        ("STRAIT_LAUNCH", "1".to_owned()),
    ]
}

/// The cores of the machine, shared out.
fn threads(ranks: usize) -> usize {
    (thread::available_parallelism().map_or(1, usize::from) / ranks).max(1)
}

/// A port that nobody listens at now.
fn free_port() -> Result<u16> {
    let start = |error| Failure::Start { program: "a listener on this machine".into(), error };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(start)?;
    Ok(listener.local_addr().map_err(start)?.port())
}

/// Runs all ranks to their ends. When one fails, the others may end by themselves, and are killed after `grace`.
fn run(running: &Running, programs: Vec<Command>, grace: Duration) -> Result<(i32, Option<String>)> {
    let mut ranks: Vec<(Child, Guard)> = Vec::new();
    let mut relays = Vec::new();
    for program in programs {
        let (mut child, guard) = running.start(program)?;
        let stdout = child.stdout.take();
        relays.push(thread::spawn(move || stdout.and_then(|stdout| relay(stdout, io::stdout()))));
        ranks.push((child, guard));
    }
    let mut ended: Vec<Option<ExitStatus>> = vec![None; ranks.len()];
    let mut failed: Option<(i32, Instant)> = None;
    while ended.iter().any(Option::is_none) {
        for (rank, ((child, _), ended)) in ranks.iter_mut().zip(&mut ended).enumerate() {
            let Ok(Some(status)) = child.try_wait() else { continue };
            if ended.replace(status).is_some() {
                continue;
            }
            if !status.success() && failed.is_none() {
                failed = Some((exit_code(status), Instant::now()));
                if status.code().is_none() {
                    tell!(
                        "launch: rank {rank} was ended by a signal ({status}); the others are given {grace:?} to end"
                    );
                }
            }
        }
        if failed.is_some_and(|(_, since)| since.elapsed() > grace) {
            for (rank, (child, _)) in ranks.iter_mut().enumerate().filter(|(rank, _)| ended[*rank].is_none()) {
                tell!("launch: rank {rank} did not end, and is killed");
                let _ = child.kill();
            }
            failed = failed.map(|(code, _)| (code, Instant::now()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    running.end();
    drop(ranks);
    let missing = relays.into_iter().filter_map(|relay| relay.join().ok().flatten()).next();
    Ok((failed.map_or(0, |(code, _)| code), missing))
}

impl Running {
    /// Starts one more program that hears what we pass on; its standard output is ours to read.
    fn start(&self, mut program: Command) -> Result<(Child, Guard)> {
        let name = program.get_program().to_owned();
        program.stdout(Stdio::piped());
        self.spawn(&mut program).map_err(|error| Failure::Start { program: name.into(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_number_of_ranks_and_a_training_are_asked_for() {
        let parse = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            parse(&words).map(|(count, rest)| (count, rest.len()))
        };
        assert_eq!(parse("-n 2 train digits --name a"), Some((2, 4)));
        assert_eq!(parse("-n 3 compare"), Some((3, 1)));
        for wrong in ["", "-n", "-n 2", "-n 0 train", "-n two train", "2 train", "-n 2 sample x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_failure_is_the_exit_code_and_who_does_not_end_is_killed() {
        let running = Running::default();
        let run = |scripts: [&str; 2]| run(&running, scripts.map(shell).into(), Duration::from_millis(300)).unwrap();
        assert_eq!(run(["exit 0", "exit 0"]), (0, None));
        assert_eq!(run(["sleep 0.2; exit 4", "exit 3"]).0, 3);
        let begun = Instant::now();
        assert_eq!(run(["exec sleep 30", "kill -9 $$"]).0, 128 + 9);
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(run(["echo strait:missing-data digits; exit 66", "exit 66"]), (66, Some("digits".into())));
    }

    #[test]
    fn each_rank_is_told_its_place() {
        let told = environment(1, 3, 1234);
        let of = |name: &str| told.iter().find(|(key, _)| *key == name).unwrap().1.as_str();
        let names = ["MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE", "STRAIT_LAUNCH"];
        assert_eq!(names.map(of), ["127.0.0.1", "1234", "1", "1", "3", "1"]);
        assert!(threads(1) >= threads(2) && threads(100_000) == 1);
    }
}
