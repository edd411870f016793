//! Faults that end a group of ranks. Each is repeated as often as `STRAIT_DRILL_TIMES` says (once by default, twenty
//! times in `cargo xtask drill ranks`). No rank may hang beyond the deadline; each must end with a line that names the
//! rank and the cause, and a code that is not 0; and the run must resume from its last checkpoint.
#![cfg(all(unix, feature = "distributed"))]

use crate::common::{Place, port};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use strait_optim::checkpoint;

/// How long ranks wait for each other.
const DEADLINE: f64 = 5.0;
/// What questions and answers take after it, and a machine with other work.
const SLACK: f64 = 20.0;

/// A line of the log at every iteration, a checkpoint at every tenth.
const CONFIG: &str = "version = 1\nseed = 3\n[data]\nname = '8gaussians'\n[coupling]\nname = 'ot'\n\
    [interpolant]\nfamily = 'linear'\n[velocity]\nhidden = [8]\n[[phase]]\nname = 'all'\niterations = 30\nlevel = [\n\
    { level = 'velocity', batch = 24, rate = 1e-3, decay = 'constant', objective = { name = 'flow_matching' } } ]\n\
    [evaluate]\nnfe = [1]\nsamples = 16\nbaseline = false\n[log]\nevery = 1\ncheckpoint = 10\nkeep = 2\n";

const EVERY: u64 = 10;
const WORDS: [&str; 6] = ["train", "run.toml", "--name", "x", "--set", "phase.0.iterations=1000000"];

/// How a rank ended.
#[derive(Clone)]
struct End {
    /// Its code; None: by a signal.
    code: Option<i32>,
    /// All that it said on stderr.
    said: String,
    /// When.
    at: Instant,
}

impl End {
    fn line(&self) -> &str {
        self.said.lines().last().unwrap_or_default()
    }
}

/// Numbers that look like chance, the same in every drill.
fn chance(fault: u64, round: u64, below: u64) -> u64 {
    let mut x = (fault << 32 | round).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) % below
}

fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.unwrap().success(), "kill -s {name}");
}

