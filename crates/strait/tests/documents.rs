//! Each command in the documents is one that the program takes: its words, its presets and its settings.

use crate::common::Place;
use clap::{Args, Command};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use strait::cli::compare::CompareArgs;
use strait::cli::evaluate::EvaluateArgs;
use strait::cli::features::FeaturesArgs;
use strait::cli::inspect::InspectArgs;
use strait::cli::report::ReportArgs;
use strait::cli::sample::SampleArgs;
use strait::cli::train::TrainArgs;
use strait::config;
use strait_core::Seed;
use strait_io::{Element, npz};
use tch::{Device, Kind, Tensor};

/// How our commands begin in the documents.
const BEGIN: &str = "cargo xtask ";

/// The commands that `xtask` hands on to the program.
fn program() -> [Command; 7] {
    let named = Command::new;
    [
        TrainArgs::augment_args(named("train")),
        SampleArgs::augment_args(named("sample")),
        EvaluateArgs::augment_args(named("evaluate")),
        ReportArgs::augment_args(named("report")),
        CompareArgs::augment_args(named("compare")),
        InspectArgs::augment_args(named("inspect")),
        FeaturesArgs::augment_args(named("features")),
    ]
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !["target", "book", "runs"].contains(&name) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// What stands in code: indented lines whole, with what is wrapped below them, and spans between backticks.
fn commands(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut prose = String::new();
    for line in text.lines() {
        match line.strip_prefix("    ").map(str::trim) {
            Some(code) if code.starts_with(BEGIN) => found.push(code.split(" #").next().unwrap_or(code).to_owned()),
            Some(more) if found.last().is_some_and(|last: &String| last.ends_with('\\')) => {
                let last = found.last_mut().unwrap();
                *last = format!("{} {more}", last.trim_end_matches('\\').trim_end());
            }
            _ => prose.extend([line.trim(), " "]),
        }
    }
    found.extend(prose.split('`').skip(1).step_by(2).filter(|span| span.starts_with(BEGIN)).map(str::to_owned));
    found
}

/// As a shell splits it; single quotes alone are known.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![];
    for (i, part) in command.split('\'').enumerate() {
        if i % 2 == 0 {
            words.extend(part.split_whitespace().map(str::to_owned));
        } else {
            words.push(part.to_owned());
        }
    }
    words
}

/// What is wrong with one command, in words.
fn fault(command: &str) -> Option<String> {
    let words = words(command.strip_prefix(BEGIN)?);
    let of = program().into_iter().find(|known| words.first().is_some_and(|verb| verb == known.get_name()))?;
    if words.len() == 1 {
        return None; // it is only spoken of
    }
    if command.contains(['[', '|']) && !command.contains("'") || command.contains("...") {
        // A usage: its options are there.
        let options: BTreeSet<String> =
            of.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
        let strange = words.iter().map(|word| word.trim_matches(['[', ']'])).filter_map(|word| word.strip_prefix("--"));
        let strange: Vec<&str> = strange.filter(|word| !options.contains(*word) && *word != "cuda").collect();
        return (!strange.is_empty()).then(|| format!("no option {strange:?}"));
    }
    // A place for anything, given something. `--cuda` is of xtask.
    let given = |word: &String| match word.as_str() {
        "PRESET" => "8gaussians".to_owned(),
        "N" => "1".to_owned(),
        _ => word.replace("=D", "=2"),
    };
    let words: Vec<String> = words.iter().filter(|word| *word != "--cuda").map(given).collect();
    let matches = match of.try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return Some(error.to_string().lines().next().unwrap_or_default().to_owned()),
    };
    let preset = matches.try_get_one::<String>("config").ok().flatten().filter(|name| !name.contains('.'));
    let sets = matches.try_get_many::<String>("sets").ok().flatten().into_iter().flatten().cloned().collect::<Vec<_>>();
    preset.and_then(|preset| config::load(preset, &sets).err()).map(|error| error.to_string())
}

