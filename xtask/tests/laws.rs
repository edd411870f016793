//! A law that no planted fault breaks could be empty: each law of each suite is the one that must name a fault in some test.

use crate::sources::{files, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use syn::Item;

/// The laws of each suite, by the suite's module in `strait-laws`.
fn laws(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut laws = BTreeMap::new();
    for (path, source) in sources {
        for item in syn::parse_file(source).unwrap().items {
            let Item::Enum(item) = item else { continue };
            if item.ident == "Law" {
                let suite = path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
                laws.insert(suite, item.variants.iter().map(|variant| variant.ident.to_string()).collect());
            }
        }
    }
    laws
}

/// The suite whose `Law` a test imports, and the laws that it says a fault must break.
fn named(test: &str) -> Option<(String, BTreeSet<String>)> {
    let imports = test.split("use strait_laws::").skip(1).filter_map(|import| import.split(';').next());
    let import =
        imports.into_iter().find(|import| import.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Law"))?;
    let suite = import.split("::").next()?.to_owned();
    let after = test.split("Law::").skip(1);
    Some((suite, after.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()))
}

/// Laws that no test names.
fn unbroken(laws: &BTreeMap<String, BTreeSet<String>>, tests: &[String]) -> Vec<String> {
    let mut left = laws.clone();
    for (suite, named) in tests.iter().filter_map(|test| named(test)) {
        if let Some(laws) = left.get_mut(&suite) {
            laws.retain(|law| !named.contains(law));
        }
    }
    left.iter().flat_map(|(suite, laws)| laws.iter().map(move |law| format!("{suite}::Law::{law}"))).collect()
}

#[test]
fn each_law_is_broken_by_a_planted_fault() {
    let read = |path: &String| fs::read_to_string(root().join(path)).unwrap();
    let all = files(&root().join("crates"));
    let of = |path: &&String| path.ends_with(".rs");
    let sources: Vec<(String, String)> = all
        .iter()
        .filter(of)
        .filter_map(|path| Some((path.strip_prefix("crates/strait-laws/src/")?.to_owned(), read(path))))
        .collect();
    let laws = laws(&sources);
    assert!(laws.len() >= 7 && laws.values().map(BTreeSet::len).sum::<usize>() > 70, "{laws:?}");
    let tests: Vec<String> = all.iter().filter(of).filter(|path| path.contains("/tests/")).map(read).collect();
    assert_eq!(unbroken(&laws, &tests), Vec::<String>::new(), "plant a fault that this law must name");
}

#[test]
fn a_law_without_a_fault_is_noticed() {
    let laws =
        laws(&[("a/law.rs".into(), "pub enum Law { One, Two }".into()), ("b.rs".into(), "enum Law { One }".into())]);
    let test = |text: &str| unbroken(&laws, &[text.to_owned()]);
    assert_eq!(
        test("use strait_laws::a::{Case, Law, check}; (F, Law::One), Law::OneMore"),
        ["a::Law::Two", "b::Law::One"]
    );
    assert_eq!(test("use strait_laws::a::check; use strait_laws::b::Law; Law::One"), ["a::Law::One", "a::Law::Two"]);
    assert_eq!(test("use strait_laws::a::Lawless; Law::One").len(), 3);
}
