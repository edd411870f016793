//! The floors of the workspace: a crate imports from lower floors only, and no two crates import each other by the back
//! door.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crates of one floor never import each other.
const FLOORS: [&[&str]; 6] = [
    &["strait-autodiff", "strait-io"],
    &["strait-core"],
    &["strait-kernels", "strait-distributed"],
    &[
        "strait-laws",
        "strait-flows",
        "strait-paths",
        "strait-transport",
        "strait-nets",
        "strait-ode",
        "strait-data",
        "strait-report",
    ],
    &["strait-metrics", "strait-optim"],
    &["strait"],
];
/// Beside the house: nobody imports them.
const OUTSIDE: [&str; 2] = ["strait-benches", "xtask"];

type Imports = BTreeMap<String, BTreeSet<String>>;

/// Ordinary (and build) imports, and development imports, of each crate of the workspace, as far as they concern it.
struct House {
    ordinary: Imports,
    development: Imports,
    xtask: BTreeSet<String>,
}

fn house() -> House {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let names: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let mut house = House { ordinary: Imports::new(), development: Imports::new(), xtask: BTreeSet::new() };
    for package in &metadata.packages {
        let name = package.name.to_string();
        house.ordinary.entry(name.clone()).or_default();
        for dependency in &package.dependencies {
            if name == "xtask" && dependency.kind != DependencyKind::Development {
                house.xtask.insert(dependency.name.clone());
            }
            if names.contains(&dependency.name) {
                let development = dependency.kind == DependencyKind::Development;
                let imports = if development { &mut house.development } else { &mut house.ordinary };
                imports.entry(name.clone()).or_default().insert(dependency.name.clone());
            }
        }
    }
    house
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// What breaks the rule of floors, in words.
fn breaches(ordinary: &Imports) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, imports) in ordinary {
        let here = floor(name);
        if here.is_none() && !OUTSIDE.contains(&name.as_str()) {
            breaches.push(format!("{name} stands on no floor: add it to the table in xtask/tests/floors.rs"));
        }
        for import in imports {
            match (here, floor(import)) {
                (Some(here), Some(there)) if there >= here => {
                    breaches.push(format!("{name} (floor {here}) imports {import} (floor {there})"));
                }
                (_, None) => breaches.push(format!("{name} imports {import}, which nobody imports")),
                _ => {}
            }
        }
    }
    breaches
}

/// A circle of imports, development imports included, except into strait-laws: cargo allows `A -dev-> laws -> A`, for
/// the law suites are built against the finished crate.
fn circle(house: &House) -> Option<Vec<String>> {
    let mut all = house.ordinary.clone();
    for (name, imports) in &house.development {
        let others = imports.iter().filter(|import| *import != "strait-laws").cloned();
        all.entry(name.clone()).or_default().extend(others);
    }
    all.keys().find_map(|start| {
        let (mut path, mut seen) = (vec![start.clone()], BTreeSet::new());
        leads_back(&all, start, start, &mut path, &mut seen).then_some(path)
    })
}

fn leads_back(all: &Imports, here: &str, start: &str, path: &mut Vec<String>, seen: &mut BTreeSet<String>) -> bool {
    all.get(here).into_iter().flatten().any(|next| {
        path.push(next.clone());
        let found = next == start || (seen.insert(next.clone()) && leads_back(all, next, start, path, seen));
        if !found {
            path.pop();
        }
        found
    })
}

#[test]
fn each_crate_imports_from_lower_floors_only() {
    assert_eq!(breaches(&house().ordinary), Vec::<String>::new());
}

#[test]
fn development_imports_close_no_circle() {
    assert_eq!(circle(&house()), None);
}

#[test]
fn every_room_of_the_table_exists() {
    let house = house();
    for name in FLOORS.iter().copied().flatten().chain(&OUTSIDE) {
        assert!(house.ordinary.contains_key(*name), "{name} is in the table and not in the workspace");
    }
}

#[test]
fn xtask_is_light() {
    let xtask = house().xtask;
    let heavy =
        xtask.iter().find(|name| name.starts_with("strait") || ["tch", "torch-sys", "clap"].contains(&name.as_str()));
    assert_eq!(heavy, None);
    assert!(xtask.len() <= 6, "{xtask:?}");
}

#[test]
fn the_rule_notices_each_kind_of_breach() {
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (name, import) in pairs {
            imports.entry((*name).to_owned()).or_default().insert((*import).to_owned());
        }
        imports
    };
    for (name, import) in [
        ("strait-flows", "strait-paths"),
        ("strait-core", "strait-ode"),
        ("strait-ode", "strait-benches"),
        ("strait-new", "strait-core"),
    ] {
        assert_eq!(breaches(&imports(&[(name, import)])).len(), 1, "{name} imports {import}");
    }
    assert!(breaches(&imports(&[("strait", "strait-optim"), ("strait-benches", "strait-core")])).is_empty());
    let house = |development| House {
        ordinary: imports(&[("strait-optim", "strait-core"), ("strait-laws", "strait-core")]),
        development: imports(development),
        xtask: BTreeSet::new(),
    };
    assert!(circle(&house(&[("strait-core", "strait-optim")])).is_some());
    assert!(circle(&house(&[("strait-core", "strait-laws"), ("strait-optim", "strait-laws")])).is_none());
}
