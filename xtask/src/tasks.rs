//! The commands of a developer: tests, benches, documentation, and the checks that a change must pass.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::cache::Cache;
use crate::data::{self, DataSet};
use crate::failure::{Failure, Result};
use crate::gloo;
use crate::libtorch;
use crate::mathematics;
use crate::memory;
use crate::python_environment::PythonEnvironment;
use crate::workspace::{Workspace, exit_code};

/// `cargo xtask test [ARGUMENTS...]`
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let workspace = ready()?;
    let folder = digits()?;
    let whole = scope(arguments);
    let features = if whole.is_some() { gloo::features(&workspace, &Cache::of_user()?) } else { vec![] };
    // Without it all but the Python package is tested.
    let python = PythonEnvironment::for_tests(&Cache::of_user()?);
    let tests = |more: &[&str]| {
        let mut tests = workspace.cargo(&["test"]);
        // Cargo refuses a flag that stands twice.
        let more = more.iter().filter(|&&word| arguments.iter().all(|argument| argument != word));
        tests.args(whole).args(&features).args(more).args(arguments);
        // Tests run side by side already: more threads within each would fight over the cores.
        tests.env("OMP_NUM_THREADS", "1").env("STRAIT_DATA", &folder);
        python.iter().for_each(|python| python.tell(&mut tests));
        tests
    };
    if whole.is_some() && !chooses_targets(arguments) {
        return side_by_side(&workspace, tests);
    }
    let mut chosen = tests(&[]);
    chosen.envs(memory::for_tests());
    workspace.step("cargo test", chosen)
}

/// The tests of the program, those of all other crates, and those of the documentation, beside each other: tests wait for processes,
/// for the disk and for their turn at a derivative, and cargo itself runs one program after another. Those of the program, which
/// take longest, are seen as they run; the others are printed at the end.
fn side_by_side(workspace: &Workspace, tests: impl Fn(&[&str]) -> Command) -> Result<()> {
    workspace.step("the build of the tests", tests(&["--no-run"]))?;
    let suites = |runner: &str| {
        // A crate that fails hides no other.
        let mut suites = tests(&["--no-fail-fast", "--lib", "--bins", "--tests", "--config", runner]);
        suites.envs(memory::for_tests());
        suites
    };
    let begun = |name, mut command: Command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().into();
        let child = command.spawn().map_err(|error| Failure::Start { program, error })?;
        Ok::<_, Failure>((name, thread::spawn(|| child.wait_with_output())))
    };
    let others = [
        begun("tests of the other crates", suites(&of_the_program(false)))?,
        begun("tests of the documentation", tests(&["--no-fail-fast", "--doc"]))?,
    ];
    let mut done = workspace.step("cargo test", suites(&of_the_program(true)));
    for (name, other) in others {
        let output = other.join().expect("a thread that waits");
        let output = output.map_err(|error| Failure::Start { program: "cargo".into(), error })?;
        announce(name);
        let _ = io::stdout().write_all(&output.stdout).and_then(|()| io::stderr().write_all(&output.stderr));
        let code = exit_code(output.status);
        done = done.and(if code == 0 { Ok(()) } else { Err(Failure::Step { name, code }) });
    }
    done
}

/// What makes cargo run the tests of the program alone, or all others: how it starts a program of tests. What is built is the same.
fn of_the_program(own: bool) -> String {
    format!("target.'cfg(unix)'.runner = [\"sh\", \"-c\", \"{}\"]", starts(own).replace('"', "\\\""))
}

fn starts(own: bool) -> String {
    let but = if own { "!" } else { "" };
    format!(r#"[ {but} "$CARGO_PKG_NAME" = strait ] || exec "$0" "$@""#)
}

/// Whether arguments of cargo say which targets are tested, or that none is run.
fn chooses_targets(arguments: &[String]) -> bool {
    let mut of_cargo = arguments.iter().take_while(|word| *word != "--");
    of_cargo.any(|word| {
        let word = word.split('=').next().unwrap_or_default();
        ["--lib", "--bins", "--bin", "--tests", "--test", "--examples", "--example", "--benches", "--bench"]
            .contains(&word)
            || ["--all-targets", "--doc", "--no-run", "--help", "-h"].contains(&word)
    })
}

/// The whole workspace, unless the arguments choose packages: beside `--workspace` cargo would ignore the choice.
fn scope(arguments: &[String]) -> Option<&'static str> {
    let mut of_cargo = arguments.iter().take_while(|word| *word != "--");
    let chooses = |word: &String| ["-p", "--package", "--manifest-path"].iter().any(|option| word.starts_with(option));
    (!of_cargo.any(chooses)).then_some("--workspace")
}

/// What the test program of a package takes to run the tests of a file.
fn of_file(name: &str) -> String {
    format!("{name}::")
}

/// The files of tests that break the program from outside.
const DRILL: [&str; 3] = ["drill", "signals", "records"];

