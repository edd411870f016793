//! Rules for imports: the program's stages import in one direction, no files import each other in a circle, C++
//! is only in a few crates, and no code is written twice.

use crate::sources::{Arrow, Crate, circles, files, root};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The stages of the program, each with those that it may import. What stands at the root (errors) all may.
const STAGES: [(&str, &[&str]); 8] = [
    ("config", &[]),
    ("run", &["config"]),
    ("build", &["config"]),
    ("training", &["config", "run", "build"]),
    ("evaluation", &["config", "run", "build", "training"]),
    ("comparison", &["config", "run", "evaluation"]),
    ("page", &["config", "run", "evaluation"]),
    ("cli", &["config", "run", "build", "training", "evaluation", "comparison", "page"]),
];

/// Crates that a stage must do without: a page is drawn of what was measured, with no model and no solver.
const WITHOUT: [(&str, &[&str]); 3] = [
    ("page", &["strait_flows", "strait_nets", "strait_ode", "strait_optim", "strait_paths", "strait_transport"]),
    ("comparison", &["strait_flows", "strait_nets", "strait_ode", "strait_paths", "strait_transport"]),
    ("run", &["strait_flows", "strait_nets", "strait_ode", "strait_paths", "strait_transport"]),
];

/// The crates with C++ in them, where they are there.
const NATIVE: [&str; 3] = ["strait-autodiff", "strait-kernels", "strait-distributed"];

/// As many lines of code are written once.
const REPEATED: usize = 12;

/// Crates with circles of files, and files with repetitions, that stand against the rules still. These lists only shrink.
const CIRCLES: [&str; 0] = [];
const REPETITIONS: [&str; 0] = [];

fn stage(path: &str) -> Option<&str> {
    path.split_once('/').map(|(stage, _)| stage)
}

fn table<'a>(table: &[(&'a str, &'a [&'a str])], stage: &str) -> &'a [&'a str] {
    table.iter().find(|(name, _)| *name == stage).map_or(&[], |(_, row)| row)
}

/// What breaks the order of stages, in words.
fn breaches(program: &Crate) -> Vec<String> {
    let mut found = vec![];
    for Arrow { from, to, path, .. } in program.arrows() {
        let (Some(here), Some(there)) = (stage(&from), stage(&to)) else { continue };
        if here != there && !table(&STAGES, here).contains(&there) {
            found.push(format!("{from} imports {path}: {here} never imports {there}"));
        }
    }
    for (from, path) in program.foreign() {
        let name = path.split("::").next().unwrap_or_default();
        if stage(&from).is_some_and(|here| table(&WITHOUT, here).contains(&name)) {
            found.push(format!("{from} imports {path}: its stage does without {name}"));
        }
    }
    found
}

fn crates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.push(root().join("xtask"));
    folders.sort();
    folders
}

/// C++ outside the crates that may have it.
fn native(paths: &[String]) -> Vec<&String> {
    let is_native = |path: &&String| {
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ["c", "cc", "cpp", "cu", "cuh", "cxx", "h", "hpp"].contains(&extension)
    };
    let may = |path: &str| NATIVE.iter().any(|name| path.starts_with(&format!("crates/{name}/")));
    paths.iter().filter(is_native).filter(|path| !may(path)).collect()
}

/// The lines of code of a source, with their numbers: no blank ones, no comments, no tests.
fn code(text: &str) -> Vec<(usize, &str)> {
    let mut lines = text.lines().enumerate();
    let mut code = vec![];
    while let Some((number, line)) = lines.next() {
        if line == "#[cfg(test)]" {
            // To the end of what it stands before, an item of one line or a block.
            let item = lines.by_ref().find(|(_, line)| !line.starts_with('#'));
            if item.is_some_and(|(_, line)| !line.ends_with([';', '}'])) {
                lines.by_ref().find(|(_, line)| *line == "}");
            }
            continue;
        }
        let line = line.trim();
        if !line.is_empty() && !line.starts_with("//") {
            code.push((number + 1, line));
        }
    }
    code
}

/// Places of as many identical lines of code as are written once at most, in words.
fn repeated(sources: &[(String, String)]) -> Vec<String> {
    let mut seen: HashMap<Vec<&str>, (usize, usize)> = HashMap::new();
    let mut found = vec![];
    for (index, (path, text)) in sources.iter().enumerate() {
        let code = code(text);
        // A place is told of once, at its first line.
        let mut until = 0;
        for (at, lines) in code.windows(REPEATED).enumerate() {
            let number = lines[0].0;
            let lines: Vec<&str> = lines.iter().map(|(_, line)| *line).collect();
            match seen.get(&lines) {
                Some(&(other, line)) if at >= until && (other, line) != (index, number) => {
                    found.push(format!("{path}:{number} repeats {}:{line}", sources[other].0));
                    until = at + REPEATED;
                }
                Some(_) => {}
                None => {
                    seen.insert(lines, (index, number));
                }
            }
        }
    }
    found
}

