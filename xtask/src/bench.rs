//! The benches: beside peers in Python, or beside those of another commit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{Cache, create_folder};
use crate::circumstances::Circumstances;
use crate::failure::{Failure, Result};
use crate::python_environment::{Needs, PythonEnvironment};
use crate::ratios;
use crate::tasks::{digits, ready};
use crate::workspace::Workspace;

/// What the scripts in `benches/peers` import.
const PEERS: Needs = Needs {
    what: "the peers of the benches",
    more: &["scipy==1.17.1", "torch==2.13.0", "jax==0.7.2", "normflows==1.7.3", "zuko==1.6.0", "POT==0.9.7.post1"],
    size: SIZE,
};

/// On Linux torch brings its libraries for GPUs along (measured on x86-64 with Python 3.11).
const SIZE: &str = if cfg!(target_os = "linux") {
    "2.8 GB to fetch, 5.4 GB on disk, 8.2 while it installs"
} else {
    "torch and JAX are the most of it"
};

/// The benches that start a peer, each by what a filter chooses it by.
const COMPARED: [(&str, &[&str]); 8] = [
    ("flow_map_step", &["flow_map_step"]),
    ("glow_path", &["glow_path"]),
    ("likelihood", &["8gaussians", "moons", "checkerboard", "digits", "fashion-mnist"]),
    ("peer_flows", &["peer_flows"]),
    ("peer_iterations", &["peer_iterations"]),
    ("peer_sampling", &["peer_sampling"]),
    ("peer_training_step", &["peer_training_step"]),
    ("peer_unet_step", &["peer_unet_step"]),
];

/// Those of them whose ratios are of times, for the page.
pub(crate) const IN_TIME: [&str; 7] = [
    "flow_map_step",
    "glow_path",
    "peer_flows",
    "peer_iterations",
    "peer_sampling",
    "peer_training_step",
    "peer_unet_step",
];

/// The benches without a peer, whose times criterion keeps and compares.
const TIMED: [&str; 5] = ["assignment", "draws", "flows", "sampling", "straightness"];

/// `cargo xtask bench [--page] [FILTER]` or `cargo xtask bench --against COMMIT [FILTER]`
pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let workspace = ready()?;
    match arguments {
        [flag, commit] if flag == "--against" => return against(&workspace, commit, None),
        [flag, commit, filter] if flag == "--against" => return against(&workspace, commit, Some(filter)),
        [flag, ..] if flag == "--against" => {
            return Err(Failure::Usage { usage: "bench [--page | --against COMMIT] [FILTER]" });
        }
        _ => (),
    }
    let (page, words) = match arguments {
        [flag, words @ ..] if flag == "--page" => (true, words),
        words => (false, words),
    };
    // Without them each comparison says that it is left out.
    let peers = || PythonEnvironment::with(&Cache::of_user()?, PEERS).inspect_err(|failure| tell!("{failure}"));
    let peers = if compares(words) { peers().ok() } else { None };
    let mut benches = workspace.cargo(&["bench", "--package", "strait-benches", "--"]);
    benches.args(words).env("STRAIT_DATA", digits()?);
    if let Some(peers) = peers {
        peers.tell(&mut benches);
    }
    measured(&workspace, benches, page)
}

/// Runs benches and keeps their ratios to peers: for the page, which is then written, or below the target folder.
fn measured(workspace: &Workspace, mut benches: Command, page: bool) -> Result<()> {
    let new = workspace.target().join("ratios.new");
    let _ = fs::remove_file(&new); // of a run that was broken off
    let done = workspace.step("cargo bench", {
        benches.env("STRAIT_RATIOS", &new);
        benches
    });
    let Ok(lines) = fs::read_to_string(&new) else { return done };
    let kept = if page { workspace.root().join(ratios::LINES) } else { workspace.target().join("ratios.jsonl") };
    ratios::add(&kept, &lines, &Circumstances::now(workspace.root()))?;
    say!("{}", kept.display());
    if page {
        let page = workspace.root().join(ratios::PAGE);
        ratios::write(&kept, &page, &IN_TIME)?;
        say!("{}", page.display());
    }
    done
}

