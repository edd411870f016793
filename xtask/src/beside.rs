//! A Python interpreter for the tests of the Python package, with the packages that they need, made by the user's own
//! pip.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::cache::{Cache, install_folder};
use crate::failure::{Failure, Result};
use crate::python::Python;

/// All that the package needs.
const PINNED: [&str; 2] = ["numpy==2.4.6", "safetensors==0.8.0"];

/// The interpreter that the tests of the package are run by, and where it finds packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beside {
    program: PathBuf,
    /// None where the user's own interpreter has them.
    packages: Option<PathBuf>,
}

impl Beside {
    /// The user's STRAIT_PYTHON, else `python3` with packages that pip puts into the cache once: for the package's tests.
    pub(crate) fn ensure(cache: &Cache) -> Result<Beside> {
        Self::with(cache, "the tests of the Python package", &[])
    }

    /// The same with more packages, for what the words say.
    pub(crate) fn with(cache: &Cache, what: &'static str, more: &[&str]) -> Result<Beside> {
        let pinned = [&PINNED, more].concat();
        let failure = |reason: &str| Failure::Python { what, reason: reason.into(), needs: pinned.join(" and ") };
        if let Some(program) = env::var_os("STRAIT_PYTHON").filter(|program| !program.is_empty()) {
            return Ok(Beside { program: program.into(), packages: None });
        }
        let python = Python::of_user().ok_or_else(|| failure("python3 is not on PATH"))?;
        let version = "import sys; print('{}.{}'.format(*sys.version_info)); sys.exit(sys.version_info < (3, 11))";
        let version = python.ask(&["-c", version], Duration::from_secs(10));
        let version = version.ok_or_else(|| failure("python3 is older than 3.11"))?;
        let folder = folder(cache, &version, &pinned);
        let _lock = cache.lock("python")?;
        if !folder.is_dir() {
            tell!("installing {} for {what}", pinned.join(" and "));
            install_folder(&folder, |partial| {
                let mut pip = python.command(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
                pip.arg("--target").arg(partial).args(&pinned).stdout(std::io::stderr());
                match pip.status() {
                    Ok(status) if status.success() => Ok(()),
                    _ => Err(failure("pip install failed")),
                }
            })?;
        }
        Ok(Beside { program: python.program().to_owned(), packages: Some(folder) })
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

    #[test]
    fn the_tests_are_told_of_both_and_other_packages_stay() {
        assert_eq!(before("/a".into(), Some("/b:/c".into())), "/a:/b:/c");
        assert_eq!(before("/a".into(), Some("".into())), "/a");
        let mut command = Command::new("true");
        Beside { program: "/python".into(), packages: Some("/a".into()) }.tell(&mut command);
        let told: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_str()?, value?.to_str()?))).collect();
        assert!(
            told.contains(&("STRAIT_PYTHON", "/python"))
                && told.iter().any(|(key, value)| { *key == "PYTHONPATH" && value.starts_with("/a") })
        );
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
