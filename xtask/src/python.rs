//! The user's Python: found on PATH, asked short questions with a time limit.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// An interpreter that answered.
#[derive(Debug, Clone)]
pub(crate) struct Python {
    program: PathBuf,
}

impl Python {
    /// `python3`, else `python`, on the PATH given (a list of folders in the usual form).
    pub(crate) fn on(path: Option<&OsStr>) -> Option<Python> {
        let folders: Vec<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
        ["python3", "python"]
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .filter(|program| program.is_file())
            .map(|program| Python { program })
            .find(|python| {
                python.ask(&["-c", "import sys; print(sys.version_info[0])"], Duration::from_secs(10)).as_deref()
                    == Some("3")
            })
    }

    /// Python on the PATH of this process.
    pub(crate) fn of_user() -> Option<Python> {
        Python::on(std::env::var_os("PATH").as_deref())
    }

    /// The interpreter.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A command of this interpreter, with stdin closed.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What it prints when called with `arguments`, trimmed; `None` if it fails or takes longer than `limit`.
    pub(crate) fn ask(&self, arguments: &[&str], limit: Duration) -> Option<String> {
        answer(self.command(arguments), limit)
    }
}

/// The trimmed stdout of a command that succeeds within `limit`.
pub(crate) fn answer(mut command: Command, limit: Duration) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).ok().map(|_| text)
    });
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if start.elapsed() < limit => thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    Some(reader.join().ok()??.trim().to_owned())
}
