//! Tidiness that no compiler checks, over every file of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The folders of the crates, `xtask` and `benches` included.
fn packages() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let packages: Vec<PathBuf> = crates.chain([root().join("xtask"), root().join("benches")]).collect();
    packages.into_iter().filter(|folder| folder.join("Cargo.toml").exists()).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What is untidy in one source, in words.
fn untidy(path: &str, source: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = source.lines().count();
    if lines > LONGEST {
        findings.push(format!("{path}: {lines} lines, and {LONGEST} is the most"));
    }
    // Split, so that this file may name them.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let places = ["home", "root", "Users", "work", "workspace"].map(|name| format!("/{name}/"));
    let dangerous = concat!("uns", "afe");
    let may_be_dangerous =
        ["autodiff", "kernels", "distributed"].iter().any(|name| path.starts_with(&format!("crates/strait-{name}/")));
    for (number, line) in source.lines().enumerate() {
        let mut report = |what: &str| findings.push(format!("{path}:{}: {what}", number + 1));
        if let Some(word) = unfinished.iter().find(|word| line.contains(**word)) {
            report(word);
        }
        if let Some(place) = places.iter().find(|place| names_a_machine(line, place)) {
            report(&format!("a path of one machine ({place})"));
        }
        let code = line.split("//").next().unwrap_or_default();
        let words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        if !may_be_dangerous && words.into_iter().any(|word| word == dangerous) {
            report("unsafe code outside strait-autodiff, strait-kernels and strait-distributed");
        }
    }
    findings
}

/// Whether an absolute path begins with `place`, and not some longer relative one; `/home/me` is nobody's.
fn names_a_machine(line: &str, place: &str) -> bool {
    let inside = |before: &str| before.ends_with(|letter: char| letter.is_alphanumeric() || "._-}".contains(letter));
    line.match_indices(place).any(|(at, _)| !inside(&line[..at]) && !line[at..].starts_with("/home/me"))
}

/// Files of a package's folder `tests` that no test program holds.
fn forgotten(files: &[&str], suite: &str, manifest: &str) -> Vec<String> {
    let held = |name: &str| suite.lines().any(|line| line == format!("mod {name};"));
    let own = |name: &str| manifest.contains(&format!("path = \"tests/{name}.rs\""));
    let names = files.iter().filter_map(|file| file.strip_suffix(".rs"));
    names.filter(|name| !held(name) && !own(name)).map(str::to_owned).collect()
}

/// `tests/suite.rs` is one program of a package's tests; cargo itself looks for none where the manifest says so.
#[test]
fn every_file_of_tests_is_run() {
    for package in packages() {
        let Ok(entries) = fs::read_dir(package.join("tests")) else { continue };
        let files: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let read = |name: &str| fs::read_to_string(package.join(name)).unwrap();
        let found = forgotten(&files, &read("tests/suite.rs"), &read("Cargo.toml"));
        assert!(found.is_empty(), "not in {}/tests/suite.rs: {}", package.display(), found.join(", "));
    }
    let manifest = "[[test]]\npath = \"tests/suite.rs\"";
    assert_eq!(forgotten(&["a.rs", "ab.rs", "suite.rs", "common"], "mod a;\n", manifest), ["ab"]);
}

#[test]
fn every_source_is_tidy() {
    let mut files = Vec::new();
    packages().iter().for_each(|package| rust_files(package, &mut files));
    assert!(files.len() > 20, "the walk finds the sources");
    let tidy = root().join("xtask/tests/tidy.rs");
    let findings: Vec<String> = files
        .iter()
        .filter(|path| **path != tidy)
        .flat_map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            untidy(&name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_crate_has_a_readme_and_the_workspaces_lints() {
    for package in packages() {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let lints = manifest.split_once("[lints]").map(|(_, rest)| rest.trim_start().starts_with("workspace = true"));
        assert_eq!(lints, Some(true), "{}: [lints] workspace = true", package.display());
        if package != root().join("benches") {
            let readme = fs::read_to_string(package.join("README.md")).unwrap_or_default();
            assert!(readme.trim().len() > 100, "{}: a README.md that says something", package.display());
        }
    }
}

#[test]
fn the_libtorch_that_xtask_fetches_is_the_one_that_tch_pairs_with() {
    let manifest = root().join("Cargo.toml");
    let metadata = cargo_metadata::MetadataCommand::new().manifest_path(manifest).exec().unwrap();
    let torch_sys = metadata.packages.iter().find(|package| package.name.as_str() == "torch-sys").unwrap();
    let build = fs::read_to_string(torch_sys.manifest_path.parent().unwrap().join("build.rs")).unwrap();
    let table = fs::read_to_string(root().join("xtask/src/libtorch/table.rs")).unwrap();
    let version = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    };
    assert_eq!(version(&table, "const PAIRED: &str"), version(&build, "const TORCH_VERSION: &str"));
}

#[test]
fn each_kind_of_untidiness_is_noticed() {
    let places = ["crates/strait-ode/src/lib.rs", "crates/strait-autodiff/src/ffi.rs"];
    for (source, findings) in [
        ("fn main() {}", [0, 0]),
        ("// TODO: later", [1, 1]),
        ("    todo!()", [1, 1]),
        ("unsafe { x() }", [1, 0]),
        ("// what is unsafe in words\nlet unsafe_code = 1;", [0, 0]),
        ("let path = \"/home/ann/data\";", [1, 1]),
        ("let path = \"/home/me/data\";", [0, 0]),
        ("let path = format!(\"{root}/home/x\");", [0, 0]),
    ] {
        assert_eq!(places.map(|place| untidy(place, source).len()), findings, "{source}");
    }
    assert_eq!(untidy(places[0], &"\n".repeat(LONGEST)).len(), 0);
    assert_eq!(untidy(places[0], &"\n".repeat(LONGEST + 1)).len(), 1);
}
