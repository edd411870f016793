//! The drill: the program is killed, interrupted, left without disk or memory, and its files are read by another
//! process. This is repeated, and losses are counted. Nothing beyond the last checkpoint may be lost: a resumed run
//! ends at the same bits.
//!
//! A short form runs with the other tests; `cargo xtask drill` runs the long one. It prints one table at the end.
#![cfg(target_os = "linux")]

use crate::common::damage::Numbers;
use crate::common::process::{ended, send, start, until_it_trains};
use crate::common::{PROGRAM, Place, TINY, tensors};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use strait_optim::checkpoint;

/// Iterations between two checkpoints.
const INTERVAL: u64 = 10;

/// Iterations that were lost, or what went wrong.
type Lost = Result<u64, String>;

macro_rules! hold {
    ($condition:expr, $($said:tt)+) => {
        if !$condition {
            return Err(format!($($said)+));
        }
    };
}

/// One row of the table.
struct Drill {
    kind: &'static str,
    short: usize,
    long: usize,
    /// The k-th of so many times.
    once: fn(&Ground, usize, usize) -> Lost,
}

const DRILLS: [Drill; 10] = [
    Drill { kind: "kill -9 at a random moment", short: 3, long: 30, once: killed },
    Drill { kind: "one interrupt", short: 1, long: 12, once: interrupted },
    Drill { kind: "two interrupts, 0 to 2 ms apart", short: 4, long: 40, once: interrupted_twice },
    Drill { kind: "a full disk", short: 3, long: 22, once: disk_full },
    Drill { kind: "readers that go away", short: 1, long: 6, once: unread },
    Drill { kind: "a folder that may only be read", short: 1, long: 2, once: read_only },
    Drill { kind: "a second training of one run", short: 1, long: 3, once: two_at_once },
    Drill { kind: "samples beside a training", short: 3, long: 20, once: read_beside },
    Drill { kind: "a checkpoint removed while it is read", short: 3, long: 20, once: removed },
    Drill { kind: "too little memory", short: 2, long: 8, once: starved },
];

/// A run that nothing disturbed, and a place to disturb others in.
struct Ground {
    place: Place,
    whole: Vec<(String, Vec<u8>)>,
    /// Bytes that a run takes on disk.
    size: u64,
}

impl Ground {
    /// The long form also trains and measures a linear path beside the run.
    fn new(long: bool) -> Self {
        let place = Place::new();
        if !long {
            place.write("tiny.toml", TINY.replace("[evaluate]\n", "[evaluate]\nbaseline = false\n"));
        }
        place.train("whole");
        let run = place.path("runs/whole");
        Self { whole: tensors(&run), size: size(&run), place }
    }

    fn run(&self, name: &str) -> PathBuf {
        self.place.path("runs").join(name)
    }

    fn forget(&self, name: &str) {
        let _ = fs::remove_dir_all(self.run(name));
    }

    /// Goes on with a run that was stopped, or begins it again, to its end: the end of the undisturbed one.
    fn finish(&self, name: &str) -> Result<(), String> {
        let output = self.place.run(&again(&self.run(name), name));
        hold!(output.status.success(), "it does not go on: {}", said(&output));
        hold!(tensors(&self.run(name)) == self.whole, "it ends at other parameters");
        self.forget(name);
        Ok(())
    }
}

