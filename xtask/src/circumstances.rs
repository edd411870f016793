//! When and on what a number was measured, to be kept beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// When and on what something was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Circumstances {
    pub(crate) commit: String,
    pub(crate) day: String,
    /// The load of the last five minutes, or -1 where the system does not tell.
    pub(crate) load: f64,
    pub(crate) machine: String,
}

impl Circumstances {
    pub(crate) fn now(root: &Path) -> Circumstances {
        let read = |path: &str| fs::read_to_string(PathBuf::from(path)).unwrap_or_default();
        let (cpu, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let model = model.map_or_else(|| said("uname", &["-m"]), |(_, model)| model.to_owned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Circumstances {
            commit: said("git", &["-C", &root.to_string_lossy(), "rev-parse", "--short", "HEAD"]),
            day: said("date", &["-u", "+%F"]),
            load: load.split_whitespace().nth(1).and_then(|load| load.parse().ok()).unwrap_or(-1.0),
            machine: format!("{model}; {cores} cores"),
        }
    }

    /// With the number of threads that libtorch is told to take.
    pub(crate) fn and_threads(mut self) -> Circumstances {
        let threads = std::env::var("OMP_NUM_THREADS").unwrap_or_else(|_| "as usual".to_owned());
        self.machine.push_str(&format!("; threads {threads}"));
        self
    }
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
