//! The mutation check: faults that such libraries have had are put into the source, one at a time, and the tests
//! for them must fail.
//!
//! It works on a copy of the workspace in a temporary folder, which shares the target folder, so that only what a
//! fault touches is built again. A fault is *caught* when it builds and a test of its suite fails or crashes, *missed* when
//! all pass, *stale* when it no longer applies: its text is not found exactly once, or it does not build. It is *undecided*
//! when something else failed.

mod asked;
mod conditions;
mod data;
mod distributed;
mod flow_map;
mod flows;
mod hostile;
mod images;
mod kernels;
mod leaderboard;
mod nets;
mod ode;
mod optim;
mod own_data;
mod paths;
mod program;
mod python;
mod pytorch;
mod safeguards;
mod transport;

mod fault;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use self::fault::{Fault, Tests};
use crate::cache::{Cache, Lock, sha256};
use crate::failure::{Failure, Result};
use crate::libtorch;
use crate::memory;
use crate::python_environment::{Needs, PythonEnvironment};
use crate::workspace::Workspace;

/// How many cases a law suite draws here, unless PROPTEST_CASES says otherwise: these faults are not subtle.
const CASES: &str = "32";

/// What became of a fault; what failed, why it is stale, or what was printed.
#[derive(Debug, PartialEq)]
enum Verdict {
    Caught(String),
    Missed,
    Stale(String),
    Undecided(String),
}

/// What failed where no test did.
const OTHER: &str = "something other than a test";

impl Verdict {
    /// Of tests that were run with a fault in the source.
    fn of(output: &Output) -> Verdict {
        if output.status.success() {
            return Verdict::Missed;
        }
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let failed = stdout.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
        match failed.or_else(|| crash(&stderr)) {
            Some(by) => Verdict::Caught(by.to_owned()),
            None => Verdict::Undecided(format!("{stdout}{stderr}")),
        }
    }
}

/// The signal by which the test process itself came to its end, in cargo's words; one sent from outside, such as SIGKILL
/// where memory runs out, says nothing of the fault.
fn crash(stderr: &str) -> Option<&'static str> {
    let (_, cause) = stderr.split_once("test failed, to rerun")?;
    let (_, signal) = cause.split_once("(signal: ")?;
    let crashes = ["SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP"];
    crashes.into_iter().find(|name| signal.contains(name))
}

fn all() -> impl Iterator<Item = &'static Fault> {
    kernels::FAULTS
        .iter()
        .chain(&flows::FAULTS)
        .chain(&paths::FAULTS)
        .chain(&transport::FAULTS)
        .chain(&nets::FAULTS)
        .chain(&pytorch::FAULTS)
        .chain(&ode::FAULTS)
        .chain(&optim::FAULTS)
        .chain(&flow_map::FAULTS)
        .chain(&data::FAULTS)
        .chain(&images::FAULTS)
        .chain(&program::FAULTS)
        .chain(&own_data::FAULTS)
        .chain(&hostile::FAULTS)
        .chain(&asked::FAULTS)
        .chain(&safeguards::FAULTS)
        .chain(&distributed::FAULTS)
        .chain(&conditions::FAULTS)
        .chain(&python::FAULTS)
        .chain(&leaderboard::FAULTS)
}

/// `cargo xtask mutate [FILTER]`: the faults whose file or name contains the filter.
pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let filter = match arguments {
        [] => "",
        [filter] if !filter.starts_with('-') => filter,
        _ => return Err(Failure::Usage { usage: "mutate [FILTER]" }),
    };
    let workspace = Workspace::of_cargo();
    let cache = Cache::of_user()?;
    libtorch::ensure(&workspace, &cache, false)?;
    let chosen: Vec<&Fault> =
        all().filter(|fault| fault.name.contains(filter) || fault.file.contains(filter)).collect();
    check(&workspace, &cache, &chosen)
}

