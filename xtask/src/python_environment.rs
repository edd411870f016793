//! A Python interpreter with the packages that a command needs, which the user's own pip brings into the cache once.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::cache::{Cache, create_folder, install_folder};
use crate::failure::{Failure, Result};
use crate::python::Python;

/// What a Python is needed for, and with which packages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    /// For the reader.
    pub(crate) what: &'static str,
    /// Packages beside numpy and safetensors.
    pub(crate) more: &'static [&'static str],
    /// What it takes, for the reader.
    pub(crate) size: &'static str,
}

/// All that the package needs.
const PINNED: [&str; 2] = ["numpy==2.4.6", "safetensors==0.8.0"];

/// What writes ONNX and what checks the file.
const WITH_ONNX: [&str; 2] = ["onnx==1.21.0", "onnxruntime==1.25.1"];

impl Needs {
    /// The tests of the package, but for its ONNX files.
    const TESTS: Needs =
        Needs { what: "the tests of the Python package", more: &[], size: "18 MB to fetch, 74 MB on disk" };
    /// Those too.
    pub(crate) const ONNX: Needs =
        Needs { what: "the tests of ONNX files", more: &WITH_ONNX, size: "60 MB to fetch, 215 MB on disk" };
}

/// An interpreter, and where it finds packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PythonEnvironment {
    program: PathBuf,
    /// None where the user's own interpreter has them.
    packages: Option<PathBuf>,
}

impl PythonEnvironment {
    /// The user's STRAIT_PYTHON, else `python3` with packages that pip puts into the cache once.
    pub(crate) fn with(cache: &Cache, needs: Needs) -> Result<PythonEnvironment> {
        match env::var_os("STRAIT_PYTHON").filter(|program| !program.is_empty()) {
            Some(program) => Ok(PythonEnvironment { program: program.into(), packages: None }),
            None => Self::brought(cache, needs, Python::of_user()),
        }
    }

    /// For the tests of the package: without its ONNX files where pip cannot bring what they are checked by, and None where
    /// there is nothing; standard error says which.
    pub(crate) fn for_tests(cache: &Cache) -> Option<PythonEnvironment> {
        Self::first([Needs::ONNX, Needs::TESTS], |needs| Self::with(cache, needs))
    }

    fn first(all: [Needs; 2], with: impl Fn(Needs) -> Result<PythonEnvironment>) -> Option<PythonEnvironment> {
        all.into_iter().find_map(|needs| with(needs).inspect_err(|failure| tell!("{failure}")).ok())
    }

    fn brought(cache: &Cache, needs: Needs, python: Option<Python>) -> Result<PythonEnvironment> {
        let Needs { what, more, size } = needs;
        let pinned = [&PINNED, more].concat();
        let failure = |reason: &str| Failure::Python { what, reason: reason.into(), needs: pinned.join(" and ") };
        let python = python.ok_or_else(|| failure("python3 is not on PATH"))?;
        let version = "import sys; print('{}.{}'.format(*sys.version_info)); sys.exit(sys.version_info < (3, 11))";
        let version = python.ask(&["-c", version], Duration::from_secs(10));
        let version = version.ok_or_else(|| failure("python3 is older than 3.11"))?;
        let folder = folder(cache, &version, &pinned);
        let _lock = cache.lock("python")?;
        if !folder.is_dir() {
            if python.ask(&["-m", "pip", "--version"], Duration::from_secs(60)).is_none() {
                return Err(failure("python3 has no pip"));
            }
            tell!("installing {} for {what}, once ({size}), in {}", pinned.join(" and "), folder.display());
            install_folder(&folder, |partial| {
                // What is large does not pass through a small /tmp.
                let scratch = partial.join(".pip");
                create_folder(&scratch)?;
                let mut pip = python.command(&["-m", "pip", "install", "--disable-pip-version-check"]);
                if !std::io::stderr().is_terminal() {
                    pip.arg("--quiet");
                }
                pip.arg("--target").arg(partial).args(&pinned).env("TMPDIR", &scratch).stdout(std::io::stderr());
                match pip.status() {
                    Ok(status) if status.success() => {
                        std::fs::remove_dir_all(&scratch).map_err(Failure::file("remove", &scratch))
                    }
                    _ => Err(failure("pip install failed, which needs a network once")),
                }
            })?;
        }
        Ok(PythonEnvironment { program: python.program().to_owned(), packages: Some(folder) })
    }

    /// The interpreter, which finds modules in these folders too.
    pub(crate) fn python(&self, folders: &[PathBuf]) -> Command {
        let mut python = Command::new(&self.program);
        let paths = self.packages.iter().chain(folders).map(|folder| folder.as_os_str().to_owned());
        let others = env::var_os("PYTHONPATH").unwrap_or_default();
        let paths = paths.chain(std::iter::once(others)).reduce(|first, rest| before(first, Some(rest)));
        python.env("PYTHONPATH", paths.unwrap_or_default());
        python
    }

    /// Tells a command which it is.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("STRAIT_PYTHON", &self.program);
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", before(packages.clone().into(), env::var_os("PYTHONPATH")));
        }
    }
}

