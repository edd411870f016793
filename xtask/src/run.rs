//! Running the program `strait`: libtorch and data are fetched first, each signal reaches it once, and its exit code is
//! returned.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use crate::cache::Cache;
use crate::data::{self, DataSet};
use crate::failure::{Failure, Result};
use crate::libtorch::{self, Variant};
use crate::workspace::{Workspace, exit_code};

/// The program ends with this code after it has printed `strait:missing-data NAME`.
pub(crate) const MISSING_DATA: i32 = 66;
const MISSING_DATA_LINE: &str = "strait:missing-data ";

/// `cargo xtask train|sample|evaluate|report|compare|inspect|features ARGUMENTS...`
pub(crate) fn command(verb: &str, arguments: &[OsString]) -> Result<i32> {
    let workspace = Workspace::of_cargo();
    let cache = Cache::of_user()?;
    let (cuda, arguments) = wants_cuda(arguments);
    let cuda = cuda && !only_says(&arguments);
    libtorch::ensure(&workspace, &cache, cuda)?;
    let folder = data::folder(&cache);
    let running = Running::watch()?;
    let mut brought: Vec<String> = Vec::new();
    loop {
        let mut program = workspace.cargo(&["run", "--release", "--package", "strait", "--", verb]);
        // The user's paths are relative to where the user stands.
        program.args(&arguments).env("STRAIT_DATA", &folder).current_dir(".");
        let (code, missing) = running.run(program)?;
        let Some(name) = missing.filter(|_| code == MISSING_DATA) else { return Ok(code) };
        if brought.contains(&name) {
            return Err(Failure::StillMissing { name, folder });
        }
        DataSet::named(&name)?.ensure(&cache, &folder)?;
        brought.push(name);
    }
}

/// Whether the program only prints what it knows, for which no device is needed.
fn only_says(arguments: &[OsString]) -> bool {
    arguments.iter().any(|word| ["--list", "--help", "-h"].iter().any(|says| word == says))
}

/// Whether the words ask for CUDA, and the words without `--cuda`, which is not the program's.
fn wants_cuda(arguments: &[OsString]) -> (bool, Vec<OsString>) {
    let explicit = arguments.iter().any(|word| word == "--cuda");
    let rest: Vec<OsString> = arguments.iter().filter(|word| *word != "--cuda").cloned().collect();
    let device = rest.iter().enumerate().find_map(|(index, word)| match word.to_str()?.strip_prefix("--device")? {
        "" => rest.get(index + 1)?.to_str(),
        value => value.strip_prefix('='),
    });
    // Where no CUDA is published for this system the program says that the device is not there.
    let implied = device.is_some_and(|device| device.starts_with("cuda")) && Variant::here(true).is_ok();
    (explicit || implied, rest)
}

/// The programs that run, and the signals that are passed on to them.
#[derive(Default)]
pub(crate) struct Running {
    processes: Arc<Mutex<Vec<u32>>>,
    /// At a terminal the program shares our process group, and the terminal itself sends Ctrl-C to all of it. Elsewhere
    /// it leads a group of its own and hears only what we pass on. Either way it hears each signal once.
    shared: bool,
}

impl Running {
    pub(crate) fn watch() -> Result<Running> {
        let start = |error| Failure::Start { program: "a signal handler".into(), error };
        // Under `nohup` the terminal may go, and the program goes on: it inherits that the signal is ignored.
        let heard = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
        let mut signals = Signals::new(heard).map_err(start)?;
        let running = Running { processes: Arc::default(), shared: io::stdin().is_terminal() };
        let (processes, shared) = (Arc::clone(&running.processes), running.shared);
        thread::spawn(move || {
            for signal in signals.forever() {
                match &processes.lock().unwrap_or_else(PoisonError::into_inner)[..] {
                    [] => std::process::exit(128 + signal),
                    _ if shared && signal != SIGTERM => {}
                    ids => ids.iter().for_each(|id| send(signal, &address(*id, shared))),
                }
            }
        });
        Ok(running)
    }