/// `cargo xtask drill`
pub(crate) fn drill() -> Result<()> {
    let workspace = ready()?;
    let mut tests = workspace.cargo(&["test", "--package", "strait", "--test", "suite", "--", "--nocapture"]);
    tests.args(DRILL.map(of_file));
    tests.env("OMP_NUM_THREADS", "1").env("STRAIT_DRILL", "long").envs(memory::for_tests());
    workspace.step("the drill", tests)
}

/// The tests of hostile inputs: a table of them, and those that a seed makes.
const HOSTILE: [&str; 2] = ["hostile", "inputs"];

/// `cargo xtask hostile [NUMBER]`
pub(crate) fn hostile(arguments: &[String]) -> Result<()> {
    let (variable, number) = match arguments {
        [] => ("STRAIT_INPUTS", "1000"),
        [number] if number.parse::<u32>().is_ok() => ("STRAIT_INPUT", number.as_str()),
        _ => return Err(Failure::Usage { usage: "hostile [NUMBER]" }),
    };
    let workspace = ready()?;
    let mut tests = workspace.cargo(&["test", "--package", "strait", "--test", "suite", "--", "--nocapture"]);
    tests.args(HOSTILE.map(of_file));
    tests.env("OMP_NUM_THREADS", "1").env(variable, number).envs(memory::for_tests());
    workspace.step("hostile inputs", tests)
}

/// `cargo xtask fuzz [TARGET] [--seconds N]`
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let (target, seconds) = fuzzed(arguments)?;
    let workspace = ready()?;
    let mut tests =
        workspace.cargo(&["test", "--package", "strait", "--test", "suite", "fuzz::no_reader", "--", "--nocapture"]);
    tests.env("OMP_NUM_THREADS", "1").env("STRAIT_FUZZ_SECONDS", seconds).envs(memory::for_tests());
    if let Some(target) = target {
        tests.env("STRAIT_FUZZ_TARGET", target);
    }
    workspace.step("fuzzing", tests)
}

/// The target, where one is named, and for how many seconds each is run.
fn fuzzed(arguments: &[String]) -> Result<(Option<&str>, &str)> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (target, seconds) = match *words {
        [] => (None, "600"),
        [target] if !target.starts_with('-') => (Some(target), "600"),
        ["--seconds", seconds] => (None, seconds),
        [target, "--seconds", seconds] | ["--seconds", seconds, target] => (Some(target), seconds),
        _ => (None, ""),
    };
    if seconds.parse::<u64>().is_err() {
        return Err(Failure::Usage { usage: "fuzz [TARGET] [--seconds N]" });
    }
    Ok((target, seconds))
}

/// `cargo xtask docs`
pub(crate) fn docs() -> Result<()> {
    let workspace = ready()?;
    workspace.step("cargo doc", documentation(&workspace))?;
    let crates = workspace.target().join("doc");
    drawn(&crates)?;
    say!("{}", crates.join("strait/index.html").display());
    let Some(mut mdbook) = mdbook() else {
        tell!(
            "the book is left out, for there is no mdbook; cargo install mdbook@{MDBOOK} --locked --no-default-features -F search"
        );
        return Ok(());
    };
    let book = workspace.target().join("book");
    mdbook.arg("build").arg(workspace.root().join("docs")).arg("--dest-dir").arg(&book);
    workspace.step("mdbook", mdbook)?;
    drawn(&book)?;
    say!("{}", book.join("index.html").display());
    Ok(())
}

/// What the book is tested with.
const MDBOOK: &str = "0.5.4";

/// The user's own.
fn mdbook() -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    let program = std::env::split_paths(&path).map(|folder| folder.join("mdbook")).find(|program| program.is_file())?;
    Some(Command::new(program))
}

fn drawn(folder: &Path) -> Result<()> {
    mathematics::draw(folder)?.iter().for_each(|line| tell!("{line}"));
    Ok(())
}

fn documentation(workspace: &Workspace) -> Command {
    let mut documentation = workspace.cargo(&["doc", "--no-deps", "--workspace"]);
    // In place of the rustdocflags of .cargo/config.toml, which only documentation tests need.
    documentation.env("CARGO_ENCODED_RUSTDOCFLAGS", "-D\x1fwarnings");
    documentation
}

/// `cargo xtask ci`: the cheapest check first; the first that fails ends it.
pub(crate) fn ci() -> Result<()> {
    let workspace = Workspace::of_cargo();
    announce("rustfmt");
    workspace.step("rustfmt", workspace.cargo(&["fmt", "--all", "--check"]))?;
    announce("floors, tidiness and xtask's own tests");
    workspace.step("the test of xtask", workspace.cargo(&["test", "--quiet", "--package", "xtask"]))?;
    ready()?;
    announce("clippy");
    let mut clippy = workspace.cargo(&["clippy", "--workspace", "--all-targets"]);
    clippy.args(gloo::features(&workspace, &Cache::of_user()?)).args(["--", "-D", "warnings"]);
    workspace.step("clippy", clippy)?;
    announce("tests");
    // Every failure is seen, and not the first executable's alone.
    let arguments = ["--no-fail-fast", "--exclude", "xtask"].map(str::to_owned);
    test(&arguments)?;
    announce("documentation");
    workspace.step("the documentation", documentation(&workspace))?;
    announce("all of it holds");
    Ok(())
}