fn check(workspace: &Workspace, cache: &Cache, faults: &[&Fault]) -> Result<()> {
    let mut copy = Copy::of(workspace, cache)?;
    if faults.iter().any(|fault| fault.file.ends_with(".py")) {
        copy.python = Some(PythonEnvironment::with(cache, Needs::ONNX)?);
    }
    let suites: BTreeSet<Tests> = faults.iter().map(|fault| fault.tests).collect();
    tell!("== without a fault, {} suites", suites.len());
    for tests in &suites {
        let test = match Verdict::of(&copy.cargo(*tests, &[])?) {
            Verdict::Caught(test) => test,
            Verdict::Undecided(printed) => {
                tell!("{printed}");
                OTHER.to_owned()
            }
            Verdict::Missed | Verdict::Stale(_) => continue,
        };
        return Err(Failure::FailsUnmutated { suite: format!("{} of {}", tests.target, tests.package), test });
    }
    tell!("== {} faults", faults.len());
    let (mut missed, mut stale, mut undecided) = (0, 0, 0);
    for fault in faults {
        let (word, detail) = match copy.verdict(fault)? {
            Verdict::Caught(test) => ("caught", format!("by {test}")),
            Verdict::Missed => {
                missed += 1;
                ("MISSED", format!("by {} of {}", fault.tests.target, fault.tests.package))
            }
            Verdict::Stale(why) => {
                stale += 1;
                ("STALE", why)
            }
            Verdict::Undecided(printed) => {
                undecided += 1;
                tell!("{printed}");
                ("UNDECIDED", format!("{OTHER} failed"))
            }
        };
        say!("{word:9} {}: {} ({detail})", fault.file, fault.name);
    }
    let others = missed + stale + undecided;
    say!("{} of {} caught", faults.len() - others, faults.len());
    if others == 0 { Ok(()) } else { Err(Failure::Mutants { missed, stale, undecided }) }
}

impl Fault {
    /// The source with the fault in it.
    fn put_into(&self, source: &str) -> Result<String, String> {
        match source.matches(self.find).count() {
            1 => Ok(source.replacen(self.find, self.put, 1)),
            n => Err(format!("`{}` is there {n} times", self.find)),
        }
    }
}

/// A copy of the workspace's sources, deleted when dropped.
struct Copy<'a> {
    workspace: &'a Workspace,
    folder: PathBuf,
    /// What the tests of the Python package are run by.
    python: Option<PythonEnvironment>,
    /// Released after the folder is deleted: a second check of this workspace would work in the same one.
    _lock: Lock,
}

impl<'a> Copy<'a> {
    /// In a place that is the same in every call for this workspace, so that cargo takes it for the same packages.
    fn of(workspace: &'a Workspace, cache: &Cache) -> Result<Self> {
        let name = format!("mutants-{}", &sha256(workspace.root().as_os_str().as_encoded_bytes())[..12]);
        let folder = std::env::temp_dir().join(format!("strait-{name}"));
        let copy = Self { workspace, folder, python: None, _lock: cache.lock(&name)? };
        copy.delete();
        copy_sources(workspace.root(), &copy.folder)?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(workspace.link(), copy.folder.join(".libtorch"))
            .map_err(Failure::file("link", &copy.folder))?;
        Ok(copy)
    }

