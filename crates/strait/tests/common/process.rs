//! The program while it runs: signals, and how it ends.

use super::Place;
use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn start(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success(), "{signal}");
}

pub(crate) fn until(what: &str, there: impl Fn() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} in a minute");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the first line of a run's log.
pub(crate) fn until_it_trains(place: &Place, name: &str) {
    let log = place.path(&format!("runs/{name}/metrics.jsonl"));
    until("metrics", || fs::metadata(&log).is_ok_and(|file| file.len() > 0));
}

/// How it ended, within two seconds (and what a busy machine adds).
pub(crate) fn ended(child: Child) -> Output {
    let since = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    output
}

/// Whether it catches SIGINT by now: loading libtorch takes a while. Where the system does not say, it does.
pub(crate) fn listens(child: &Child) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", child.id())) else { return true };
    let caught = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    caught.is_none_or(|caught| caught & 2 != 0)
}