fn announce(step: &str) {
    tell!("\n== {step}");
}

pub(crate) fn ready() -> Result<Workspace> {
    let workspace = Workspace::of_cargo();
    libtorch::ensure(&workspace, &Cache::of_user()?, false)?;
    Ok(workspace)
}

pub(crate) fn digits() -> Result<std::path::PathBuf> {
    let cache = Cache::of_user()?;
    let folder = data::folder(&cache);
    DataSet::named("digits")?.ensure(&cache, &folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::Sandbox;

    #[test]
    fn packages_that_the_user_chooses_are_not_joined_by_the_whole_workspace() {
        let scope = |words: &str| scope(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for all in ["", "euler --release", "--exclude xtask", "--profile release", "-- -p", "-- --package x"] {
            assert_eq!(scope(all), Some("--workspace"), "{all}");
        }
        for some in [
            "-p xtask",
            "-pxtask",
            "--release --package xtask",
            "--package=xtask -- cache",
            "--manifest-path xtask/Cargo.toml",
            "--manifest-path=xtask/Cargo.toml",
        ] {
            assert_eq!(scope(some), None, "{some}");
        }
    }

    #[test]
    fn tests_of_the_documentation_run_beside_the_others_where_nobody_chooses() {
        let chooses = |words: &str| chooses_targets(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for some in ["--lib", "euler --test suite", "--test=suite", "--doc", "--release --no-run", "--help"] {
            assert!(chooses(some), "{some}");
        }
        for all in ["", "euler", "--release --no-fail-fast", "--exclude xtask", "-- --test-threads 1 --doc"] {
            assert!(!chooses(all), "{all}");
        }
        let sandbox = Sandbox::new();
        let tests = |more: &[&str]| {
            let mut tests = sandbox.workspace.cargo(&["test", "--workspace"]);
            tests.args(more);
            tests
        };
        side_by_side(&sandbox.workspace, tests).unwrap();
        let mut calls = sandbox.cargo_calls();
        assert_eq!(calls.remove(0), "test --workspace --no-run");
        calls.sort();
        assert_eq!(calls.remove(0), "test --workspace --no-fail-fast --doc");
        let suites = [false, true].map(|own| {
            format!("test --workspace --no-fail-fast --lib --bins --tests --config {}", of_the_program(own))
        });
        assert!(calls.len() == 2 && suites.iter().all(|call| calls.contains(call)), "{calls:?}");
        // Each fails all.
        for (fails, name) in
            [("--doc", "tests of the documentation"), ("--lib", "cargo test"), ("--no-run", "the build of the tests")]
        {
            let failing = |more: &[&str]| {
                let mut tests = Command::new("sh");
                tests.args(["-c", "for word; do [ \"$word\" != \"$0\" ] || exit 7; done", fails]).args(more);
                tests
            };
            let failure = side_by_side(&sandbox.workspace, failing).unwrap_err();
            assert_eq!(failure.to_string(), format!("{name} failed (exit code 7)"));
        }
    }

    #[test]
    fn the_program_and_all_else_are_tested_by_one_command_each() {
        let ran = |own, package: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &starts(own), "printf", "%s,", "ran", "a b"]).env("CARGO_PKG_NAME", package);
            let output = shell.output().unwrap();
            assert!(output.status.success(), "what is left to the other command is no failure");
            String::from_utf8(output.stdout).unwrap()
        };
        for (package, own) in [("strait", true), ("strait-ode", false), ("xtask", false)] {
            assert_eq!((ran(own, package).as_str(), ran(!own, package).as_str()), ("ran,a b,", ""), "{package}");
        }
        let runner = of_the_program(true);
        assert!(
            runner.ends_with(r#"["sh", "-c", "[ ! \"$CARGO_PKG_NAME\" = strait ] || exec \"$0\" \"$@\""]"#),
            "{runner}"
        );
    }

    #[test]
    fn the_drills_are_made_of_tests_that_are_there() {
        let suite = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/strait/tests/suite.rs");
        let suite = std::fs::read_to_string(suite).unwrap();
        assert!(DRILL.iter().chain(&HOSTILE).all(|name| suite.contains(&format!("\nmod {name};\n"))));
    }

    #[test]
    fn the_documentation_is_built_strictly() {
        let sandbox = Sandbox::new();
        let documentation = documentation(&sandbox.workspace);
        let value = |name: &str| documentation.get_envs().find(|(key, _)| *key == name)?.1?.to_str();
        assert_eq!(value("CARGO_ENCODED_RUSTDOCFLAGS"), Some("-D\x1fwarnings"));
    }
}