#[test]
fn each_command_of_the_documents_is_taken() {
    let mut found = vec![];
    pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut found);
    let (mut count, mut faults) = (0, vec![]);
    for page in found {
        for command in commands(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            faults.extend(fault(&command).map(|fault| format!("{}: {command}: {fault}", page.display())));
        }
    }
    assert!(count > 40, "the walk finds {count} commands");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_kind_of_fault_is_noticed() {
    let text = "    cargo xtask train moons # fast\n    cargo xtask compare moons \\\n      --seeds 3\n`cargo xtask sample\nRUN --nfe 4`";
    assert_eq!(
        commands(text),
        ["cargo xtask train moons", "cargo xtask compare moons --seeds 3", "cargo xtask sample RUN --nfe 4"]
    );
    for (command, said) in [
        ("cargo xtask train moons", None),
        ("cargo xtask train moons --cuda --set 'evaluate.nfe=[1, 2]'", None),
        ("cargo xtask train moons --fast", Some("--fast")),
        ("cargo xtask train moon", Some("moons")),
        ("cargo xtask train moons --set phase.0.iteration=3", Some("iteration")),
        ("cargo xtask train [PRESET] [--fast]", Some("fast")),
        ("cargo xtask sample RUN --nfe N", None),
        ("cargo xtask sample RUN --nfe few", Some("few")),
        ("cargo xtask mutate", None),
    ] {
        let found = fault(command);
        assert!(found.as_deref().unwrap_or_default().contains(said.unwrap_or_default()), "{command}: {found:?}");
        assert_eq!(found.is_some(), said.is_some(), "{command}: {found:?}");
    }
}

/// The pages whose commands a reader types one after the other.
const GUIDES: [&str; 4] =
    ["README.md", "docs/guide/run.md", "docs/guide/python.md", "crates/strait-io/python/README.md"];

/// A command of a guide as it can be run here, with few iterations and samples; None of one that is a usage, that stands for many, or
/// whose data are fetched.
fn in_short(command: &str) -> Option<Vec<String>> {
    let plain = !command.contains("...") && (!command.contains(['[', '|']) || command.contains('\''));
    let mut words = words(command.strip_prefix(BEGIN)?);
    let fetched = ["digits", "fashion-mnist"].iter().any(|name| words.get(1).is_some_and(|word| word == name));
    let places = ["--nfe N", "FILE.(", "--cuda", "PICTURES", "cargo xtask train --set"];
    if !plain || fetched || words.len() < 2 || places.iter().any(|place| command.contains(place)) {
        return None;
    }
    for word in &mut words {
        if word == "RUN" {
            *word = if command.contains("--c") { "8gaussians-classes-1" } else { "a" }.to_owned();
        }
    }
    match &*words[0] {
        "train" if words[1].starts_with("--") => {}
        "train" => {
            let named = |word: &&String| !word.contains('.') && !word.starts_with("--");
            let preset = words.get(1).filter(named).map(|name| config::load(name, &[]).unwrap());
            let phases = preset.as_ref().map_or(1, |preset| preset.phase.len());
            let mut sets: Vec<String> = (0..phases).map(|phase| format!("phase.{phase}.iterations=2")).collect();
            sets.extend(["evaluate.samples=32", "evaluate.nfe=[1]", "evaluate.baseline=false"].map(str::to_owned));
            if preset.is_none() {
                sets.extend(["coupling.pairs=64", "coupling.batch=32"].map(str::to_owned));
            }
            words.extend(sets.into_iter().flat_map(|set| ["--set".to_owned(), set]));
        }
        "sample" if !command.contains("--count") => words.extend(["--count", "9"].map(str::to_owned)),
        "evaluate" => words.extend(["--samples", "32"].map(str::to_owned)),
        "sample" | "inspect" | "report" => {}
        _ => return None,
    }
    Some(words)
}

/// In the order of the page, in one folder, with the files that it speaks of.
#[test]
fn the_commands_of_the_guides_run() {
    let place = Place::new();
    let normal = |shape: &[i64]| Seed(0).stream("x").at(0).normal(shape, Kind::Double, Device::Cpu).unwrap();
    let (points, labels) = (normal(&[400, 2]), Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5, 6, 7, 0]));
    for name in ["X.npz", "own.npz", "rings.npz"] {
        npz::write(&place.path(name), &[("data", &points, Element::F64)]).unwrap();
    }
    npz::write(&place.path("c.npz"), &[("c", &labels, Element::I64)]).unwrap();
    place.train_alone("a");
    let (mut done, mut faults) = (vec![], vec![]);
    for page in GUIDES {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
        for command in commands(&page) {
            let Some(words) = in_short(&command).filter(|words| !done.contains(words)) else { continue };
            let output = place.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            if !output.status.success() {
                faults.push(format!("{command}\n  {words:?}\n  {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
            done.push(words);
        }
    }
    assert!(done.len() >= 8, "{done:?}");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The table of the ranges of numbers is the program's.
#[test]
fn the_document_has_every_range() {
    let document = include_str!("../../../docs/guide/run.md");
    let mut table = String::new();
    for range in &config::RANGES {
        let entries = if range.entries > 0 { format!(", at most {} in a list", range.entries) } else { String::new() };
        table.push_str(&format!("| `{}` | {}{entries} |\n", range.key, range.words()));
    }
    assert!(document.contains(&table), "docs/guide/run.md is to hold these lines:\n{table}");
}