/// The benches of a commit and then those of the sources as they are: criterion prints each change with its 95% interval, and
/// keeps both in JSON. What was built of the commit is kept for the next time.
fn against(workspace: &Workspace, commit: &str, filter: Option<&str>) -> Result<()> {
    let (name, sources) = sources(workspace, commit)?;
    workspace.step(
        "the benches of the commit",
        timed(workspace, Some(&sources), filter, &format!("--save-baseline={name}")),
    )?;
    workspace.step("cargo bench", timed(workspace, None, filter, &format!("--baseline-lenient={name}")))?;
    say!("{}", times(workspace).display());
    Ok(())
}

/// The short name of a commit, and the folder that its sources are put into.
fn sources(workspace: &Workspace, commit: &str) -> Result<(String, PathBuf)> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short=12", "--verify", "--quiet", "--end-of-options"])
        .arg(format!("{commit}^{{commit}}"));
    let output = git.current_dir(workspace.root()).output();
    let output = output.map_err(|error| Failure::Start { program: "git".into(), error })?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        return Err(Failure::Commit { commit: commit.into() });
    }
    let folder = workspace.target().join("against").join(&name).join("sources");
    create_folder(&folder)?;
    let mut unpack = Command::new("sh");
    unpack.args(["-c", "git archive \"$0\" | tar -x -C \"$1\"", &name]).arg(&folder).current_dir(workspace.root());
    workspace.step("git archive", unpack)?;
    Ok((name, folder))
}

/// The benches, of other sources where they are given.
fn timed(workspace: &Workspace, sources: Option<&Path>, filter: Option<&str>, baseline: &str) -> Command {
    let mut benches = workspace.cargo(&["bench", "--package", "strait-benches"]);
    benches.args(TIMED.iter().flat_map(|name| ["--bench", name])).arg("--").args(filter).arg(baseline);
    benches.env("CRITERION_HOME", times(workspace));
    if let Some(sources) = sources {
        // Another copy with the same target folder would be given what this one's build scripts have printed.
        let target = sources.with_file_name("target");
        benches.current_dir(sources).env("CARGO_TARGET_DIR", target).env("LIBTORCH", workspace.used_libtorch());
    }
    benches
}

fn times(workspace: &Workspace) -> PathBuf {
    workspace.target().join("criterion")
}

