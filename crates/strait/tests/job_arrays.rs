//! Job arrays: a comparison whose parts are trained by separate commands, and gathered afterwards.

use crate::common::{Place, TINY, json};
use std::fs;
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One that does not fit, one whose training fails (single precision cannot hold a weight), one with a teacher and pairs.
const WORDS: [&str; 8] = [
    "compare",
    "tiny.toml",
    "--methods",
    "linear,reflow,learned,mean_flow",
    "--seeds",
    "2",
    "--set",
    "phase.0.level.0.rate=1000",
];

/// A table without the seconds, and without the commands that made it.
fn told(place: &Place, name: &str) -> (serde_json::Value, String) {
    let mut comparison = json(&place.path(&format!("runs/{name}/comparison.json")));
    for row in comparison["rows"].as_array_mut().unwrap() {
        row["wall_seconds"].take();
    }
    for key in ["commands", "run"] {
        comparison[key].take();
    }
    let table = fs::read_to_string(place.path(&format!("runs/{name}/comparison.md"))).unwrap();
    let without_seconds = |line: &str| match line.rsplit(" | ").next() {
        Some(last) if last.ends_with(" |") && line.contains(" | 500 (0) | ") => line.replace(last, ""),
        _ => line.to_owned(),
    };
    let kept = table.lines().filter(|line| !line.starts_with("    cargo xtask") && !line.starts_with("# "));
    (comparison, kept.map(without_seconds).collect::<Vec<_>>().join("\n"))
}

fn start(place: &Place, words: &[&str]) -> Child {
    place.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn parts_of_an_array_gather_to_the_table_of_one_command() {
    let place = Place::new();
    place.write(
        "tiny.toml",
        TINY.replace("iterations = 60", "iterations = 120").replace("pairs = 16384", "pairs = 600"),
    );
    let whole = place.run(&[&WORDS[..], &["--name", "whole"]].concat());
    assert!(whole.status.success(), "{whole:?}");
    let array = [&WORDS[..], &["--name", "array"]].concat();
    let (line, code) = place.refusal(&[&array[..], &["--gather"]].concat());
    assert!(line.contains("linear with seed 3 is left out: it is not finished; `--only linear,3` trains it"), "{line}");
    assert_eq!(code, 2);
    assert!(!place.path("runs/array").exists());
    let only = |part: &'static str| start(&place, &[&array[..], &["--only", part]].concat());
    let ended = |children: Vec<Child>| children.into_iter().map(|child| said(&child.wait_with_output().unwrap()));
    // Two begin the folder at once, and two at once are the rule.
    for pair in [["linear,3", "linear,4"], ["reflow,4", "reflow,3"]] {
        for (code, said) in ended(pair.map(only).into()) {
            assert_eq!(code, Some(0), "{said}");
        }
    }
    assert!(!place.path("runs/array/comparison.json").exists(), "a part writes in its own folder alone");
    let gather = [&array[..], &["--gather"]].concat();
    let output = place.run(&gather);
    assert!(output.status.success(), "{output:?}");
    let (found, _) = told(&place, "array");
    let lines = found["left_out"].to_string();
    assert!(lines.contains("`--only learned,3` trains it") && lines.contains("no second time"), "{lines}");
    for (code, said) in ended(["learned,3", "learned,4"].map(only).into()) {
        assert!(code == Some(1) && said.contains("is not finite"), "{said}");
    }
    for (code, said) in ended(["mean_flow,3"].map(only).into()) {
        assert!(code == Some(2) && said.contains("no second time"), "{said}");
    }
    let output = place.run(&gather);
    assert!(output.status.success(), "{output:?}");
    let (found, expected) = (told(&place, "array"), told(&place, "whole"));
    assert_eq!(found.0, expected.0);
    assert_eq!(found.1, expected.1);
    assert_eq!(found.0["rows"].as_array().unwrap().iter().filter(|row| row["metric"] == "w2").count(), 8);

    let (line, code) = place.refusal(&[&array[..], &["--only", "linear,5"]].concat());
    assert!(line.contains("none of the 8 of --methods and --seeds, as `linear,3`") && code == 2, "{line}");
    let output = place.run(&[&array[..], &["--only", "liner,3"]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("`liner` is no method"), "{output:?}");
}

#[test]
fn a_part_that_another_command_trains_is_refused_and_none_the_worse() {
    let place = Place::new();
    let words = ["compare", "tiny.toml", "--methods", "linear", "--name", "c", "--only", "linear,3"];
    let long = [&words[..], &["--set", "phase.2.iterations=1000000"]].concat();
    let mut first = start(&place, &long);
    let run = place.path("runs/c/linear-3");
    let begun = Instant::now();
    while strait_optim::checkpoint::list(&run.join("checkpoints")).is_ok_and(|found| found.is_empty()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
        thread::sleep(Duration::from_millis(20));
    }
    let (line, code) = place.refusal(&long);
    assert!(line.contains("another process trains it") && code == 2, "{line}");
    // Other settings never begin in its folder.
    let (line, _) = place.refusal(&words);
    assert!(line.contains("it is of other settings"), "{line}");
    assert!(first.try_wait().unwrap().is_none());
    first.kill().unwrap();
    let (newest, refused) = strait_optim::checkpoint::newest(&run.join("checkpoints")).unwrap();
    assert!(newest.is_some() && refused.is_empty());
    first.wait().unwrap();
}
