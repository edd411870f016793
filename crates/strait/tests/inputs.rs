//! A thousand hostile inputs, generated from a seed: the program refuses each in one line, does the work, or can be
//! stopped.
//!
//! A short form runs with the other tests; `cargo xtask hostile` runs all of them, `cargo xtask hostile K` the K-th alone.
#![cfg(unix)]

#[path = "inputs/make.rs"]
mod make;

use crate::common::process::send;
use crate::common::{PROGRAM, Place};
use make::{Input, Work, input, prepared};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Inputs of the short form.
const SHORT: usize = 24;
/// What still runs by then is valid and long: it is interrupted, and must end.
const PATIENT: Duration = Duration::from_secs(8);
/// The longest that a command may take, an interrupt included.
const LONGEST: Duration = Duration::from_secs(20);
/// The most memory of a command, in KiB of addresses.
const MEMORY: u64 = 8 << 20;

/// How the program took an input, or what is wrong with how it did.
fn judge(place: &Place, input: &Input) -> Result<&'static str, String> {
    let script = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
    let template = place.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", &script, PROGRAM]).args(&input.arguments).current_dir(place.path(""));
    command.envs(template.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("RUST_LOG", "error");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read_out = thread::spawn(move || {
        let mut text = vec![];
        out.read_to_end(&mut text).map(|_| text)
    });
    let read_err = thread::spawn(move || {
        let mut text = vec![];
        err.read_to_end(&mut text).map(|_| text)
    });
    let (began, mut interrupted) = (Instant::now(), false);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENT && !interrupted {
            send(&child, "INT");
            interrupted = true;
        }
        if began.elapsed() > LONGEST {
            let _ = child.kill();
            return Err(format!("it hangs for {LONGEST:?}"));
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = |bytes: thread::Result<std::io::Result<Vec<u8>>>| {
        String::from_utf8_lossy(&bytes.unwrap_or(Ok(vec![])).unwrap_or_default()).into_owned()
    };
    let (out, err) = (text(read_out.join()), text(read_err.join()));
    let lines = err.lines().filter(|line| !line.trim().is_empty()).count();
    let fault = |what: &str| Err(format!("{what} ({status}): {}", err.chars().take(600).collect::<String>()));
    match status.code() {
        None => fault("a signal ended it"),
        Some(101 | 134) => fault("it panics"),
        Some(0) => match &input.work {
            Work::File(path) if !path.exists() => fault("it ends well and has not done its work"),
            Work::Named if !out.lines().last().is_some_and(|line| place.path(line).exists()) => {
                fault("it ends well and names no file that is there")
            }
            Work::Words if out.trim().is_empty() => fault("it ends well and has said nothing"),
            _ => Ok("done"),
        },
        Some(_) if err.contains("panicked") => fault("it panics"),
        Some(2) if err.contains("Usage: strait <COMMAND>") => Ok("helped"), // no command at all
        Some(_) if lines != 1 => fault("it does not say one line"),
        Some(_) if err.chars().count() > 1000 => fault("its line is too long"),
        Some(130) if interrupted => Ok("stopped"),
        Some(_) => Ok("refused"),
    }
}

#[test]
fn no_input_breaks_the_program() {
    let chosen: Option<usize> = std::env::var("STRAIT_INPUT").ok().map(|text| text.parse().expect("STRAIT_INPUT"));
    let count = std::env::var("STRAIT_INPUTS").map_or(SHORT, |text| text.parse().expect("STRAIT_INPUTS"));
    let inputs: Vec<usize> = chosen.map_or_else(|| (0..count).collect(), |k| vec![k]);
    let next = AtomicUsize::new(0);
    let work = || {
        let place = prepared();
        let mut found = vec![];
        while let Some(&k) = inputs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let input = input(&place, k);
            let outcome = judge(&place, &input);
            if chosen.is_some() {
                println!("{:?}: {outcome:?}", input.arguments);
            }
            let outcome = outcome.map_err(|fault| format!("input {k}, {:?}: {fault}", input.arguments));
            found.push((input.kind, outcome));
        }
        found
    };
    let found: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..if inputs.len() > SHORT { 2 } else { 1 }).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut table: BTreeMap<_, usize> = BTreeMap::new();
    found.iter().for_each(|(kind, outcome)| {
        *table.entry((*kind, outcome.as_ref().map_or("FAULT", |how| how))).or_default() += 1;
    });
    table.iter().for_each(|((kind, how), count)| println!("{kind:<16} {how:<8} {count:>5}"));
    let faults: Vec<String> = found.into_iter().filter_map(|(_, outcome)| outcome.err()).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), inputs.len(), faults.join("\n"));
}
