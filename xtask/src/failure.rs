//! The errors: each is one line that names the cause and how to fix it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure that ends the command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No such command; the nearest one, if any is near.
    UnknownCommand { word: String, nearest: Option<&'static str> },
    /// A command was called with words that it does not take.
    Usage { usage: &'static str },
    /// Neither HOME nor XDG_CACHE_HOME says where to keep things.
    NoHome,
    /// A file operation failed.
    File { action: &'static str, path: PathBuf, error: io::Error },
    /// A program could not be started.
    Start { program: PathBuf, error: io::Error },
    /// A program that was started returned non-zero.
    Step { name: &'static str, code: i32 },
    /// No libtorch is published for this system.
    NoLibtorchFor { system: String, cuda: bool },
    /// The user's own LIBTORCH does not serve.
    Variable { path: PathBuf, flaw: String },
    /// `.libtorch` is something that must not be replaced.
    NotALink { path: PathBuf },
    /// Files could not be fetched: where to place which.
    Fetch { reason: String, files: Vec<String>, folder: PathBuf },
    /// A fetched or placed file is not the pinned one.
    Checksum { path: PathBuf, expected: String, found: String },
    /// A wheel does not hold what it should.
    Wheel { path: PathBuf, flaw: String },
    /// The headers of gloo could not be had: where to place which file.
    Gloo { reason: String, file: &'static str, folder: PathBuf },
    /// A data set that is not in the table.
    UnknownData { name: String, known: String },
    /// The program misses a data set that has been fetched.
    StillMissing { name: String, folder: PathBuf },
    /// The mutation check's tests fail before anything was changed.
    FailsUnmutated { suite: String, test: String },
    /// The mutation check let faults through, or holds some that no longer apply or whose tests did not run to an end.
    Mutants { missed: usize, stale: usize, undecided: usize },
    /// No interpreter for what is done in Python.
    Python { what: &'static str, reason: String, needs: String },
    /// A commit to compare with that git does not know.
    Commit { commit: String },
    /// A row of the leaderboard, or a kept ratio, that cannot be read.
    Row { path: PathBuf, line: usize, head: &'static str },
    /// A comparison whose table lacks a method.
    Table { path: PathBuf, method: String },
    /// `doctor` found something needed missing.
    Unwell { missing: usize },
}

impl Failure {
    /// For `map_err`: a file operation on `path` failed while doing `action` ("write", "read", ...).
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_path_buf();
        move |error| Failure::File { action, path, error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::UnknownCommand { word, nearest: Some(nearest) } => {
                write!(f, "unknown command `{word}`: did you mean `cargo xtask {nearest}`?")
            }
            Failure::UnknownCommand { word, nearest: None } => {
                write!(f, "unknown command `{word}`: `cargo xtask help` lists the commands")
            }
            Failure::Usage { usage } => write!(f, "usage: cargo xtask {usage}"),
            Failure::NoHome => write!(f, "no cache folder: set HOME or XDG_CACHE_HOME to an absolute path"),
            Failure::File { action, path, error } => {
                write!(f, "cannot {action} {}: {error}", path.display())?;
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        write!(f, ": free some disk space and run again, or set XDG_CACHE_HOME to a larger disk")
                    }
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        write!(f, ": allow it, or set XDG_CACHE_HOME to a folder of yours")
                    }
                    _ => Ok(()),
                }
            }
            Failure::Start { program, error } => write!(f, "cannot start {}: {error}", program.display()),
            Failure::Step { name, code } => write!(f, "{name} failed (exit code {code})"),
            Failure::NoLibtorchFor { system, cuda: false } => {
                write!(f, "no libtorch is known for {system}: unpack libtorch 2.13.0 yourself and set LIBTORCH to it")
            }
            Failure::NoLibtorchFor { system, cuda: true } => {
                write!(f, "no libtorch with CUDA is known for {system}: leave --cuda out")
            }
            Failure::Variable { path, flaw } => {
                write!(f, "LIBTORCH={}: {flaw}: correct it, or unset it to let xtask fetch libtorch", path.display())
            }
            Failure::NotALink { path } => {
                write!(f, "{} is not a link that xtask made and is no usable libtorch: move it away", path.display())
            }
            Failure::Fetch { reason, files, folder } => write!(
                f,
                "{reason}: to go on without a network place {} in {} and run again (each is checked by its sha256)",
                files.join(", "),
                folder.display()
            ),
            Failure::Python { what, reason, needs } => {
                write!(f, "{what} cannot be had: {reason}: set STRAIT_PYTHON to a Python from 3.11 on with {needs}")
            }
            Failure::Checksum { path, expected, found } => {
                write!(f, "{} has sha256 {found}, not the pinned {expected}: delete it and run again", path.display())
            }
            Failure::Wheel { path, flaw } => {
                write!(f, "{}: {flaw}: delete it and run again", path.display())
            }
            Failure::Gloo { reason, file, folder } => write!(
                f,
                "no headers of gloo ({reason}): install libgloo-dev, or place {file} in {} (it is checked by its sha256), or \
                 set GLOO_INCLUDE to a folder with gloo/",
                folder.display()
            ),
            Failure::UnknownData { name, known } => {
                write!(f, "no data set `{name}` that xtask knows how to fetch: it knows {known}")
            }
            Failure::StillMissing { name, folder } => write!(
                f,
                "the program does not find `{name}` though it is in {}: delete it there and run again",
                folder.display()
            ),
            Failure::FailsUnmutated { suite, test } => {
                write!(f, "{suite} fails without any fault ({test}): mend that first")
            }
            Failure::Mutants { missed, stale, undecided } => {
                let faults = if *missed == 1 { "fault" } else { "faults" };
                write!(f, "{missed} {faults} missed, {stale} that no longer apply, {undecided} undecided")
            }
            Failure::Commit { commit } => write!(f, "there is no commit `{commit}`: git log names those that are here"),
            Failure::Row { path, line, head } => {
                write!(f, "{}: line {line} is no row of {head}: mend or delete it", path.display())
            }
            Failure::Table { path, method } => {
                write!(
                    f,
                    "{}: it has no numbers of {method}: what kept it from them is in the .md beside it",
                    path.display()
                )
            }
            Failure::Unwell { missing } => {
                write!(f, "{missing} needed {} missing", if *missing == 1 { "thing is" } else { "things are" })
            }
        }
    }
}