/// The command that goes on with a run, or begins it.
fn again<'a>(run: &Path, name: &'a str) -> [&'a str; 4] {
    match run.join("config.toml").is_file() {
        true => ["train", "--resume", name, "--set=evaluate.samples=64"],
        false => ["train", "tiny.toml", "--name", name],
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
        true => size(&entry.path()),
        false => entry.metadata().map_or(0, |file| file.len().next_multiple_of(4096)),
    };
    entries.map(of).sum()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// Refused in one line, by no signal and no panic.
fn refused(output: &Output) -> Result<(), String> {
    let text = said(output);
    let code = output.status.code();
    hold!(code.is_some_and(|code| code != 0 && code != 101), "it ended with {}: {text}", output.status);
    hold!(text.lines().count() == 1, "not one line: {text}");
    Ok(())
}

/// Iterations from the newest checkpoint to the last line of the log: what is to be done again. The checkpoint must be whole.
fn lost(run: &Path) -> Lost {
    let log = fs::read(run.join("metrics.jsonl")).unwrap_or_default();
    let mut steps = log.split(|byte| *byte == b'\n').filter_map(|line| {
        let record: serde_json::Value = serde_json::from_slice(line).ok()?;
        record["step"].as_u64()
    });
    let last = steps.next_back().unwrap_or(0);
    let Some(newest) = checkpoint::list(&run.join("checkpoints")).ok().and_then(|all| all.into_iter().next()) else {
        return Ok(last);
    };
    checkpoint::open(&newest).map_err(|error| format!("{} is not whole: {error}", newest.display()))?;
    let name = newest.file_name().unwrap().to_string_lossy().into_owned();
    let at: u64 = name.strip_prefix("step-").and_then(|step| step.parse().ok()).ok_or(name)?;
    let lost = last.saturating_sub(at);
    hold!(lost <= INTERVAL, "{lost} iterations are lost");
    Ok(lost)
}

fn killed(ground: &Ground, k: usize, _: usize) -> Lost {
    let (run, mut numbers) = (ground.run("killed"), Numbers(k as u64));
    let mut child = start(&ground.place, &again(&run, "killed"));
    thread::sleep(Duration::from_millis(300 + numbers.next() % 1500));
    child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
    let lost = lost(&run)?;
    if numbers.below(3) == 0 {
        ground.finish("killed")?; // else the next one goes on from here
    }
    Ok(lost)
}

const LONG: [&str; 6] = ["train", "tiny.toml", "--name", "long", "--set", "phase.0.iterations=1000000"];

fn interrupted(ground: &Ground, k: usize, _: usize) -> Lost {
    ground.forget("long");
    let child = start(&ground.place, &LONG);
    until_it_trains(&ground.place, "long");
    thread::sleep(Duration::from_millis(Numbers(k as u64).next() % 400));
    send(&child, ["INT", "TERM"][k % 2]);
    let output = ended(child);
    hold!(output.status.code() == Some(130), "it ended with {}: {}", output.status, said(&output));
    refused(&output)?;
    let lost = lost(&ground.run("long"))?;
    hold!(lost == 0, "{lost} iterations are lost, though there was time to keep them");
    Ok(lost)
}

fn interrupted_twice(ground: &Ground, k: usize, of: usize) -> Lost {
    ground.forget("long");
    let child = start(&ground.place, &LONG);
    until_it_trains(&ground.place, "long");
    // A shell counts to about a thousand in a millisecond. The second signal may come too late.
    let wait = format!("i=0; while [ $i -lt {} ]; do i=$((i + 1)); done", 2000 * k / of);
    let twice = format!("kill -s INT \"$0\"; {wait}; kill -s INT \"$0\" 2>/dev/null; true");
    let _ = Command::new("sh").args(["-c", &twice, &child.id().to_string()]).status();
    let output = ended(child);
    let (code, signal) = (output.status.code(), output.status.signal());
    hold!((code, signal) == (Some(130), None), "it ended with {}: {}", output.status, said(&output));
    lost(&ground.run("long"))
}

/// Whether a process may have a file system of its own here.
fn can_mount() -> bool {
    let script = "mount -t tmpfs -o size=64k tmpfs /tmp";
    let tried = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Runs a script in a file system of its own of so many bytes, `$at` in the script; what it leaves in `$out` stays.
fn mounted(ground: &Ground, bytes: u64, script: &str) -> Result<PathBuf, String> {
    let (at, out) = (ground.place.path("mount"), ground.place.path("out"));
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&at).and_then(|()| fs::create_dir(&out)).map_err(|error| error.to_string())?;
    let head = format!(
        "set -u; mount -t tmpfs -o size={bytes} tmpfs \"$at\" || exit 9; cp tiny.toml \"$at\" || exit 8; cd \"$at\" || exit 7"
    );
    let script = format!("{head}\n{script}");
    let mut command = ground.place.command(&[]);
    command.env("at", &at).env("out", &out).env("strait", PROGRAM);
    let environment: Vec<_> =
        command.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned))).collect();
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).current_dir(ground.place.path(""));
    for (key, value) in environment {
        match value {
            Some(value) => inside.env(key, value),
            None => inside.env_remove(key),
        };
    }
    let output = inside.output().map_err(|error| error.to_string())?;
    hold!(output.status.success(), "the script ended with {}: {}", output.status, said(&output));
    Ok(out)
}

/// The line and exit code of a command of a script, which wrote them to `NAME.said` and `NAME.code`.
fn told(out: &Path, name: &str) -> (String, i32) {
    let read =
        |kind: &str| fs::read_to_string(out.join(format!("{name}.{kind}"))).unwrap_or_default().trim().to_owned();
    (read("said"), read("code").parse().unwrap_or(-1))
}