fn folder(cache: &Cache, version: &str, pinned: &[&str]) -> PathBuf {
    cache.root().join("python").join(format!("{version}-{}", pinned.join("-").replace("==", "-")))
}

fn before(first: OsString, rest: Option<OsString>) -> OsString {
    match rest.filter(|rest| !rest.is_empty()) {
        Some(rest) => [first, rest].join(&OsString::from(":")),
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::script;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_tests_are_told_of_both_and_other_packages_stay() {
        assert_eq!(before("/a".into(), Some("/b:/c".into())), "/a:/b:/c");
        assert_eq!(before("/a".into(), Some("".into())), "/a");
        let mut command = Command::new("true");
        PythonEnvironment { program: "/python".into(), packages: Some("/a".into()) }.tell(&mut command);
        let told: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_str()?, value?.to_str()?))).collect();
        assert!(
            told.contains(&("STRAIT_PYTHON", "/python"))
                && told.iter().any(|(key, value)| { *key == "PYTHONPATH" && value.starts_with("/a") })
        );
    }

    /// A Python 3.11 in a folder whose pip writes down what it is asked for, and fails where that has the word.
    fn python(folder: &Path, fails: &str) -> Option<Python> {
        let lines = [
            "case \"$*\" in *info[[]0[]]*) echo 3; exit 0;; *version_info*) echo 3.11; exit 0;; *--version*) exit 0;; esac",
            &format!("echo \"$*\" >> {}", folder.join("asked").display()),
            &format!("case \"$*\" in *{fails}*) exit 1;; esac"),
            "while [ \"$1\" != --target ]; do shift; done; touch \"$2/package\" \"$TMPDIR/wheel\"",
        ];
        script(&folder.join("python3"), &lines.join("\n"));
        Python::on(Some(folder.as_os_str()))
    }

    const NEEDS: Needs = Needs { what: "peers", more: &["torch==2.13.0"], size: "3 GB" };

    #[test]
    fn packages_are_brought_once_and_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path().join("cache"));
        let brought = || PythonEnvironment::brought(&cache, NEEDS, python(scratch.path(), "nothing")).unwrap();
        let environment = brought();
        assert_eq!(brought(), environment);
        let folder = cache.root().join("python/3.11-numpy-2.4.6-safetensors-0.8.0-torch-2.13.0");
        assert_eq!(environment.packages.as_deref(), Some(&*folder));
        let held: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(held, ["package"], "what pip had in between stays");
        let asked = fs::read_to_string(scratch.path().join("asked")).unwrap();
        assert!(
            asked.lines().count() == 1 && asked.ends_with("numpy==2.4.6 safetensors==0.8.0 torch==2.13.0\n"),
            "{asked}"
        );
    }

    #[test]
    fn without_a_network_the_line_says_what_to_set_and_nothing_is_left() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path().join("cache"));
        let said = PythonEnvironment::brought(&cache, NEEDS, python(scratch.path(), "torch")).unwrap_err().to_string();
        assert_eq!(
            said,
            "peers cannot be had: pip install failed, which needs a network once: set STRAIT_PYTHON to a Python from 3.11 on \
             with numpy==2.4.6 and safetensors==0.8.0 and torch==2.13.0"
        );
        assert_eq!(fs::read_dir(cache.root().join("python")).unwrap().count(), 0);
        let said = PythonEnvironment::brought(&cache, NEEDS, None).unwrap_err().to_string();
        assert!(said.starts_with("peers cannot be had: python3 is not on PATH: set STRAIT_PYTHON"), "{said}");
    }

    #[test]
    fn where_onnx_cannot_be_had_the_package_is_tested_without() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path().join("cache"));
        let tests = |fails| {
            let with = |needs| PythonEnvironment::brought(&cache, needs, python(scratch.path(), fails));
            Some(
                PythonEnvironment::first([Needs::ONNX, Needs::TESTS], with)?
                    .packages?
                    .file_name()?
                    .to_string_lossy()
                    .into_owned(),
            )
        };
        assert_eq!(tests("numpy"), None);
        assert_eq!(tests("onnx").unwrap(), "3.11-numpy-2.4.6-safetensors-0.8.0");
        assert!(tests("nothing").unwrap().contains("onnxruntime"));
    }

    #[test]
    fn another_python_or_pin_is_another_folder() {
        let cache = Cache::at("/cache".into());
        let named = folder(&cache, "3.12", &PINNED);
        assert_eq!(named.to_str(), Some("/cache/python/3.12-numpy-2.4.6-safetensors-0.8.0"));
    }

    /// What is pinned here is what the package asks for.
    #[test]
    fn the_package_asks_for_what_is_pinned() {
        let project = include_str!("../../crates/strait-io/python/pyproject.toml");
        let asked = project.lines().find(|line| line.starts_with("dependencies")).unwrap();
        assert_eq!(asked.matches('"').count(), 2 * PINNED.len());
        for pinned in PINNED {
            assert!(asked.contains(pinned.split("==").next().unwrap()), "{asked}");
        }
    }
}
