//! Each published crate is complete by itself: it has the fields that a registry requires, its package holds each file that
//! its sources and its build script name, with the licences, and its README has one short example that runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use cargo_metadata::{MetadataCommand, Package};

fn published() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    metadata.packages.into_iter().filter(|package| package.publish.as_ref() != Some(&vec![])).collect()
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().unwrap().as_std_path().to_owned()
}

/// The files that `cargo package` puts together.
fn packaged(package: &Package) -> BTreeSet<String> {
    let mut list = Command::new(env!("CARGO"));
    list.args(["package", "--list", "--allow-dirty", "--quiet", "--manifest-path"]).arg(&package.manifest_path);
    let output = list.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Where a path leads that a file names, below the package; `../` where it leads out of it.
fn target(file: &str, named: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    let joined = Path::new(file).parent().unwrap().join(named);
    for part in joined.components() {
        match part {
            Component::ParentDir if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part.as_os_str().to_str().unwrap()),
        }
    }
    parts.join("/")
}

/// What a file of the package takes in: Rust sources with the tests in them, the build script's sources and headers of C++.
fn named(file: &str, text: &str) -> Vec<String> {
    let after = |text: &str, word: &str| -> Vec<String> {
        text.split(word).skip(1).filter_map(|rest| rest.split_once('"')).map(|(path, _)| path.to_owned()).collect()
    };
    let words: &[&str] = match file.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "rs" if file == "build.rs" => &[".file(\""],
        "rs" if ["src/", "tests/", "examples/"].iter().any(|folder| file.starts_with(folder)) => {
            &["include_str!(\"", "include_bytes!(\"", "include!(\"", "#[path = \""]
        }
        "cc" | "h" => &["#include \""],
        _ => &[],
    };
    words.iter().flat_map(|word| after(text, word)).collect()
}

/// What a package lacks: files that those in it name, and what each must have. Headers may be another package's, whose build
/// script tells of their folder.
fn lacks(files: &BTreeMap<String, String>, headers: &BTreeSet<String>) -> Vec<String> {
    let must = ["Cargo.toml", "README.md", "LICENSE-APACHE", "LICENSE-MIT", "src/lib.rs"];
    let mut lacking: Vec<String> =
        must.iter().filter(|name| !files.contains_key(**name)).map(|name| format!("it has no {name}")).collect();
    for (file, text) in files {
        for name in named(file, text) {
            if !files.contains_key(&target(file, &name)) && !headers.contains(&name) {
                lacking.push(format!("{file} takes in {name}, which is not packaged"));
            }
        }
    }
    lacking
}

/// Lines of the longest Rust example.
fn longest_example(readme: &str) -> usize {
    let examples = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split_once("```"));
    examples.map(|(example, _)| example.lines().count()).max().unwrap_or(0)
}

#[test]
fn what_a_registry_asks_for_is_there() {
    let published = published();
    assert!(published.len() > 12, "the crates are found");
    let mut descriptions = BTreeSet::new();
    for package in published {
        let description = package.description.clone().unwrap_or_default();
        assert!(description.ends_with('.') && description.len() > 20, "{}: {description:?}", package.name);
        assert!(descriptions.insert(description), "{} is described as another crate", package.name);
        // The font is under a licence of its own.
        let licence = if package.name.as_str() == "strait-report" {
            "(MIT OR Apache-2.0) AND OFL-1.1"
        } else {
            "MIT OR Apache-2.0"
        };
        assert_eq!(package.license.as_deref(), Some(licence), "{}", package.name);
        assert!(!package.keywords.is_empty() && !package.categories.is_empty(), "{}", package.name);
        assert!(package.rust_version.is_some(), "{}", package.name);
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            assert!(dependency.req.to_string() != "*", "{} takes any version of {}", package.name, dependency.name);
        }
    }
}

#[test]
fn each_package_is_whole() {
    let published = published();
    let autodiff = published.iter().find(|package| package.name.as_str() == "strait-autodiff").unwrap();
    let headers =
        packaged(autodiff).iter().filter_map(|path| path.strip_prefix("native/").map(str::to_owned)).collect();
    for package in &published {
        let text = |path: String| {
            let text = fs::read_to_string(folder(package).join(&path)).unwrap_or_default();
            (path, text)
        };
        let files: BTreeMap<String, String> = packaged(package).into_iter().map(text).collect();
        assert!(files.len() > 8, "{}", package.name);
        assert_eq!(lacks(&files, &headers), Vec::<String>::new(), "{}", package.name);
    }
}

#[test]
fn each_front_page_has_one_short_example_that_runs() {
    for package in published() {
        let readme = fs::read_to_string(folder(&package).join("README.md")).unwrap();
        let lines = longest_example(&readme);
        assert!((1..40).contains(&lines), "{} has an example of {lines} lines", package.name);
        let front = fs::read_to_string(folder(&package).join("src/lib.rs")).unwrap();
        assert!(front.contains("#![doc = include_str!(\"../README.md\")]"), "no doctest is made of {}'s", package.name);
    }
}

#[test]
fn each_fault_is_noticed() {
    let whole = [
        ("Cargo.toml", ""),
        ("README.md", ""),
        ("LICENSE-APACHE", ""),
        ("LICENSE-MIT", ""),
        ("build.rs", "native.file(\"native/a.cc\")"),
        ("native/a.cc", "#include <vector>\n#include \"common.h\"\n#include \"a.h\""),
        ("native/a.h", ""),
        ("src/lib.rs", "#![doc = include_str!(\"../README.md\")]"),
        ("src/deep/b.rs", "include_bytes!(\"../c.bin\")"),
        ("src/c.bin", ""),
    ];
    let headers = BTreeSet::from(["common.h".to_owned()]);
    let with = |path: &str, text: &str| {
        let files = whole.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let mut files: BTreeMap<String, String> = files.filter(|(other, _)| other != path).collect();
        files.extend((!text.is_empty()).then(|| (path.to_owned(), text.to_owned())));
        lacks(&files, &headers)
    };
    assert_eq!(with("src/d.rs", "mod e;"), Vec::<String>::new());
    for (path, text, said) in [
        ("LICENSE-MIT", "", "it has no LICENSE-MIT"),
        ("native/a.cc", "", "build.rs takes in native/a.cc, which is not packaged"),
        ("native/a.h", "", "native/a.cc takes in a.h, which is not packaged"),
        ("src/c.bin", "", "src/deep/b.rs takes in ../c.bin, which is not packaged"),
        ("src/d.rs", "include!(\"../../docs/a.md\")", "src/d.rs takes in ../../docs/a.md, which is not packaged"),
        (
            "src/d.rs",
            "#[cfg(test)] include_str!(\"../../a.md\")",
            "src/d.rs takes in ../../a.md, which is not packaged",
        ),
        ("tests/d.rs", "#[path = \"../../a/b.rs\"]", "tests/d.rs takes in ../../a/b.rs, which is not packaged"),
    ] {
        assert_eq!(with(path, text), [said]);
    }
    assert_eq!(longest_example("```rust\na\nb\n```\n```text\na\n```"), 2);
    assert_eq!(longest_example("text"), 0);
}
