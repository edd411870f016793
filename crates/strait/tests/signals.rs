//! Signals and pipes: the first signal stops the program wherever it is, the second one at once; a closed pipe does not
//! stop it.
#![cfg(unix)]

use crate::common::process::{ended, listens, send, start, until, until_it_trains};
use crate::common::{PROGRAM, Place};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;
use strait_optim::checkpoint;

const LONG: [&str; 6] = ["train", "tiny.toml", "--name", "long", "--set", "phase.0.iterations=1000000"];

#[test]
fn one_signal_stops_a_training_with_a_checkpoint() {
    // Under `nohup` a hang-up is ignored, by us as by what we start.
    let heard = ["INT", "TERM", "HUP"].into_iter().filter(|signal| *signal != "HUP" || !hang_ups_are_ignored());
    for signal in heard {
        let place = Place::new();
        let child = start(&place, &LONG);
        until_it_trains(&place, "long");
        send(&child, signal);
        let output = ended(child);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {said}");
        let step =
            said.trim().strip_prefix("strait: stopped at step ").and_then(|rest| rest.split(';').next()).unwrap();
        assert!(place.path(&format!("runs/long/checkpoints/step-{step}/state.json")).is_file(), "{said}");
        assert!(said.contains("train --resume") && said.lines().count() == 1, "{said}");
    }
}

fn hang_ups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|ignored| ignored & 1 != 0)
}

/// Samples enough to be measured for minutes.
const MEASURED: [&str; 4] = ["--samples", "4000", "--nfe", "4000"];

#[test]
fn one_signal_stops_what_writes_no_checkpoint() {
    let place = Place::new();
    place.train_alone("a");
    let config = fs::read(place.path("runs/a/summary.json")).unwrap();
    let (evaluate, sample) = ([&["evaluate", "a"], &MEASURED[..]].concat(), ["sample", "a", "--nfe", "100000"]);
    for arguments in [&evaluate[..], &sample] {
        let child = start(&place, arguments);
        until("handler", || listens(&child));
        thread::sleep(Duration::from_secs(1));
        send(&child, "INT");
        let output = ended(child);
        assert_eq!(output.status.code(), Some(130), "{arguments:?}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    }
    assert_eq!(fs::read(place.path("runs/a/summary.json")).unwrap(), config);
}

/// A signal just before the end of the work is heard as well, though the work is done by the time that the program would be left.
#[test]
fn a_signal_before_the_last_words_is_heard() {
    let place = Place::new();
    // A pipe that is full: the last words wait for room.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'x'; 65_536]).unwrap();
    let mut command = place.command(&["train", "--list"]);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    until("handler", || listens(&child));
    thread::sleep(Duration::from_millis(300));
    send(&child, "INT");
    thread::sleep(Duration::from_millis(50));
    reader.read_to_end(&mut vec![]).unwrap();
    let output = ended(child);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(130), 1), "{said}");
}

/// A shard of pairs may take minutes; a signal is heard within an evaluation of its teacher.
#[test]
fn one_signal_stops_the_making_of_pairs() {
    let place = Place::new();
    let sets = [
        "interpolant={ family = 'linear' }",
        "phase=[{ name = 'velocity', iterations = 2, level = [{ level = 'velocity', batch = 8, rate = 1e-3, \
         objective = { name = 'flow_matching' } }] }]",
        "coupling={ name = 'reflow', rounds = 1, pairs = 4096, solver = 'euler', nfe = 100000 }",
    ];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let child = start(&place, &[&["train", "tiny.toml", "--name", "pairs"][..], &sets].concat());
    until("pairs", || place.path("runs/pairs/pairs").is_dir());
    thread::sleep(Duration::from_secs(1));
    send(&child, "INT");
    let output = ended(child);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(130) && said.lines().count() == 1, "{said}");
    assert!(said.contains("train --resume"), "{said}");
}