fn disk_full(ground: &Ground, k: usize, of: usize) -> Lost {
    if !can_mount() {
        return file_limit(ground, k, of);
    }
    // From hardly a config to nearly all of a run.
    let bytes = 16_384 + (ground.size - 16_384) * k as u64 / of as u64 / 4096 * 4096;
    let out = mounted(
        ground,
        bytes,
        "\"$strait\" train tiny.toml --name full 2> \"$out/full.said\" > /dev/null; echo $? > \"$out/full.code\"
        cp -r runs \"$out/before\" 2>/dev/null
        mount -o remount,size=64m \"$at\" || exit 6
        if [ -e runs/full/config.toml ]; then set -- --resume full; else set -- tiny.toml --name full; fi
        \"$strait\" train \"$@\" 2> \"$out/again.said\" > /dev/null; echo $? > \"$out/again.code\"
        cp -r runs \"$out/after\"; true",
    )?;
    let (line, code) = told(&out, "full");
    hold!(code == 0 || (line.lines().count() == 1 && (1..100).contains(&code)), "{bytes} bytes: {code}: {line}");
    let lost = lost(&out.join("before/full")).map_err(|fault| format!("{bytes} bytes: {fault}"))?;
    let (line, code) = told(&out, "again");
    hold!(code == 0, "{bytes} bytes: it does not go on: {line}");
    hold!(tensors(&out.join("after/full")) == ground.whole, "{bytes} bytes: it ends at other parameters");
    Ok(lost)
}

/// Files of a bounded size, where nothing may be mounted: the write that passes it fails.
fn file_limit(ground: &Ground, k: usize, of: usize) -> Lost {
    ground.forget("full");
    let blocks = 1 + 48 * k / of;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" train tiny.toml --name full");
    let mut command = ground.place.command(&[]);
    let output = shell(&mut command, &script).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        refused(&output)?;
    }
    let lost = lost(&ground.run("full"))?;
    ground.finish("full")?;
    Ok(lost)
}

/// The same command through a shell: `$0` is the program.
fn shell<'a>(command: &'a mut Command, script: &str) -> &'a mut Command {
    let environment: Vec<_> =
        command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
    let folder = command.get_current_dir().map(Path::to_path_buf);
    *command = Command::new("sh");
    command.args(["-c", script, PROGRAM]).envs(environment).env_remove("RUST_BACKTRACE");
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    command
}

fn unread(ground: &Ground, k: usize, _: usize) -> Lost {
    ground.forget("unread");
    let mut command = ground.place.command(&["train", "tiny.toml", "--name", "unread"]);
    let mut child = command.env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(Numbers(k as u64).next() % 1000));
    drop((child.stdout.take(), child.stderr.take()));
    let status = child.wait().map_err(|error| error.to_string())?;
    hold!(status.success(), "it ended with {status}");
    hold!(tensors(&ground.run("unread")) == ground.whole, "it ends at other parameters");
    Ok(0)
}

