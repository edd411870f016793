//! Each published crate is complete by itself: it has the fields that a registry requires, its sources use no file
//! outside of it, and its README has an example.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{MetadataCommand, Package};

fn published() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    metadata.packages.into_iter().filter(|package| package.publish.as_ref() != Some(&vec![])).collect()
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().unwrap().as_std_path().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Files outside of `folder` that a source includes, but those that only its tests do.
fn strays(folder: &Path, source: &Path, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let included = ["include_str!(\"", "include_bytes!(\"", "include!(\""].into_iter().flat_map(|macro_name| {
        code.split(macro_name).skip(1).filter_map(|rest| rest.split_once('"')).map(|(path, _)| path.to_owned())
    });
    let depth = source.strip_prefix(folder).unwrap().components().count() - 1;
    included.filter(|path| path.matches("../").count() > depth).collect()
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
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{}", package.name);
        assert!(!package.keywords.is_empty() && !package.categories.is_empty(), "{}", package.name);
        assert!(package.rust_version.is_some(), "{}", package.name);
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            assert!(dependency.req.to_string() != "*", "{} takes any version of {}", package.name, dependency.name);
        }
    }
}

#[test]
fn sources_reach_for_no_file_outside_of_their_crate() {
    for package in published() {
        let mut found = vec![];
        sources(&folder(&package).join("src"), &mut found);
        assert!(!found.is_empty(), "{}", package.name);
        for source in found {
            let stray = strays(&folder(&package), &source, &fs::read_to_string(&source).unwrap());
            assert!(stray.is_empty(), "{} includes {stray:?}", source.display());
        }
    }
}

#[test]
fn each_front_page_has_an_example() {
    for package in published().iter().filter(|package| package.name.as_str() != "strait") {
        let readme = fs::read_to_string(folder(package).join("README.md")).unwrap();
        assert!(longest_example(&readme) > 0, "{} has no example", package.name);
    }
}

#[test]
fn each_fault_is_noticed() {
    let (folder, source) = (Path::new("/c"), Path::new("/c/src/lib.rs"));
    assert!(strays(folder, source, "include_str!(\"../README.md\")").is_empty());
    assert_eq!(strays(folder, source, "include_str!(\"../../docs/a.md\")"), ["../../docs/a.md"]);
    assert!(strays(folder, source, "#[cfg(test)] include_str!(\"../../docs/a.md\")").is_empty());
    assert_eq!(longest_example("```rust\na\nb\n```\n```text\na\n```"), 2);
    assert_eq!(longest_example("text"), 0);
}