    /// Runs to the end; returns the exit code, and the data set that the program said it misses.
    fn run(&self, mut command: Command) -> Result<(i32, Option<String>)> {
        let name = command.get_program().to_owned();
        let fail = |error| Failure::Start { program: name.into(), error };
        let (mut child, guard) = match self.spawn(command.stdout(Stdio::piped())) {
            Ok(started) => started,
            Err(error) => return Err(fail(error)),
        };
        let missing = child.stdout.take().and_then(|stdout| relay(stdout, io::stdout().lock()));
        let status = child.wait();
        drop(guard);
        self.end();
        Ok((status.map(exit_code).map_err(fail)?, missing))
    }

    /// Starts a program that hears what we pass on.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<(Child, Guard)> {
        if !self.shared {
            command.process_group(0);
        }
        let child = {
            let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
            let child = command.spawn()?;
            processes.push(child.id());
            child
        };
        let guard = Guard::of(&address(child.id(), self.shared));
        Ok((child, guard))
    }

    /// None runs any more.
    pub(crate) fn end(&self) {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// To whom `kill` sends: the program alone, or the whole group that it leads.
fn address(id: u32, shared: bool) -> String {
    if shared { id.to_string() } else { format!("-{id}") }
}

/// Whether this process was started with a signal ignored, where the system says so.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Kills the program if xtask itself is killed, so that no run goes on unseen: a shell that waits for a line from us,
/// and acts if our end of the pipe closes without one.
pub(crate) struct Guard(Option<Child>);

impl Guard {
    fn of(address: &str) -> Guard {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read -r line || kill -s KILL -- \"$0\"", address]).process_group(0);
        Guard(shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(shell) = &mut self.0 {
            let _ = shell.stdin.take().map(|mut line| line.write_all(b"\n"));
            let _ = shell.wait();
        }
    }
}

/// Passes lines on as they come, and keeps the one that is meant for us.
pub(crate) fn relay(from: impl Read, mut to: impl Write) -> Option<String> {
    let mut from = BufReader::new(from);
    let (mut line, mut missing) = (Vec::new(), None);
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        match std::str::from_utf8(&line).ok().and_then(|line| line.strip_prefix(MISSING_DATA_LINE)) {
            Some(name) => missing = Some(name.trim().to_owned()),
            // Nobody listens to us: nor need we listen.
            None if to.write_all(&line).and_then(|()| to.flush()).is_err() => break,
            None => {}
        }
        line.clear();
    }
    missing
}

/// std has no `kill`; the shell's is everywhere.
fn send(signal: i32, process: &str) {
    let name = signal_name(signal).unwrap_or("SIGTERM").trim_start_matches("SIG");
    let arguments = ["-c", "kill -s \"$0\" -- \"$1\"", name, process];
    let _ = Command::new("sh").args(arguments).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_cuda_flag_is_taken_out_and_nothing_else_is() {
        let (cuda, rest) = wants_cuda(&words("digits --cuda --set phase.steps=5 --name a"));
        assert!(cuda);
        assert_eq!(rest, words("digits --set phase.steps=5 --name a"));
    }

    #[test]
    fn what_only_prints_needs_no_device() {
        assert!(
            only_says(&words("--list"))
                && only_says(&words("digits --help"))
                && !only_says(&words("digits --set a=--list"))
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_cuda_device_implies_a_libtorch_with_cuda() {
        for (line, cuda) in [
            ("--device cuda", true),
            ("digits --device=cuda:1", true),
            ("--device cpu", false),
            ("--device", false),
            ("--set name=cuda", false),
            ("cuda", false),
        ] {
            let (wants, rest) = wants_cuda(&words(line));
            assert_eq!(wants, cuda, "{line}");
            assert_eq!(rest, words(line));
        }
    }

    #[test]
    fn lines_pass_and_the_missing_data_line_does_not() {
        let mut out = Vec::new();
        let missing = relay(&b"one\n\xff\nstrait:missing-data digits\nlast"[..], &mut out);
        assert_eq!(missing.as_deref(), Some("digits"));
        assert_eq!(out, b"one\n\xff\nlast");
    }
}
