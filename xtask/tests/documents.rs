//! The documents: each link leads to an existing file and heading, and each page is in the summary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "book" && name != "target") {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Text without code: what is in fences or indented is no link.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The targets of all links, `[words](target)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.replace('\n', " ")).collect()
}

/// The anchors of a page, as mdBook and GitHub name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>()
    };
    headings.map(anchor).collect()
}

/// What is wrong with the links of one page, in words.
fn dead(page: &Path, text: &str) -> Vec<String> {
    let mut dead = Vec::new();
    for link in links(text) {
        if link.contains("://") || link.starts_with("crate::") || link.contains("::") {
            continue;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let target = if file.is_empty() { page.to_path_buf() } else { page.parent().unwrap().join(file) };
        if !target.exists() {
            dead.push(format!("{}: no {link}", page.display()));
        } else if !anchor.is_empty() && !anchors(&fs::read_to_string(&target).unwrap()).contains(anchor) {
            dead.push(format!("{}: no heading for {link}", page.display()));
        }
    }
    dead
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    pages(&root().join("docs"), &mut found);
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    found.extend(top.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    found
}

#[test]
fn each_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.len() > 8, "the walk finds the documents");
    let dead: Vec<String> = documents.iter().flat_map(|page| dead(page, &fs::read_to_string(page).unwrap())).collect();
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

#[test]
fn each_page_is_in_the_summary() {
    let docs = root().join("docs");
    let summary: BTreeSet<PathBuf> =
        links(&fs::read_to_string(docs.join("SUMMARY.md")).unwrap()).iter().map(|link| docs.join(link)).collect();
    let mut found = Vec::new();
    pages(&docs, &mut found);
    for page in found.iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        assert!(summary.contains(page), "{} is not in docs/SUMMARY.md", page.display());
    }
}

/// A book that is built holds its pages and pictures alone.
#[test]
fn links_of_the_book_stay_in_the_book() {
    let docs = root().join("docs");
    let mut found = Vec::new();
    pages(&docs, &mut found);
    for page in found {
        let depth = page.strip_prefix(&docs).unwrap().iter().count() - 1;
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let ups = link.split('/').take_while(|part| *part == "..").count();
            assert!(ups <= depth, "{}: {link} leads out of the book; name the file as code", page.display());
        }
    }
}

#[test]
fn each_kind_of_dead_link_is_noticed() {
    let page = root().join("README.md");
    for (text, count) in [
        ("[a](docs/reference/glossary.md)", 0),
        ("[a](docs/reference/glossary.md#flow-maps)", 0),
        ("[a](docs/none.md)", 1),
        ("[a](docs/reference/glossary.md#none)", 1),
        ("[a](#none)", 1),
        ("```\n[a](none.md)\n```", 0),
        ("[a](https://arxiv.org/abs/2503.20719)", 0),
    ] {
        assert_eq!(dead(&page, text).len(), count, "{text}");
    }
}