/// Whether a bench that starts a peer is among those that the words choose.
fn compares(words: &[String]) -> bool {
    let filter = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    COMPARED.iter().flat_map(|(_, names)| *names).any(|name| name.contains(filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::Sandbox;
    use std::fs;

    fn benches() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches")
    }

    /// (Stem, text) of the files in a folder that end so.
    fn texts(folder: &Path, end: &str) -> Vec<(String, String)> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let chosen = paths.filter(|path| path.extension().is_some_and(|found| found == end));
        let mut texts: Vec<_> = chosen
            .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn every_bench_that_starts_a_peer_brings_them() {
        let starts = |text: &str| ["Peer::start(", "Rivals::start(", "/peers/"].iter().any(|word| text.contains(word));
        let found: Vec<String> = texts(&benches(), "rs")
            .into_iter()
            .filter(|(name, text)| name != "peer" && name != "assignment" && starts(text))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, COMPARED.map(|(name, _)| name));
        // A ratio is kept by each bench, under its name.
        let keeps = |text: &str| text.contains("keep(") || text.contains(".compare(");
        let kept: Vec<String> = texts(&benches(), "rs")
            .into_iter()
            .filter(|(name, text)| name != "peer" && keeps(text))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(kept, IN_TIME);
    }

    #[test]
    fn every_bench_of_criterion_is_compared_with_a_commit() {
        let found = texts(&benches(), "rs").into_iter().filter(|(_, text)| text.contains("use criterion::"));
        let found: Vec<_> = found.collect();
        assert!(found.iter().map(|(name, _)| name.as_str()).eq(TIMED));
        // A filter is the name of a file.
        for (name, text) in &found {
            for group in text.split("benchmark_group(").skip(1) {
                let group = group.trim_start_matches("format!(").trim_start_matches('"');
                assert!(group.starts_with(name.as_str()), "{name}: {}", group.lines().next().unwrap_or_default());
            }
        }
    }

    #[test]
    fn a_commits_benches_come_first_and_in_a_folder_of_their_own() {
        let sandbox = Sandbox::new();
        let workspace = &sandbox.workspace;
        let git = "git init -q . && git config user.email a@b && git config user.name a && echo 1 > file && git add file && \
                   git commit -q -m first && echo 2 > file";
        assert!(Command::new("sh").args(["-c", git]).current_dir(workspace.root()).status().unwrap().success());
        against(workspace, "HEAD", Some("draws")).unwrap();
        let (name, folder) = sources(workspace, "HEAD").unwrap();
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "1\n", "what is not committed is no part of it");
        let words = TIMED.map(|name| format!("--bench {name}")).join(" ");
        let call = |baseline| format!("bench --package strait-benches {words} -- draws {baseline}={name}");
        assert_eq!(sandbox.cargo_calls(), [call("--save-baseline"), call("--baseline-lenient")]);

        let (first, second) = (timed(workspace, Some(&folder), None, ""), timed(workspace, None, None, ""));
        let value = |command: &Command, name: &str| {
            let mut all = command.get_envs().filter(|(key, _)| *key == name);
            all.next().and_then(|(_, value)| value.map(|value| value.to_owned()))
        };
        assert_eq!(value(&first, "CRITERION_HOME"), value(&second, "CRITERION_HOME"));
        assert_eq!((first.get_current_dir(), second.get_current_dir()), (Some(&*folder), Some(workspace.root())));
        assert!(value(&first, "CARGO_TARGET_DIR").is_some() && value(&second, "CARGO_TARGET_DIR").is_none());
        let said = sources(workspace, "--all").unwrap_err().to_string();
        assert_eq!(said, "there is no commit `--all`: git log names those that are here");
    }

    /// A cargo in whose place a script writes what benches write, and fails where it is told to.
    #[test]
    fn ratios_are_kept_also_of_a_run_that_fails_and_the_page_is_written_where_it_is_asked_for() {
        let sandbox = Sandbox::new();
        let workspace = &sandbox.workspace;
        let results = workspace.root().join("docs/results");
        for folder in [&results, workspace.target()] {
            fs::create_dir_all(folder).unwrap();
        }
        let line = r#"{"bench":"a","case":"c","peer":"p","rounds":3,"ours":[1,1,1],"theirs":[2,2,2],"ratio":[0.5,0.5,0.5],"of_least":0.5}"#;
        let benches = |code: u8| {
            let mut benches = Command::new("sh");
            benches.args(["-c", "echo \"$0\" >> \"$STRAIT_RATIOS\"; exit $1", line, &code.to_string()]);
            benches
        };
        measured(workspace, benches(0), false).unwrap();
        assert_eq!(fs::read_dir(&results).unwrap().count(), 0, "only the page's own command changes documents");
        let kept = || fs::read_to_string(workspace.target().join("ratios.jsonl")).unwrap();
        assert!(kept().starts_with(&line[..line.len() - 1]) && kept().contains("\"machine\":"), "{}", kept());
        assert!(measured(workspace, benches(1), true).is_err());
        let page = fs::read_to_string(results.join("ratios.md")).unwrap();
        assert!(page.contains("cargo xtask bench --page a") && page.ends_with(" | 0.50 |\n"), "{page}");
        measured(workspace, Command::new("true"), true).unwrap();
        assert_eq!(fs::read_to_string(results.join("ratios.md")).unwrap(), page, "nothing was measured");
    }

    #[test]
    fn what_starts_no_peer_fetches_nothing() {
        let compares = |words: &str| compares(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for with in ["", "peer", "peer_sampling", "flow_map_step", "moons 1", "--quick"] {
            assert!(compares(with), "{with}");
        }
        for without in ["draws", "assignment/dense", "straightness", "unet_memory"] {
            assert!(!compares(without), "{without}");
        }
    }

    /// What a script's first lines name is what is brought, in the same version.
    #[test]
    fn every_package_that_a_script_names_is_pinned() {
        let mut named = std::collections::BTreeSet::new();
        for (name, text) in texts(&benches().join("peers"), "py") {
            for package in
                text.lines().filter_map(|line| line.trim().strip_prefix("pip install ")).flat_map(str::split_whitespace)
            {
                let (project, version) = package.split_once("==").unwrap_or((package, ""));
                let pinned = PEERS.more.iter().chain(&["numpy==2.4.6"]).find(|pinned| {
                    pinned.split_once("==").is_some_and(|(found, _)| found.eq_ignore_ascii_case(project))
                });
                assert!(pinned.is_some_and(|pinned| pinned.ends_with(version)), "{name}: {package}");
                named.insert(project.to_ascii_lowercase());
            }
        }
        assert!(named.len() > 5, "{named:?}");
    }
}
