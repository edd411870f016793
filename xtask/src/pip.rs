//! Fetching pinned wheels through the user's pip; an interrupted download is resumed.
//!
//! `fetch.py` reads over pip's own session: whatever index, mirror, proxy or certificate the user gave to pip is used.
//! If this does not work with the installed pip, plain `pip download` is called instead.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::{create_folder, sha256_of_file};
use crate::failure::{Failure, Result};
use crate::progress::{Progress, megabytes};
use crate::python::Python;
use crate::wheel::Wheel;

const SCRIPT: &str = include_str!("pip/fetch.py");

/// Attempts without a single new byte before giving up.
const PATIENCE: u32 = 4;

/// A wheel in the downloads folder, checked.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: PathBuf,
    /// Fetched by us, so ours to delete; a file that a person placed stays.
    temporary: bool,
}

impl Fetched {
    /// Call when the contents are out.
    pub(crate) fn discard(self) {
        if self.temporary {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Brings the wheel into `downloads`: a file placed by hand is taken first, then pip is asked.
///
/// The caller holds the lock of what the wheel is for.
pub(crate) fn obtain(python: Option<&Python>, wheel: &Wheel, downloads: &Path) -> Result<Fetched> {
    create_folder(downloads)?;
    let placed = downloads.join(wheel.file);
    if placed.exists() {
        check(&placed, wheel)?;
        return Ok(Fetched { path: placed, temporary: false });
    }
    let part = downloads.join(format!("{}.part", wheel.file));
    let resumed = part.metadata().is_ok_and(|part| part.len() > 0);
    let cannot = |stop: Stop| match stop {
        Stop::Disk(error) => Failure::file("write", &part)(error),
        Stop::Reason(reason) => Failure::Fetch {
            reason: format!("cannot fetch {}: {reason}", wheel.requirement()),
            files: vec![wheel.file.to_owned()],
            folder: downloads.to_path_buf(),
        },
    };
    let python = python.ok_or_else(|| cannot(Stop::Reason("python3 is not on PATH".to_owned())))?;
    transfer(python, wheel, &part).map_err(cannot)?;
    if let Err(failure) = check(&part, wheel) {
        remove(&part)?;
        if !resumed {
            return Err(failure);
        }
        // What lay there was not a piece of this file: once more from nothing.
        transfer(python, wheel, &part).map_err(cannot)?;
        check(&part, wheel).inspect_err(|_| drop(fs::remove_file(&part)))?;
    }
    Ok(Fetched { path: part, temporary: true })
}

fn check(path: &Path, wheel: &Wheel) -> Result<()> {
    let found = sha256_of_file(path)?;
    if found == wheel.sha256 {
        return Ok(());
    }
    Err(Failure::Checksum { path: path.to_path_buf(), expected: wheel.sha256.to_owned(), found })
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(Failure::file("remove", path))
}

/// How one attempt ended.
enum Attempt {
    Whole,
    Broken(String),
    Hopeless(Stop),
    OtherPip,
}

/// Why there will be no further attempt.
enum Stop {
    Reason(String),
    Disk(io::Error),
}

/// Attempts until `part` is whole.
fn transfer(python: &Python, wheel: &Wheel, part: &Path) -> Result<(), Stop> {
    let start = Instant::now();
    let length = || part.metadata().map_or(0, |part| part.len());
    let (first, mut have, mut idle) = (length(), length(), 0);
    if first > 0 {
        tell!("fetching {}: going on from {} MB", wheel.requirement(), megabytes(first));
    } else {
        tell!("fetching {}", wheel.requirement());
    }
    loop {
        match attempt(python, wheel, part).map_err(|error| Stop::Reason(error.to_string()))? {
            Attempt::Whole => break,
            Attempt::OtherPip => {
                plain_download(python, wheel, part).map_err(Stop::Reason)?;
                break;
            }
            Attempt::Hopeless(stop) => return Err(stop),
            Attempt::Broken(reason) => {
                idle = if length() > have { 0 } else { idle + 1 };
                have = length();
                if idle == PATIENCE {
                    let kept = format!("{} MB are kept: a later run goes on from there", have / 1_000_000);
                    return Err(Stop::Reason(format!("{reason} ({kept})")));
                }
                tell!("{}: {reason}; trying again from byte {have}", wheel.requirement());
                thread::sleep(Duration::from_millis(250 << idle));
            }
        }
    }
    let (got, seconds) = (length().saturating_sub(first), start.elapsed().as_secs_f64());
    tell!("fetched {}: {} MB in {seconds:.1} s", wheel.requirement(), megabytes(got));
    Ok(())
}

fn attempt(python: &Python, wheel: &Wheel, part: &Path) -> io::Result<Attempt> {
    let mut child = python
        .command(&["-c", SCRIPT])
        .arg(part)
        .args([wheel.project(), wheel.file])
        .args(wheel.pip_options())
        .args(["--retries", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let mut progress = Progress::new(wheel.project(), 0);
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            match line?.split_once(' ').map(|(word, number)| (word.to_owned(), number.parse().unwrap_or(0))) {
                Some((word, total)) if word == "total" => progress.of(total),
                Some((_, done)) => progress.at(done),
                None => {}
            }
        }
    }
    drop(progress);
    let code = child.wait()?.code();
    let said = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let reason = said.lines().last().unwrap_or("the transfer stopped").to_owned();
    Ok(match code {
        Some(0) => Attempt::Whole,
        Some(12) if reason == "No module named 'pip'" => {
            Attempt::Hopeless(Stop::Reason("python3 has no pip".to_owned()))
        }
        Some(12) => Attempt::OtherPip,
        Some(11) => Attempt::Hopeless(Stop::Reason(reason)),
        Some(13) => Attempt::Hopeless(Stop::Disk(io::Error::from_raw_os_error(reason.parse().unwrap_or_default()))),
        _ => Attempt::Broken(reason),
    })
}

/// `pip download` as a person would type it; newer pips resume within the call.
fn plain_download(python: &Python, wheel: &Wheel, part: &Path) -> Result<(), String> {
    let folder = part.with_extension("pip");
    let status = python
        .command(&["-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--no-cache-dir"])
        .args(wheel.pip_options())
        .arg("--dest")
        .arg(&folder)
        .arg(wheel.requirement())
        .env("PIP_RESUME_RETRIES", "8")
        .stdout(io::stderr())
        .status();
    let moved = match status {
        Ok(status) if status.success() => fs::rename(folder.join(wheel.file), part).map_err(|error| error.to_string()),
        Ok(_) => Err("pip download failed".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let _ = fs::remove_dir_all(&folder);
    moved
}

#[cfg(test)]
pub(crate) mod tests;
