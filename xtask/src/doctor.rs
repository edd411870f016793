//! `cargo xtask doctor`: what was found, what is missing, and the command that fixes it. It changes nothing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cache::Cache;
use crate::data::{self, DATA_SETS};
use crate::failure::{Failure, Result};
use crate::gloo;
use crate::libtorch::{self, PAIRED, Variant};
use crate::progress::megabytes;
use crate::python::{Python, answer};
use crate::workspace::Workspace;

/// How a finding stands.
enum Finding {
    Good(String),
    /// Not needed now, or mended by xtask on the way.
    Absent(String),
    /// Nothing works without it.
    Missing {
        what: String,
        mend: String,
    },
}

use Finding::{Absent, Good, Missing};

/// Prints each finding; fails if something needed is missing.
pub(crate) fn command() -> Result<()> {
    let (workspace, cache) = (Workspace::of_cargo(), Cache::of_user()?);
    let python = Python::of_user();
    let libtorch = libtorch(&workspace, &cache);
    let fetching = !matches!(libtorch, Good(_));
    let mut findings = vec![
        ("Rust", tool("rustc", &["--version"], "install Rust from its own site (rustup)")),
        ("C++ compiler", compiler()),
        ("Python with pip", pip(python.as_ref(), fetching)),
        ("libtorch", libtorch),
    ];
    if let Some(python) = &python {
        findings.push(("PyTorch", pytorch(python)));
    }
    findings.push(("GPU", gpus()));
    findings.push(match gloo::survey(&workspace) {
        Some(headers) => ("headers of gloo", Good(format!("{}, {}", headers.origin, headers.folder.display()))),
        None => (
            "headers of gloo",
            Absent("not here; only training among processes needs them: cargo xtask gloo".to_owned()),
        ),
    });
    let folder = data::folder(&cache);
    findings.extend(DATA_SETS.iter().map(|row| {
        let finding = match row.checked(&folder) {
            None => Absent(format!("{}: not here yet: cargo xtask data {}", row.name, row.name)),
            Some(Ok(said)) => Good(said),
            Some(Err(failure)) => Missing { what: row.name.to_owned(), mend: failure.to_string() },
        };
        ("data", finding)
    }));
    findings.push(("cache", room(cache.root())));
    findings.extend(free_space(cache.root()).map(|free| ("free disk", free)));

    let mut missing = 0;
    for (name, finding) in &findings {
        match finding {
            Good(text) => say!("ok       {name}: {text}"),
            Absent(text) => say!("-        {name}: {text}"),
            Missing { what, mend } => {
                missing += 1;
                say!("MISSING  {name}: {what}: {mend}");
            }
        }
    }
    if missing == 0 { Ok(()) } else { Err(Failure::Unwell { missing }) }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let text = answer(command, Duration::from_secs(10))?;
    text.lines().next().map(str::to_owned)
}

fn tool(program: &str, arguments: &[&str], mend: &str) -> Finding {
    match first_line(program, arguments) {
        Some(line) => Good(line),
        None => Missing { what: format!("no {program} on PATH"), mend: mend.to_owned() },
    }
}

fn compiler() -> Finding {
    let program = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let mend = if cfg!(target_os = "macos") { "xcode-select --install" } else { "apt-get install g++" };
    tool(&program, &["--version"], mend)
}

fn pip(python: Option<&Python>, needed: bool) -> Finding {
    let version = python.and_then(|python| python.ask(&["-m", "pip", "--version"], Duration::from_secs(20)));
    match version {
        Some(text) => Good(text),
        None => {
            let what = if python.is_some() { "python3 has no pip" } else { "no python3 on PATH" }.to_owned();
            let mend = if cfg!(target_os = "macos") { "brew install python" } else { "apt-get install python3-pip" };
            match needed {
                true => Missing { what, mend: mend.to_owned() },
                false => Absent(format!("{what}; only fetching needs it: {mend}")),
            }
        }
    }
}

fn libtorch(workspace: &Workspace, cache: &Cache) -> Finding {
    match libtorch::survey(workspace, cache) {
        Ok(Some((libtorch, origin))) => Good(format!(
            "{} for {}, {origin}, {}",
            libtorch.version().unwrap_or_else(|| "of unknown version".to_owned()),
            libtorch.devices(),
            libtorch.root().display()
        )),
        Ok(None) => match Variant::here(false) {
            Ok(_) => Missing { what: "none yet".to_owned(), mend: "cargo xtask libtorch".to_owned() },
            Err(failure) => Missing { what: "none".to_owned(), mend: failure.to_string() },
        },
        Err(failure) => Missing { what: "not usable".to_owned(), mend: failure.to_string() },
    }
}

fn pytorch(python: &Python) -> Finding {
    match libtorch::installed_version(python) {
        Some((version, package)) if version.split('+').next() == Some(PAIRED) => {
            Good(format!("{version}, {}", package.display()))
        }
        Some((version, _)) => Absent(format!("{version} is installed and not used: tch pairs with {PAIRED}")),
        None => Absent("not installed, and not needed".to_owned()),
    }
}

fn gpus() -> Finding {
    let mut command = Command::new("nvidia-smi");
    command.args(["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]);
    match answer(command, Duration::from_secs(10)).filter(|text| !text.is_empty()) {
        Some(text) => Good(text.lines().collect::<Vec<_>>().join("; ") + " (`--cuda` fetches the libtorch for it)"),
        None => Absent("none that nvidia-smi knows".to_owned()),
    }
}

/// A folder that takes files, or that can be made.
fn room(path: &Path) -> Finding {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let probe = there.join(format!(".strait-doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"probe");
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => Good(format!("{}, {} MB", path.display(), megabytes(size(path)))),
        Err(error) => Missing {
            what: format!("nothing can be written to {} ({error})", there.display()),
            mend: "make it writable, free some disk, or set XDG_CACHE_HOME to another folder".to_owned(),
        },
    }
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
            _ => 0,
        })
        .sum()
}

fn free_space(path: &Path) -> Option<Finding> {
    let there: PathBuf = path.ancestors().find(|folder| folder.is_dir())?.to_path_buf();
    let mut command = Command::new("df");
    command.arg("-Pk").arg(&there);
    let text = answer(command, Duration::from_secs(10))?;
    let kilobytes: u64 = text.lines().last()?.split_whitespace().nth(3)?.parse().ok()?;
    Some(Good(format!("{} MB where the cache is", kilobytes * 1024 / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_takes_no_file_is_not_well() {
        let folder = env::temp_dir().join(format!("strait-doctor-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(matches!(room(&folder.join("not/there/yet")), Good(_)));
        std::fs::write(folder.join("file"), b"").unwrap();
        assert!(matches!(room(&folder.join("file")), Missing { .. }));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
