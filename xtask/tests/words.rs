//! One word for one thing: no two libraries export types of one name.

use crate::sources::root;
use std::collections::BTreeMap;
use std::fs;
use syn::{Item, UseTree, Visibility};

/// Types that mean the same in two crates, neither of which can import the other.
const SAME: [&str; 1] = ["Active"];

/// The types that a library exports from its root, those of other crates aside.
fn exported(lib: &str) -> Vec<String> {
    let mut found = vec![];
    for item in syn::parse_file(lib).unwrap().items {
        match item {
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => match &item.tree {
                UseTree::Path(path) if path.ident.to_string().starts_with("strait_") || path.ident == "tch" => {}
                tree => leaves(tree, &mut found),
            },
            Item::Enum(item) if matches!(item.vis, Visibility::Public(_)) => found.push(item.ident.to_string()),
            Item::Struct(item) if matches!(item.vis, Visibility::Public(_)) => found.push(item.ident.to_string()),
            Item::Trait(item) if matches!(item.vis, Visibility::Public(_)) => found.push(item.ident.to_string()),
            _ => {}
        }
    }
    found.retain(|name| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase));
    found
}

fn leaves(tree: &UseTree, found: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => leaves(&path.tree, found),
        UseTree::Name(name) => found.push(name.ident.to_string()),
        UseTree::Rename(rename) => found.push(rename.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, found)),
        UseTree::Glob(_) => {}
    }
}

/// The names that more than one library exports, with these libraries.
fn shared(libraries: &[(String, String)]) -> Vec<String> {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (library, lib) in libraries {
        for name in exported(lib) {
            owners.entry(name).or_default().push(library);
        }
    }
    let shared = owners.into_iter().filter(|(name, of)| of.len() > 1 && !SAME.contains(&name.as_str()));
    shared.map(|(name, of)| format!("{name} of {}", of.join(" and "))).collect()
}

#[test]
fn one_word_names_one_type() {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let libraries: Vec<_> = crates
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(folder.join("src/lib.rs")).unwrap())
        })
        .collect();
    let types = |name: &str| exported(&libraries.iter().find(|(library, _)| library == name).unwrap().1);
    assert!(types("strait-core").contains(&"BatchShare".to_owned()), "{:?}", types("strait-core"));
    assert_eq!(shared(&libraries), Vec::<String>::new(), "one word for one thing");
}

#[test]
fn each_word_of_two_things_is_noticed() {
    let shared = |a: &str, b: &str| shared(&[("a".into(), a.into()), ("b".into(), b.into())]);
    let rows = "mod rows; pub use rows::Rows;";
    for other in ["pub use x::{y::Rows, Z};", "pub use x::Y as Rows;", "pub struct Rows;", "pub trait Rows {}"] {
        assert_eq!(shared(rows, other), ["Rows of a and b"], "{other}");
    }
    for other in
        ["use x::Rows;", "pub use strait_a::Rows;", "pub use x::Rows as Y;", "struct Rows;", "pub fn rows() {}"]
    {
        assert!(shared(rows, other).is_empty(), "{other}");
    }
}
