//! The benches, and the peers in Python that they are compared with.

use crate::cache::Cache;
use crate::failure::Result;
use crate::python_environment::{Needs, PythonEnvironment};
use crate::tasks::{digits, ready};

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
const COMPARED: [(&str, &[&str]); 7] = [
    ("flow_map_step", &["flow_map_step"]),
    ("likelihood", &["8gaussians", "moons", "checkerboard", "digits", "fashion-mnist"]),
    ("peer_flows", &["peer_flows"]),
    ("peer_iterations", &["peer_iterations"]),
    ("peer_sampling", &["peer_sampling"]),
    ("peer_training_step", &["peer_training_step"]),
    ("peer_unet_step", &["peer_unet_step"]),
];

/// `cargo xtask bench [FILTER]`
pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let workspace = ready()?;
    let mut benches = workspace.cargo(&["bench", "--package", "strait-benches", "--"]);
    benches.args(arguments).env("STRAIT_DATA", digits()?);
    if compares(arguments) {
        // Without them each comparison says that it is left out.
        let peers = PythonEnvironment::with(&Cache::of_user()?, PEERS).inspect_err(|failure| tell!("{failure}"));
        if let Ok(peers) = peers {
            peers.tell(&mut benches);
        }
    }
    workspace.step("cargo bench", benches)
}

/// Whether a bench that starts a peer is among those that the words choose.
fn compares(words: &[String]) -> bool {
    let filter = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    COMPARED.iter().flat_map(|(_, names)| *names).any(|name| name.contains(filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

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