    fn delete(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Puts the fault in, runs its tests, and takes it out again.
    fn verdict(&self, fault: &Fault) -> Result<Verdict> {
        let path = self.folder.join(fault.file);
        let Ok(source) = fs::read_to_string(&path) else { return Ok(Verdict::Stale("there is no such file".into())) };
        let faulty = match fault.put_into(&source) {
            Ok(faulty) => faulty,
            Err(why) => return Ok(Verdict::Stale(why)),
        };
        fs::write(&path, faulty).map_err(Failure::file("write", &path))?;
        let built = self.cargo(fault.tests, &["--no-run"])?.status.success();
        let verdict = match built {
            true => Verdict::of(&self.cargo(fault.tests, &[])?),
            false => Verdict::Stale("it does not build".into()),
        };
        fs::write(&path, source).map_err(Failure::file("write", &path))?;
        Ok(verdict)
    }

    /// The tests, run in the copy.
    fn cargo(&self, tests: Tests, more: &[&str]) -> Result<Output> {
        let (package, feature) = tests.package();
        let mut command = self.workspace.cargo(&["test", "--package", package]);
        command.args(tests.program());
        if let Some(feature) = feature {
            command.args(["--features", feature]);
        }
        command.args(more).arg(tests.of_libtest()).current_dir(&self.folder);
        // What the workspace itself is built with, so that nothing below it is built again.
        command.env("CARGO_TARGET_DIR", self.workspace.target()).env("LIBTORCH", self.workspace.used_libtorch());
        command.env("OMP_NUM_THREADS", "1").env("GLOO_INCLUDE", self.workspace.used_gloo()).envs(memory::for_tests());
        if let Some(python) = &self.python {
            python.tell(&mut command);
        }
        if std::env::var_os("PROPTEST_CASES").is_none() {
            command.env("PROPTEST_CASES", CASES);
        }
        output(&mut command)
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.delete();
    }
}

fn output(command: &mut Command) -> Result<Output> {
    command.output().map_err(|error| Failure::Start { program: command.get_program().into(), error })
}

/// What belongs to the sources: not what was built, fetched or run.
fn is_source(name: &str) -> bool {
    !matches!(name, "target" | "runs") && (!name.starts_with('.') || name == ".cargo")
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Failure::file("create", to))?;
    for entry in fs::read_dir(from).map_err(Failure::file("read", from))? {
        let entry = entry.map_err(Failure::file("read", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Failure::file("read", &path))?;
        if !is_source(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if kind.is_dir() {
            copy_sources(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target).map_err(Failure::file("copy", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::{Sandbox, script};

    /// A patch that no longer applies is found out here, without building anything.
    #[test]
    fn every_fault_still_applies() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let stale: Vec<String> = all()
            .filter_map(|fault| {
                let source = fs::read_to_string(root.join(fault.file)).unwrap_or_default();
                let target = root.join(format!("crates/{}/tests/{}.rs", fault.tests.package().0, fault.tests.target));
                let there = target.exists() || fault.tests.target == fault::LIBRARY;
                let why = fault.put_into(&source).err().or((!there).then(|| format!("no {}", target.display())))?;
                Some(format!("{}: {}: {why}", fault.file, fault.name))
            })
            .collect();
        assert!(stale.is_empty(), "mend or replace these in xtask/src/mutate:\n{}", stale.join("\n"));
    }

    const TESTS: Tests = Tests { package: "p", target: "laws", filter: "" };
    const FAULT: Fault = Fault { name: "n", file: "law.rs", find: "good", put: "bad", tests: TESTS };

    /// A cargo whose build fails where `law.rs` holds the word worse; whose tests fail at bad, end by SIGABRT at crash, by
    /// SIGKILL at killed and with exit code 3 at exit.
    fn sandbox() -> Sandbox {
        let sandbox = Sandbox::new();
        fs::write(sandbox.workspace.root().join("law.rs"), "all is good\n").unwrap();
        let ends = |word: &str, how: &str| {
            let said = format!("error: test failed, to rerun pass\nprocess did not exit successfully ({how})");
            format!("grep -q {word} law.rs && {{ echo \"{said}\" >&2; exit 101; }}")
        };
        let lines = [
            "grep -q worse law.rs && exit 101".to_owned(),
            "case \"$*\" in *--no-run*) exit 0;; esac".to_owned(),
            "grep -q bad law.rs && { echo \"test a_law ... FAILED\"; exit 101; }".to_owned(),
            ends("crash", "signal: 6, SIGABRT: process abort signal"),
            ends("killed", "signal: 9, SIGKILL: kill"),
            ends("exit", "exit status: 3"),
            "exit 0".to_owned(),
        ];
        script(&sandbox.path("cargo"), &lines.join("\n"));
        sandbox
    }

    fn cache(sandbox: &Sandbox) -> Cache {
        Cache::at(sandbox.path("cache"))
    }

    #[test]
    fn a_fault_is_caught_missed_or_stale() {
        let sandbox = sandbox();
        let copy = Copy::of(&sandbox.workspace, &cache(&sandbox)).unwrap();
        let verdict = |fault: Fault| copy.verdict(&fault).unwrap();
        assert_eq!(verdict(FAULT), Verdict::Caught("a_law".into()));
        assert_eq!(verdict(Fault { put: "fine", ..FAULT }), Verdict::Missed);
        assert_eq!(verdict(Fault { put: "worse", ..FAULT }), Verdict::Stale("it does not build".into()));
        assert_eq!(verdict(Fault { find: "l", ..FAULT }), Verdict::Stale("`l` is there 2 times".into()));
        assert!(matches!(verdict(Fault { file: "none.rs", ..FAULT }), Verdict::Stale(_)));
        let folder = copy.folder.clone();
        assert_eq!(fs::read_to_string(folder.join("law.rs")).unwrap(), "all is good\n");
        drop(copy);
        assert!(!folder.exists());
    }

    #[test]
    fn a_test_process_that_crashes_has_caught_it_and_one_that_ends_otherwise_has_not() {
        let sandbox = sandbox();
        let copy = Copy::of(&sandbox.workspace, &cache(&sandbox)).unwrap();
        let verdict = |put| copy.verdict(&Fault { put, ..FAULT }).unwrap();
        assert_eq!(verdict("crash"), Verdict::Caught("SIGABRT".into()));
        for (put, how) in [("killed", "SIGKILL"), ("exit", "exit status: 3")] {
            let Verdict::Undecided(printed) = verdict(put) else { panic!("{put} is decided") };
            assert!(printed.contains(how), "{printed}");
        }
    }

    #[test]
    fn a_build_that_a_signal_ends_is_no_test_that_fails() {
        let stderr = "error: could not compile `p`\nprocess did not exit successfully (signal: 6, SIGABRT: abort)";
        let output = |stderr: &str| Output {
            status: std::os::unix::process::ExitStatusExt::from_raw(101 << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        assert_eq!(Verdict::of(&output(stderr)), Verdict::Undecided(stderr.into()));
    }

    #[test]
    fn a_second_check_leaves_the_copy_of_the_first_alone() {
        let sandbox = sandbox();
        let copy = || Copy::of(&sandbox.workspace, &cache(&sandbox)).unwrap();
        let first = copy();
        let mark = first.folder.join("mark");
        fs::write(&mark, "").unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| copy().folder.join("law.rs").exists());
            std::thread::sleep(std::time::Duration::from_millis(200));
            assert!(mark.exists() && !second.is_finished());
            drop(first);
            assert!(second.join().unwrap() && !mark.exists());
        });
    }

    #[test]
    fn one_that_is_missed_fails_the_command_and_so_does_a_broken_start() {
        let sandbox = sandbox();
        let check = |faults: &[&Fault]| check(&sandbox.workspace, &cache(&sandbox), faults);
        assert!(check(&[&FAULT, &Fault { put: "crash", ..FAULT }]).is_ok());
        let missed = check(&[&FAULT, &Fault { put: "fine", ..FAULT }, &Fault { put: "exit", ..FAULT }]);
        assert_eq!(missed.unwrap_err().to_string(), "1 fault missed, 0 that no longer apply, 1 undecided");
        fs::write(sandbox.workspace.root().join("law.rs"), "bad from the start\n").unwrap();
        let broken = check(&[&FAULT]).unwrap_err().to_string();
        assert_eq!(broken, "laws of p fails without any fault (a_law): mend that first");
    }
}