/// Waits for all, up to the deadline and the slack after `since`; one that still runs then is killed, and hung.
fn ends(ranks: Vec<Child>, since: Instant) -> Vec<End> {
    let until = since + Duration::from_secs_f64(DEADLINE + SLACK);
    let mut found: Vec<Option<Instant>> = ranks.iter().map(|_| None).collect();
    let mut ranks = ranks;
    while found.iter().any(Option::is_none) {
        for (rank, found) in ranks.iter_mut().zip(&mut found).filter(|(_, found)| found.is_none()) {
            if rank.try_wait().unwrap().is_some() {
                *found = Some(Instant::now());
            } else if Instant::now() > until {
                rank.kill().unwrap();
                panic!("a rank hangs {:.0} s after the fault", since.elapsed().as_secs_f64());
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    let end = |(mut rank, at): (Child, Option<Instant>)| {
        let mut said = String::new();
        rank.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        End { code: rank.wait().unwrap().code(), said, at: at.unwrap() }
    };
    ranks.into_iter().zip(found).map(end).collect()
}

fn start(place: &Place, world: usize, words: &[&str]) -> Vec<Child> {
    let (port, deadline) = (port(), DEADLINE.to_string());
    (0..world).map(|rank| place.rank((rank, world), port, &deadline, words).spawn().unwrap()).collect()
}

fn until_trained(run: &Path, ranks: &mut [Child]) {
    let begun = Instant::now();
    while checkpoint::list(&run.join("checkpoints")).map_or(0, |found| found.len()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(90), "no checkpoint");
        assert!(ranks.iter_mut().all(|rank| rank.try_wait().unwrap().is_none()), "a rank ended before the fault");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Each of the ranks that are left ended by itself, with one line that holds these words.
fn each_says(ends: &[End], words: &[&str]) {
    for end in ends {
        assert!(end.code.is_some_and(|code| code != 0), "code {:?}: {}", end.code, end.said);
        assert_eq!(end.said.trim_end().lines().count(), 1, "{}", end.said);
        assert!(words.iter().all(|word| end.line().contains(word)), "`{}` lacks {words:?}", end.line());
    }
}

/// The run is whole up to its last checkpoint, which lies behind its log by an interval at most, and another number of ranks
/// goes on from it.
fn goes_on(place: &Place) {
    let run = place.path("runs/x");
    let (newest, refused) = checkpoint::newest(&run.join("checkpoints")).unwrap();
    assert!(refused.is_empty(), "{}", refused[0].error);
    let step = newest.expect("a checkpoint").state.position.step;
    let log = fs::read(run.join("metrics.jsonl")).unwrap();
    let steps = String::from_utf8_lossy(&log);
    let step_of = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64();
    let logged = steps.lines().filter_map(step_of).max().unwrap_or(0);
    assert!(step + EVERY >= logged, "{logged} steps were taken, and the last checkpoint is of step {step}");
    let to = format!("phase.0.iterations={}", step + 3);
    let output = place.run(&["train", "--resume", "x", "--set", &to]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (newest, _) = checkpoint::newest(&run.join("checkpoints")).unwrap();
    assert_eq!(newest.unwrap().state.position.step, step + 3);
}

fn place() -> Place {
    let place = Place::new();
    place.write("run.toml", CONFIG);
    place
}

fn last(ends: &[End], since: Instant) -> f64 {
    ends.iter().map(|end| (end.at - since).as_secs_f64()).fold(0.0, f64::max)
}

/// One fault; returns the seconds from it to the end of the last rank.
type Fault = fn(round: u64) -> f64;

fn killed(round: u64) -> f64 {
    let (place, world) = (place(), 2 + chance(0, round, 2) as usize);
    let victim = chance(1, round, world as u64) as usize;
    let mut ranks = start(&place, world, &WORDS);
    until_trained(&place.path("runs/x"), &mut ranks);
    thread::sleep(Duration::from_millis(chance(2, round, 400)));
    let since = Instant::now();
    signal("KILL", &ranks[victim]);
    let mut ends = ends(ranks, since);
    assert_eq!(ends.remove(victim).code, None);
    each_says(&ends, &[&format!("rank {victim} has ended without a word")]);
    goes_on(&place);
    last(&ends, since)
}

fn stopped(round: u64) -> f64 {
    let (place, world) = (place(), 2 + chance(3, round, 2) as usize);
    let victim = chance(4, round, world as u64) as usize;
    let mut ranks = start(&place, world, &WORDS);
    until_trained(&place.path("runs/x"), &mut ranks);
    let since = Instant::now();
    let sleeper = ranks.remove(victim);
    signal("STOP", &sleeper);
    let ends_of_others = ends(ranks, since);
    each_says(&ends_of_others, &[&format!("rank {victim} does not answer")]);
    let seconds = last(&ends_of_others, since);
    let woken = Instant::now();
    signal("CONT", &sleeper);
    each_says(&ends(vec![sleeper], woken), &["rank "]);
    goes_on(&place);
    seconds
}

fn wrong_world(round: u64) -> f64 {
    let (place, world) = (place(), 2 + chance(5, round, 2) as usize);
    let victim = chance(6, round, world as u64) as usize;
    let (port, deadline, since) = (port(), DEADLINE.to_string(), Instant::now());
    let rank = |rank: usize| {
        let world = if rank == victim { world + 1 } else { world };
        place.rank((rank, world), port, &deadline, &WORDS).spawn().unwrap()
    };
    let ends = ends((0..world).map(rank).collect(), since);
    // One that comes when rank 0 has left finds nobody.
    let (late, ends): (Vec<End>, Vec<End>) = ends.into_iter().partition(|end| end.line().contains("no group at"));
    each_says(&late, &[]);
    each_says(&ends, &["WORLD_SIZE is ", &format!("{}", world + 1)]);
    assert!(ends.len() > 1, "{}", late[0].said);
    let ends = [ends, late].concat();
    assert!(!place.path("runs").exists(), "something was written");
    last(&ends, since)
}

/// One of the two jobs may have the port, and trains; the other ends.
fn two_jobs(round: u64) -> f64 {
    let place = place();
    let (port, deadline, since) = (port(), DEADLINE.to_string(), Instant::now());
    let words = |job: &'static str, seed: &'static str| ["train", "run.toml", "--name", job, "--set", seed];
    let jobs = [words("x", "seed=3"), words("y", "seed=4")];
    let mut order = vec![(0, 0), (1, 0), (0, 1), (1, 1)];
    order.rotate_left(chance(7, round, 4) as usize);
    let mut start = |&(job, rank): &(usize, usize)| {
        let child = place.rank((rank, 2), port, &deadline, &jobs[job]).spawn().unwrap();
        thread::sleep(Duration::from_millis(chance(8 + job as u64 * 2 + rank as u64, round, 60)));
        child
    };
    let children: Vec<Child> = order.iter().map(&mut start).collect();
    let found: Vec<((usize, usize), End)> = order.into_iter().zip(ends(children, since)).collect();
    let words =
        ["port is in use", "two jobs on one port?", "another config than rank 0", "no group at", "did not come"];
    let trained: Vec<usize> = found.iter().filter(|(_, end)| end.code == Some(0)).map(|((job, _), _)| *job).collect();
    assert!(trained.is_empty() || (trained.len() == 2 && trained[0] == trained[1]), "{trained:?}");
    for ((job, rank), end) in found.iter().filter(|(_, end)| end.code != Some(0)) {
        let known = words.iter().any(|word| end.line().contains(word));
        let ended = end.line().contains("rank ");
        assert!(end.code.is_some() && (known || ended), "job {job}, rank {rank}: {:?}, {}", end.code, end.said);
    }
    if let Some(job) = trained.first() {
        let run = place.path(&format!("runs/{}", ["x", "y"][*job]));
        let (newest, refused) = checkpoint::newest(&run.join("checkpoints")).unwrap();
        assert!(refused.is_empty() && newest.unwrap().state.position.step == 30);
    }
    found.iter().map(|(_, end)| (end.at - since).as_secs_f64()).fold(0.0, f64::max)
}

/// Files of rank 0 may not grow beyond some kilobytes: its log does.
fn full_disk(round: u64) -> f64 {
    let (place, world) = (place(), 2 + chance(12, round, 2) as usize);
    let (port, deadline) = (port(), DEADLINE.to_string());
    let bound = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 16 + chance(13, round, 32));
    let rank = |rank: usize| {
        let plain = place.rank((rank, world), port, &deadline, &WORDS);
        if rank > 0 {
            return { plain }.spawn().unwrap();
        }
        let mut bounded = Command::new("sh");
        bounded.args(["-c", &bound]).arg(plain.get_program()).args(plain.get_args());
        bounded.current_dir(place.path(""));
        bounded.envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))));
        bounded.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        bounded.spawn().unwrap()
    };
    let mut ranks: Vec<Child> = (0..world).map(rank).collect();
    // The fault is as old as the first rank's end.
    let begun = Instant::now();
    while ranks.iter_mut().all(|rank| rank.try_wait().unwrap().is_none()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the disk never filled");
        thread::sleep(Duration::from_millis(5));
    }
    let since = Instant::now();
    let ends = ends(ranks, since);
    each_says(&ends[..1], &["File too large"]);
    each_says(&ends[1..], &["rank 0 left: ", "File too large"]);
    goes_on(&place);
    last(&ends, since)
}

#[test]
fn no_fault_of_a_rank_hangs_the_others_or_loses_more_than_the_last_checkpoint() {
    let times: u64 = std::env::var("STRAIT_DRILL_TIMES").map_or(1, |times| times.parse().expect("a number of times"));
    let faults: [(&str, Fault); 5] = [
        ("kill -9 of a rank", killed),
        ("SIGSTOP of a rank, longer than the deadline", stopped),
        ("a wrong world size", wrong_world),
        ("two jobs on one port", two_jobs),
        ("a full disk on rank 0", full_disk),
    ];
    println!("deadline {DEADLINE} s; seconds from the fault, or the start, to the end of the last rank");
    println!("| fault | times | median, s | longest, s |\n| --- | ---: | ---: | ---: |");
    for (name, fault) in faults {
        let mut seconds: Vec<f64> = (0..times).map(fault).collect();
        seconds.sort_by(f64::total_cmp);
        println!("| {name} | {times} | {:.1} | {:.1} |", seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
    }
}
