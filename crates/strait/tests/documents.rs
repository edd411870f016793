//! Each command in the documents is one that the program takes: its words, its presets and its settings.

use crate::common::Place;
use crate::python::{python, say};
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
use strait::config::{self, CouplingConfig};
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

/// What stands in code: lines that are indented or in a fence whole, with what is wrapped below them, and spans between backticks.
fn commands(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut prose = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        match line.strip_prefix("    ").or(fenced.then_some(line)).map(str::trim) {
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
    let text = "    cargo xtask train moons # fast\n    cargo xtask compare moons \\\n      --seeds 3\n`cargo xtask sample\nRUN --nfe 4`\n```sh\ncargo xtask train rings \\\n  --name r\n```";
    assert_eq!(
        commands(text),
        [
            "cargo xtask train moons",
            "cargo xtask compare moons --seeds 3",
            "cargo xtask train rings --name r",
            "cargo xtask sample RUN --nfe 4"
        ]
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
const GUIDES: [&str; 8] = [
    "README.md",
    "docs/README.md",
    "docs/guide/first.md",
    "docs/guide/choosing.md",
    "docs/guide/run.md",
    "docs/guide/scale.md",
    "docs/guide/python.md",
    "crates/strait-io/python/README.md",
];

/// Those whose numbers name a command.
const RESULTS: [&str; 6] = [
    "docs/results/conditions.md",
    "docs/results/flow-maps.md",
    "docs/results/images.md",
    "docs/results/learned.md",
    "docs/results/published.md",
    "docs/results/speed.md",
];

/// What makes each measurement short.
const SHORT: [&str; 13] = [
    "evaluate.nfe=[1]",
    "evaluate.samples=32",
    "evaluate.dynamics.steps=4",
    "evaluate.dynamics.trajectories=16",
    "evaluate.likelihood.steps=4",
    "evaluate.likelihood.points=16",
    "evaluate.exact_field.candidates=64",
    "evaluate.exact_field.sampled_candidates=64",
    "evaluate.exact_field.trajectories=16",
    "evaluate.stress.iterations=2",
    "compare.pairs=1024",
    "compare.pairs_nfe=2",
    "compare.pool_batch=128",
];

/// A command of a page as it can be run here: with few iterations and samples, and one seed. None of one that is a usage, that needs
/// data that are fetched, other pictures or a GPU, or runs of a comparison that nobody trains here (`SEED`, `--gather`), and of `launch`, whose
/// tests are those of ranks.
fn in_short(command: &str) -> Option<Vec<String>> {
    let command = if command.contains('\'') { command } else { command.split(" [").next()? };
    let mut words = words(command.strip_prefix(BEGIN)?);
    let fetched =
        ["digits", "fashion-mnist"].iter().any(|name| words.get(1).is_some_and(|word| word.starts_with(name)));
    let places = ["...", "|", "--nfe N", "FILE.(", "--cuda", "PICTURES", "cargo xtask train --set", "SEED", "--gather"];
    if fetched || words.len() < 2 || places.iter().any(|place| command.contains(place)) {
        return None;
    }
    for word in &mut words {
        match word.as_str() {
            "RUN" => *word = if command.contains("--c") { "8gaussians-classes-1" } else { "a" }.to_owned(),
            "PRESET" => *word = "8gaussians".to_owned(),
            "data.dimension=D" => *word = "data.dimension=3".to_owned(),
            _ => {}
        }
    }
    let mut more: Vec<String> = vec![];
    match &*words[0] {
        "train" | "compare" if !words[1].starts_with("--") => {
            let named = |word: &&String| !word.contains('.') && !word.starts_with("--");
            let own = words.windows(2).filter(|two| two[0] == "--set").map(|two| two[1].clone()).collect::<Vec<_>>();
            let preset = words.get(1).filter(named).map(|name| config::load(name, &own).unwrap());
            let phases = preset.as_ref().map_or(1, |preset| preset.phase.len());
            more.extend((0..phases).map(|phase| format!("phase.{phase}.iterations=2")));
            more.extend(SHORT.map(str::to_owned));
            let pool = preset.as_ref().is_none_or(|preset| matches!(preset.coupling, CouplingConfig::Pool { .. }));
            if pool && !own.iter().any(|set| set.starts_with("coupling")) {
                more.extend(["coupling.pairs=512", "coupling.batch=64"].map(str::to_owned));
            }
            if words[0] == "train" {
                more.push("evaluate.baseline=false".to_owned());
            } else if let Some(seeds) = words.iter().position(|word| word == "--seeds") {
                words[seeds + 1] = "1".to_owned();
            }
        }
        "sample" if !command.contains("--count") => words.extend(["--count", "9"].map(str::to_owned)),
        "evaluate" if !command.contains("--samples") => words.extend(["--samples", "32"].map(str::to_owned)),
        "report" => words = ["report", "a", "b"].map(str::to_owned).into(),
        "train" | "sample" | "evaluate" | "inspect" => {}
        _ => return None,
    }
    words.extend(more.into_iter().flat_map(|set| ["--set".to_owned(), set]));
    Some(words)
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

fn run(place: &Place, words: &[String]) -> Result<(), String> {
    let output = place.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{words:?}\n  {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The verbs that ran, and how many commands: in the order of the pages, in one folder, with the files that they speak of.
fn run_all(pages: &[&str]) -> (BTreeSet<String>, usize) {
    let place = Place::new();
    let normal = |shape: &[i64]| Seed(0).stream("x").at(0).normal(shape, Kind::Double, Device::Cpu).unwrap();
    let (points, labels) = (normal(&[400, 2]), Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5, 6, 7, 0]));
    for name in ["X.npz", "own.npz", "rings.npz"] {
        npz::write(&place.path(name), &[("data", &points, Element::F64)]).unwrap();
    }
    npz::write(&place.path("c.npz"), &[("c", &labels, Element::I64)]).unwrap();
    place.train_alone("a");
    let other = ["train", "tiny.toml", "--name", "b", "--set", "seed=4", "--set", "evaluate.baseline=false"];
    run(&place, &other.map(str::to_owned)).unwrap();
    let (mut done, mut faults): (Vec<Vec<String>>, _) = (vec![], vec![]);
    for name in pages {
        for command in commands(&page(name)) {
            let Some(words) = in_short(&command).filter(|words| !done.contains(words)) else { continue };
            let mut named = words.clone();
            if words[0] == "compare" && !command.contains("--name") {
                // Of one preset with other settings: another comparison.
                named.extend(["--name".to_owned(), format!("comparison-{}", done.len())]);
            }
            faults.extend(run(&place, &named).err().map(|fault| format!("{name}: {command}\n  {fault}")));
            done.push(words);
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    (done.iter().map(|words| words[0].clone()).collect(), done.len())
}

#[test]
fn the_commands_of_the_guides_run() {
    let (verbs, count) = run_all(&GUIDES);
    let all = ["compare", "evaluate", "inspect", "report", "sample", "train"];
    assert!(verbs.iter().map(String::as_str).eq(all) && count >= 20, "{count} commands: {verbs:?}");
}

#[test]
fn the_commands_that_numbers_name_run() {
    let (verbs, count) = run_all(&RESULTS);
    assert!(verbs.contains("compare") && count >= 15, "{count} commands: {verbs:?}");
}

/// A page's Python and the commands between it, in their order; within a block a command is a comment.
fn python_and_commands(text: &str) -> Vec<Result<String, String>> {
    let (mut found, mut block) = (vec![], None::<String>);
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```python") => block = Some(String::new()),
            (None, line) => found.extend(
                line.strip_prefix("    ").filter(|code| code.starts_with(BEGIN)).map(|code| Err(code.to_owned())),
            ),
            (Some(_), "```") => found.extend(block.take().map(Ok)),
            (Some(text), line) => match line.strip_prefix("# ").filter(|code| code.starts_with(BEGIN)) {
                Some(code) => found.extend([Ok(std::mem::take(text)), Err(code.to_owned())]),
                None => *text += &format!("{line}\n"),
            },
        }
    }
    found
}

/// The Python of the documents with the commands between, as it is read from top to bottom; what needs torch or onnx where they are.
#[test]
fn the_python_of_the_pages_runs() {
    for name in ["docs/guide/python.md", "crates/strait-io/python/README.md"] {
        let place = Place::new();
        let Some(mut asks) = python(&place) else {
            return say(
                "the documents' Python is not tested: STRAIT_PYTHON names no Python (`cargo xtask test` brings one)",
            );
        };
        let asked = "import importlib.util as i; print([n for n in ('torch', 'onnx') if i.find_spec(n) is None])";
        let absent = String::from_utf8(asks.args(["-c", asked]).output().unwrap().stdout).unwrap();
        let left_out = |line: &str| {
            let needs = [("torch", "torch"), ("torch", "module()"), ("onnx", "write_onnx")];
            needs.iter().any(|(package, word)| absent.contains(package) && line.contains(word))
        };
        let (mut program, mut ran) = (String::new(), 0);
        for step in python_and_commands(&page(name)) {
            match step {
                Err(command) => run(&place, &in_short(&command).unwrap()).unwrap(),
                // A block without torch is left out whole.
                Ok(block)
                    if block.contains("import torch") && left_out("torch")
                        || block.contains("torch.export") && left_out("torch") => {}
                Ok(block) => {
                    program.extend(block.lines().filter(|line| !left_out(line)).map(|line| format!("{line}\n")));
                    place.write("page.py", &program);
                    let output = python(&place).unwrap().arg("page.py").output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{name}:\n{program}\n{said}");
                    ran += 1;
                }
            }
        }
        assert!(ran >= 2, "{name}: {ran} blocks");
        if !absent.contains("onnx") {
            let run = fs::read_dir(place.path("runs")).unwrap().next().unwrap().unwrap().path();
            let export = python(&place).unwrap().args(["-m", "strait.export"]).arg(run).arg("export.onnx").status();
            assert!(export.unwrap().success() && place.path("export.onnx").is_file(), "{name}");
        }
    }
}

#[test]
fn python_is_found_with_the_commands_between() {
    let text = "```python\na\n# cargo xtask train x\nb\n```\n    cargo xtask sample x\n```toml\nc\n```\n";
    let [python, command] = [|text: &str| Ok(text.to_owned()), |text: &str| Err(text.to_owned())];
    let steps = [python("a\n"), command("cargo xtask train x"), python("b\n"), command("cargo xtask sample x")];
    assert_eq!(python_and_commands(text), steps);
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