fn read_only(ground: &Ground, _: usize, _: usize) -> Lost {
    hold!(can_mount(), "not tried: nothing may be mounted here");
    let out = mounted(
        ground,
        64 << 20,
        "\"$strait\" train tiny.toml --name full 2> /dev/null > /dev/null || exit 5
        mount -o remount,ro \"$at\" || exit 4
        tell() { name=$1; shift; \"$strait\" \"$@\" 2> \"$out/$name.said\" > /dev/null; echo $? > \"$out/$name.code\"; }
        tell sample sample full --count 10 --out \"$out/x.npz\"
        tell evaluate evaluate full
        tell train train tiny.toml --name other
        tell resume train --resume full --set phase.2.iterations=80
        cp -r runs \"$out/after\"",
    )?;
    let (line, code) = told(&out, "sample");
    hold!(code == 0 && out.join("x.npz").is_file(), "sample: {code}: {line}");
    for name in ["evaluate", "train", "resume"] {
        let (line, code) = told(&out, name);
        hold!((1..100).contains(&code) && line.lines().count() == 1, "{name}: {code}: {line}");
    }
    hold!(tensors(&out.join("after/full")) == ground.whole, "its parameters changed");
    Ok(0)
}

fn two_at_once(ground: &Ground, k: usize, _: usize) -> Lost {
    ground.forget("long");
    let child = start(&ground.place, &LONG);
    until_it_trains(&ground.place, "long");
    let second = [&["train", "tiny.toml", "--name", "long"][..], &["train", "--resume", "long"]][k % 2];
    let output = ground.place.run(second);
    let refusal = refused(&output).map_err(|fault| format!("{second:?}: {fault}"));
    send(&child, "INT");
    let output = ended(child);
    refusal?;
    hold!(output.status.code() == Some(130), "the first ended with {}: {}", output.status, said(&output));
    lost(&ground.run("long"))
}

fn read_beside(ground: &Ground, k: usize, of: usize) -> Lost {
    if k == 0 {
        ground.forget("long");
    }
    let busy = ["--set", "log.checkpoint=1", "--set", "log.keep=1"];
    let child = start(&ground.place, &[&LONG[..], &busy].concat());
    until_it_trains(&ground.place, "long");
    let outputs: Vec<Output> =
        (0..of.min(4)).map(|_| ground.place.run(&["sample", "long", "--count", "10", "--out", "x.npz"])).collect();
    send(&child, "INT");
    let stopped = ended(child);
    ground.forget("long");
    hold!(stopped.status.code() == Some(130), "the training ended with {}: {}", stopped.status, said(&stopped));
    for output in outputs {
        hold!(output.status.success(), "sample ended with {}: {}", output.status, said(&output));
    }
    Ok(0)
}

/// The newest checkpoint goes while a command that reads it begins: it takes another, or says so.
fn removed(ground: &Ground, k: usize, of: usize) -> Lost {
    let run = ground.run("whole");
    let newest = checkpoint::list(&run.join("checkpoints")).map_err(|error| error.to_string())?.remove(0);
    let aside = ground.place.path("aside");
    let mut command = ground.place.command(&["sample", "whole", "--count", "10", "--out", "x.npz"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(800 * k as u64 / of as u64));
    // Piece by piece, as a training removes it.
    fs::create_dir_all(&aside).unwrap();
    let files: Vec<_> = fs::read_dir(&newest).unwrap().flatten().map(|entry| entry.path()).collect();
    for file in &files {
        fs::rename(file, aside.join(file.file_name().unwrap())).unwrap();
    }
    fs::remove_dir(&newest).unwrap();
    let output = child.wait_with_output().unwrap();
    let _ = fs::remove_dir_all(&newest);
    fs::rename(&aside, &newest).unwrap();
    if !output.status.success() {
        refused(&output)?;
    }
    Ok(0)
}

/// Memory for what the program is, and not for what it is asked.
fn starved(ground: &Ground, k: usize, of: usize) -> Lost {
    ground.forget("long");
    let child = start(&ground.place, &LONG);
    until_it_trains(&ground.place, "long");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    send(&child, "INT");
    ended(child);
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix(" kB")?.parse().ok());
    let Some(peak) = peak.map(|peak: u64| peak + (64 << 10) + ((k as u64 * 512) << 10) / of as u64) else {
        return Err("the system does not say how much it takes".to_owned());
    };
    let script = format!("ulimit -v {peak}; exec \"$0\" train --resume long --set phase.0.level.0.batch=4000000");
    let mut command = ground.place.command(&[]);
    let output = shell(&mut command, &script).output().map_err(|error| error.to_string())?;
    refused(&output)?;
    hold!(said(&output).contains("batch"), "it does not say what to lower: {}", said(&output));
    lost(&ground.run("long"))
}

#[test]
fn nothing_is_lost_beyond_the_last_checkpoint() {
    let long = std::env::var_os("STRAIT_DRILL").is_some();
    let ground = Ground::new(long);
    let mut faults = vec![];
    println!("{:<40} {:>5} {:>6} {:>8}  verdict", "what happens", "times", "lost", "seconds");
    for drill in &DRILLS {
        let times = if long { drill.long } else { drill.short };
        let began = Instant::now();
        let outcomes: Vec<Lost> = (0..times).map(|k| (drill.once)(&ground, k, times)).collect();
        let most = outcomes.iter().flatten().max().copied().unwrap_or(0);
        let failed: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        let verdict = match failed.first() {
            None => "holds".to_owned(),
            Some(first) => format!("FAILS {} times: {first}", failed.len()),
        };
        println!("{:<40} {times:>5} {most:>6} {:>8.1}  {verdict}", drill.kind, began.elapsed().as_secs_f64());
        faults.extend(failed.first().map(|first| format!("{}: {first}", drill.kind)));
    }
    println!("lost: iterations to be done again, at most, where a checkpoint is written every {INTERVAL}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
