//! The documents: each link leads to an existing file and heading, each page is in the summary, and each command of cargo names
//! what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{MetadataCommand, Package};

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

/// The headings of a page whose tables no command of theirs, or of the page's beginning, makes.
fn without_a_command(text: &str) -> Vec<String> {
    let text = format!("\n{text}");
    let has =
        |part: &str| ["\n    cargo ", "`cargo ", "\n    python ", "`python "].iter().any(|word| part.contains(word));
    let parts: Vec<&str> = text.split("\n#").collect();
    // The title has a part of its own: what stands before it is empty.
    let begins = parts.get(1).is_some_and(|part| has(part));
    let bare = parts.iter().filter(|part| part.contains("\n| ---") && !has(part) && !begins);
    bare.map(|part| part.lines().next().unwrap_or_default().trim_start_matches('#').trim().to_owned()).collect()
}

#[test]
fn each_table_of_results_names_its_command() {
    let mut found = Vec::new();
    pages(&root().join("docs/results"), &mut found);
    pages(&root().join("docs/laboratory"), &mut found);
    assert!(found.len() > 9, "the walk finds the pages");
    for page in found {
        let bare = without_a_command(&fs::read_to_string(&page).unwrap());
        assert!(bare.is_empty(), "{}: name the command of the tables below {bare:?}", page.display());
    }
    let table = "| a |\n| --- |\n";
    let page = format!("# A\n\nwords\n\n## B\n\n    cargo xtask x\n\n{table}\n## C\n\n{table}");
    assert_eq!(without_a_command(&page), ["C"]);
    assert!(without_a_command(&page.replace("words", "`python a.py`")).is_empty());
}

/// Cells of numbers with their spread, `1.2 (0.3)`.
fn measured(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.flat_map(|row| row.split('|')).map(|cell| cell.trim().trim_start_matches("not in "));
    cells.filter(|cell| cell.split_once(" (").is_some_and(|(mean, _)| mean.parse::<f64>().is_ok())).collect()
}

/// The page on choosing a method has the seconds of the leaderboard, and is to be changed with it.
#[test]
fn the_seconds_of_the_choice_are_those_of_the_leaderboard() {
    let read = |name: &str| fs::read_to_string(root().join("docs").join(name)).unwrap();
    let (choice, board) = (read("guide/choosing.md"), read("results/leaderboard.md"));
    let (chosen, known) = (measured(&choice), measured(&board));
    assert!(chosen.len() >= 20, "{chosen:?}");
    let strange: Vec<_> = chosen.iter().filter(|cell| !known.contains(cell)).collect();
    assert!(strange.is_empty(), "not on the leaderboard: {strange:?}");
    assert_eq!(measured("| a | not in 1.5 (0.2) | few (2) | 3 |"), ["1.5 (0.2)"]);
}

/// What stands in code and begins with `cargo`: indented lines, and spans between backticks.
fn cargo_commands(text: &str) -> Vec<String> {
    let (code, prose): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("    "));
    let prose = prose.join(" ");
    let spans = prose.split('`').skip(1).step_by(2);
    let all = code.into_iter().map(str::trim).chain(spans).filter(|code| code.starts_with("cargo "));
    all.map(|code| code.split(" # ").next().unwrap_or(code).to_owned()).collect()
}

/// What a command of cargo names that is not there, in words. `help` is what `cargo xtask help` prints.
fn unknown(command: &str, packages: &[Package], help: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    if let ["xtask", verb, rest @ ..] = &words[..] {
        if !verb.chars().all(|letter| letter.is_ascii_lowercase()) {
            return None; // a place for any of them
        }
        let row = help.lines().find(|row| row.trim_start().split(' ').next() == Some(*verb));
        let Some(row) = row else { return Some(format!("no command `{verb}`")) };
        let of_the_program = ["train", "sample", "evaluate", "report", "compare", "inspect", "features", "launch"];
        let has = |word: &str| {
            row.split(|letter: char| !letter.is_alphanumeric() && letter != '-').any(|known| known == word)
        };
        let own = rest.iter().take_while(|word| **word != "|");
        let options = own.map(|word| word.trim_matches(['[', ']'])).filter(|word| word.starts_with("--"));
        let strange = options.into_iter().find(|word| !has(word));
        return strange.filter(|_| !of_the_program.contains(verb)).map(|word| format!("`{verb}` has no {word}"));
    }
    let after = |names: &[&str]| words.windows(2).find(|two| names.contains(&two[0])).map(|two| two[1]);
    let name = after(&["-p", "--package"]).filter(|name| *name != "CRATE")?;
    let Some(package) = packages.iter().find(|package| package.name.as_str() == name) else {
        return Some(format!("no package {name}"));
    };
    for (option, kind) in [("--example", "example"), ("--bench", "bench")] {
        let has = |name: &str| {
            package
                .targets
                .iter()
                .any(|target| target.name == name && target.kind.iter().any(|of| of.to_string() == kind))
        };
        if let Some(name) = after(&[option]).filter(|name| !has(name)) {
            return Some(format!("no {kind} {name}"));
        }
    }
    let feature = after(&["--features"]).filter(|name| !package.features.contains_key(*name));
    let tests = package.manifest_path.parent()?.join("tests");
    let files = words.iter().filter_map(|word| word.strip_suffix("::"));
    let file = files.into_iter().find(|file| !tests.join(format!("{file}.rs")).exists());
    feature.map(|name| format!("no feature {name}")).or_else(|| file.map(|file| format!("no tests {file}")))
}

fn help() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn packages() -> Vec<Package> {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap().packages
}

#[test]
fn each_command_of_cargo_names_what_is_there() {
    let (packages, help, mut count, mut wrong) = (packages(), help(), 0, vec![]);
    let mut all = documents();
    pages(&root().join("crates"), &mut all);
    all.extend([root().join("xtask/README.md"), root().join("findings/README.md")]);
    for page in all {
        for command in cargo_commands(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            wrong.extend(
                unknown(&command, &packages, &help).map(|what| format!("{}: {command}: {what}", page.display())),
            );
        }
    }
    assert!(count > 100, "the walk finds {count} commands");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn each_kind_of_unknown_name_is_noticed() {
    let (packages, help) = (packages(), help());
    for (command, said) in [
        ("cargo xtask leaderbord", "no command `leaderbord`"),
        ("cargo xtask leaderboard --seed 3", "`leaderboard` has no --seed"),
        ("cargo xtask bench [--sheet] [FILTER]", "`bench` has no --sheet"),
        ("cargo run -p strait-metric --example x", "no package strait-metric"),
        ("cargo run --release -p strait-flows --example memories", "no example memories"),
        ("cargo bench -p strait-benches --bench drawn", "no bench drawn"),
        ("cargo test -p strait-flows --features kernel", "no feature kernel"),
        ("cargo test -p strait-flows --test suite reversed::", "no tests reversed"),
    ] {
        assert_eq!(unknown(command, &packages, &help).as_deref(), Some(said), "{command}");
    }
    let text = "    cargo xtask train moons # fast\nsee `cargo xtask\ndoctor` and `cargo test -p strait-flows --test suite reversible::`";
    let found = cargo_commands(text);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|command| unknown(command, &packages, &help).is_none()), "{found:?}");
}