#[test]
fn the_programs_stages_import_in_one_direction() {
    let program = Crate::read(&root().join("crates/strait")).unwrap();
    assert_eq!(breaches(&program), Vec::<String>::new());
    for (stage, may) in STAGES {
        let mut own = program.arrows().into_iter().filter(|Arrow { from, to, .. }| {
            self::stage(from) == Some(stage) && self::stage(to).is_some_and(|there| may.contains(&there))
        });
        assert!(may.is_empty() || own.next().is_some(), "{stage} is no stage, or imports nothing");
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = vec![];
    for folder in crates() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Some(sources) = Crate::read(&folder) else { continue };
        if CIRCLES.contains(&name.as_str()) {
            continue;
        }
        found.extend(circles(&sources.arrows()).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn native_code_stands_in_few_crates() {
    assert_eq!(native(&files(&root())), Vec::<&String>::new());
}

#[test]
fn nothing_is_written_twice() {
    let is_source = |path: &String| {
        path.ends_with(".rs") && path.contains("/src/") && !path.contains("/tests/") && !path.ends_with("/tests.rs")
    };
    let sources: Vec<(String, String)> = files(&root())
        .into_iter()
        .filter(is_source)
        .map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap()))
        .collect();
    assert!(sources.len() > 100, "the walk finds the sources");
    let mut found = repeated(&sources);
    found.retain(|place| !REPETITIONS.iter().any(|path| place.starts_with(&format!("{path}:"))));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn each_breach_of_the_stages_is_noticed() {
    let rest = [
        ("lib.rs", "pub mod config; pub mod training; pub mod evaluation; pub mod page; mod error; pub use error::E;"),
        ("error.rs", "use crate::config::Config; pub struct E(Config);"),
        ("config/mod.rs", "mod read; pub use read::Config;"),
        ("config/read.rs", "pub struct Config;"),
        ("evaluation/mod.rs", "pub mod grids; pub fn measure() {}"),
        ("evaluation/grids.rs", "use crate::config::Config; use crate::training; pub fn grid(_: Config) {}"),
        ("page/mod.rs", "use crate::evaluation::grids::grid; pub fn page() { grid(todo) }"),
    ];
    let with = |path: &'static str, text: &'static str| {
        let others = rest.iter().filter(|(other, _)| *other != path).copied();
        breaches(&Crate::new(others.chain([("training/mod.rs", "use crate::E;"), (path, text)])))
    };
    assert_eq!(with("training/mod.rs", "use crate::{E, config::Config};"), Vec::<String>::new());
    for text in [
        "use crate::evaluation::measure;",
        "use crate::{E, evaluation};",
        "use super::evaluation::grids;",
        "pub use crate::evaluation::measure;",
        "fn f() { crate::evaluation::measure() }",
        "fn f(x: Option<crate::evaluation::grids::Grid>) {}",
    ] {
        assert_eq!(with("training/mod.rs", text).len(), 1, "{text}");
    }
    // What tests alone import is no arrow.
    assert!(with("training/mod.rs", "#[cfg(test)] mod tests { use crate::evaluation::measure; }").is_empty());
    for text in ["use strait_ode::Method;", "fn f() { strait_ode::solve() }", "use crate::training::run;"] {
        assert_eq!(with("page/mod.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn each_circle_is_noticed() {
    let circle = |sources: &[(&'static str, &'static str)]| circles(&Crate::new(sources.iter().copied()).arrows());
    let a = ("a.rs", "use crate::b::B; pub struct A(B);");
    assert_eq!(circle(&[("lib.rs", "mod a; mod b;"), a, ("b.rs", "pub struct B;")]), Vec::<String>::new());
    assert_eq!(
        circle(&[("lib.rs", "mod a; mod b;"), a, ("b.rs", "fn f(_: crate::a::A) {}")]),
        ["a.rs -> b.rs -> a.rs"]
    );
    // Through re-exports, and through what a parent defines and a child takes.
    let lib = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;");
    assert_eq!(
        circle(&[lib, ("a.rs", "use crate::B; pub struct A;"), ("b.rs", "use crate::A; pub struct B;")]).len(),
        1
    );
    let child = ("a.rs", "use super::Shared; pub struct A(Shared);");
    assert!(circle(&[("lib.rs", "mod a; pub use a::A; pub struct Shared;"), child]).is_empty());
    assert_eq!(circle(&[("lib.rs", "mod a; pub use a::A; pub struct Shared; fn f(_: A) {}"), child]).len(), 1);
    assert_eq!(circle(&[("lib.rs", "mod a; pub struct Shared; fn f() { a::g() }"), child]).len(), 1);
}

#[test]
fn native_code_elsewhere_is_noticed() {
    let paths = ["crates/strait-ode/native/fast.cc", "crates/strait-autodiff/native/jet.h", "docs/a.h.md"];
    assert_eq!(native(&paths.map(str::to_owned)), ["crates/strait-ode/native/fast.cc"]);
}

#[test]
fn each_repetition_is_noticed() {
    let lines = |n: usize| (0..n).map(|i| format!("    let x{i} = {i};\n\n    // why\n")).collect::<String>();
    let source = |name: &str, text: String| (name.to_owned(), text);
    let first = source("a.rs", format!("fn f() {{\n{}}}\n", lines(REPEATED)));
    assert!(repeated(std::slice::from_ref(&first)).is_empty());
    let second =
        source("b.rs", format!("fn g() {{\n    let before = 1;\n{}}}\n", lines(REPEATED).replace("    ", "  ")));
    assert_eq!(repeated(&[first.clone(), second]), ["b.rs:3 repeats a.rs:2"]);
    let shorter = source("b.rs", format!("fn g() {{\n{}    0\n}}\n", lines(REPEATED - 1)));
    assert!(repeated(&[first.clone(), shorter]).is_empty());
    let tests = source("b.rs", format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines(REPEATED)));
    assert!(repeated(&[first, tests]).is_empty());
}