#[test]
fn a_second_interrupt_leaves_without_a_crash() {
    let place = Place::new();
    for wait in 0..6 {
        let _ = fs::remove_dir_all(place.path("runs"));
        let child = start(&place, &LONG);
        until_it_trains(&place, "long");
        send(&child, "INT");
        thread::sleep(Duration::from_millis(wait));
        // It may be gone by now.
        let id = child.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill -s INT \"$0\" 2>&-", &id]).status();
        let output = ended(child);
        assert_eq!((output.status.code(), output.status.signal()), (Some(130), None), "{output:?}");
    }
}

/// A batch system asks twice, and means once.
#[test]
fn a_second_sigterm_is_the_same_request() {
    let place = Place::new();
    for signal in ["TERM", "INT"] {
        let _ = fs::remove_dir_all(place.path("runs"));
        let child = start(&place, &LONG);
        until_it_trains(&place, "long");
        send(&child, signal);
        send(&child, "TERM");
        let output = ended(child);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(130) && said.starts_with("strait: stopped at step "), "{signal}: {said}");
    }
}

/// An iteration of a minute is left as well, and what was before it is kept.
#[test]
fn one_signal_stops_a_long_iteration_with_the_step_before_it() {
    let place = Place::new();
    let phase = |iterations, steps| {
        format!(
            "{{ name = 'p', iterations = {iterations}, level = [{{ level = 'velocity', batch = 2048, steps = {steps}, rate = 1e-3, \
             objective = {{ name = 'flow_matching' }} }}] }}"
        )
    };
    let phases = format!("phase=[{}, {}]", phase(3, 1), phase(1, 10_000));
    let sets = ["interpolant={ family = 'linear' }", &phases, "log.every=1"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let child = start(&place, &[&["train", "tiny.toml", "--name", "long"][..], &sets].concat());
    let log = place.path("runs/long/metrics.jsonl");
    until("the long iteration", || fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == 3));
    thread::sleep(Duration::from_secs(1));
    send(&child, "INT");
    let output = ended(child);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.starts_with("strait: stopped at step 3; go on with") && said.lines().count() == 1, "{said}");
    let found = checkpoint::open(&place.path("runs/long/checkpoints/step-3")).unwrap();
    assert_eq!((found.state.position.phase, found.state.position.iteration), (1, 0));
}

#[test]
fn nobody_has_to_listen() {
    let place = Place::new();
    // A reader that is gone before the first line.
    for arguments in
        [&["train", "--list"][..], &["train", "tiny.toml", "--name", "deaf", "--set", "evaluate.baseline=false"]]
    {
        let mut command = place.command(arguments);
        let mut child = command.env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
    assert!(place.path("runs/deaf/summary.json").is_file());
    let mut child = place.command(&["evaluate", "deaf"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success() && said.is_empty(), "{said}");
}

/// On a terminal, which `script` makes: the log is coloured, unless NO_COLOR is set, and the progress is in the terminal's own colour.
#[cfg(target_os = "linux")]
#[test]
fn there_is_no_colour_where_none_is_wanted() {
    let place = Place::new();
    let shown = |name: &str, no_color: &str| {
        let line = format!("'{PROGRAM}' train tiny.toml --name {name} --set evaluate.baseline=false");
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(place.path("")).stdin(Stdio::null());
        command.envs(place.command(&[]).get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.env("RUST_LOG", "info").env("TERM", "xterm-256color").env("NO_COLOR", no_color);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("eta"), "{text}");
        text
    };
    let styles = |text: &str| {
        let codes = text.split("\x1b[").skip(1);
        codes.filter(|code| code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')).count()
    };
    let (coloured, plain) = (shown("a", ""), shown("b", "1"));
    assert!(styles(&coloured) > 0 && styles(&plain) == 0, "{plain:?}");
    for line in coloured.split(['\r', '\n']).filter(|line| line.contains("eta")) {
        assert_eq!(styles(line), 0, "{line:?}");
    }
}
