//! The page of faults: each kind has the cases that were reported and at least three more, and each test that holds one is
//! there.

use crate::sources::root;
use std::fs;

/// A kind of the page: its heading, and of each case whether it was found here, and the test that holds it.
struct Kind<'a> {
    heading: &'a str,
    cases: Vec<(bool, &'a str)>,
}

fn kinds(page: &str) -> Vec<Kind<'_>> {
    let of = |section| {
        let mut lines = str::lines(section);
        let mut kind = Kind { heading: lines.next().unwrap_or_default(), cases: vec![] };
        let (mut is_further, mut rows) = (false, 0);
        for row in lines.filter(|line| line.starts_with("| ")) {
            is_further |= row.contains("*found here:*");
            rows += 1;
            // The heading of the table and its line come first.
            let Some(test) = row.rsplit('`').nth(1).filter(|_| rows > 2) else { continue };
            kind.cases.push((is_further, test));
        }
        kind
    };
    page.split("\n## ").skip(1).map(of).collect()
}

/// Whether a test of that name lies where `CRATE/FILE::NAME` says.
fn is_there(test: &str) -> bool {
    let Some(((package, file), name)) = test.split_once("::").and_then(|(at, name)| Some((at.split_once('/')?, name)))
    else {
        return false;
    };
    let file = if file.starts_with("src/") { file.to_owned() } else { format!("tests/{file}") };
    let package = if package == "xtask" { package.to_owned() } else { format!("crates/{package}") };
    let text = fs::read_to_string(root().join(format!("{package}/{file}.rs"))).unwrap_or_default();
    let before = text.split(&format!("fn {name}()")).next().filter(|before| before.len() < text.len());
    before.and_then(|before| before.rsplit('}').next()).is_some_and(|near| near.contains("#[test]"))
}

#[test]
fn each_case_of_each_kind_is_held_by_a_test() {
    let page = fs::read_to_string(root().join("docs/reference/faults.md")).unwrap();
    let kinds = kinds(&page);
    let letters: String =
        kinds.iter().filter_map(|kind| kind.heading.split_once(". ")).map(|(letter, _)| letter).collect();
    assert_eq!(letters, "ABCDEFGHIJKLMNOP");
    for Kind { heading, cases } in &kinds {
        let missing: Vec<_> = cases.iter().filter(|(_, test)| !is_there(test)).map(|(_, test)| test).collect();
        assert!(missing.is_empty(), "{heading}: no such tests: {missing:#?}");
        let further = cases.iter().filter(|(is_further, _)| *is_further).count();
        assert!(!heading.contains(". ") || (further >= 3 && cases.len() > further), "{heading}: {further} more");
    }
    for wrong in ["strait-data/own_data::load", "strait-data/own_data::none", "strait-data/none::x", "x"] {
        assert!(!is_there(wrong), "{wrong}");
    }
}
