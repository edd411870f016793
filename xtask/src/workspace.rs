//! This clone: its root, its target folder, and calls of cargo in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

/// Where xtask works.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    cargo: PathBuf,
    libtorch_variable: Option<PathBuf>,
    gloo_variable: Option<PathBuf>,
}

impl Workspace {
    /// From what cargo tells a program that it runs.
    pub(crate) fn of_cargo() -> Workspace {
        let package =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.parent().unwrap_or(&package).to_path_buf();
        // This program is TARGET/PROFILE/xtask, wherever cargo's configuration puts TARGET.
        let around = || env::current_exe().ok().and_then(|program| Some(program.parent()?.parent()?.to_path_buf()));
        let target = env::var_os("CARGO_TARGET_DIR").map(|target| root.join(target)).or_else(around);
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Workspace {
            target: target.unwrap_or_else(|| root.join("target")),
            cargo: env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from),
            libtorch_variable: variable("LIBTORCH"),
            gloo_variable: variable("GLOO_INCLUDE"),
            root,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// `.libtorch`.
    pub(crate) fn link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// LIBTORCH as the user set it: `.cargo/config.toml` sets it to the link for whatever cargo runs, xtask included.
    pub(crate) fn users_libtorch(&self) -> Option<&Path> {
        self.libtorch_variable.as_deref().filter(|path| *path != self.link())
    }

    /// The LIBTORCH that cargo builds with.
    pub(crate) fn used_libtorch(&self) -> PathBuf {
        self.libtorch_variable.clone().unwrap_or_else(|| self.link())
    }

    /// `.gloo`, by which the build finds the headers that xtask fetched.
    pub(crate) fn gloo_link(&self) -> PathBuf {
        self.root.join(".gloo")
    }

    /// GLOO_INCLUDE as the user set it, as for LIBTORCH.
    pub(crate) fn users_gloo(&self) -> Option<&Path> {
        self.gloo_variable.as_deref().filter(|path| *path != self.gloo_link())
    }

    /// The GLOO_INCLUDE that cargo builds with.
    pub(crate) fn used_gloo(&self) -> PathBuf {
        self.gloo_variable.clone().unwrap_or_else(|| self.gloo_link())
    }

    /// Cargo in the root of the workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(arguments).current_dir(&self.root);
        if self.users_libtorch().is_none() {
            // Cargo sets it again from its configuration: so it has one value, whoever calls.
            command.env_remove("LIBTORCH");
        }
        command
    }

    /// Runs a command to its end; other than success is a failure that names the step.
    pub(crate) fn step(&self, name: &'static str, mut command: Command) -> Result<()> {
        let status = command
            .status()
            .map_err(|error| Failure::Start { program: PathBuf::from(command.get_program()), error })?;
        if status.success() { Ok(()) } else { Err(Failure::Step { name, code: exit_code(status) }) }
    }
}

/// The exit code as a shell would give it: 128 + N for a program ended by signal N.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;

    /// A workspace in a temporary folder, with a cargo that only writes down how it was called.
    pub(crate) struct Sandbox {
        folder: tempfile::TempDir,
        pub(crate) workspace: Workspace,
    }

    impl Sandbox {
        pub(crate) fn new() -> Sandbox {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("root");
            fs::create_dir(&root).unwrap();
            let cargo = folder.path().join("cargo");
            let log = folder.path().join("calls");
            script(&cargo, &format!("echo \"$*\" >> {}", log.display()));
            let workspace =
                Workspace { target: root.join("target"), root, cargo, libtorch_variable: None, gloo_variable: None };
            Sandbox { folder, workspace }
        }

        pub(crate) fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        pub(crate) fn set_libtorch(&mut self, value: &Path) {
            self.workspace.libtorch_variable = Some(value.to_path_buf());
        }

        pub(crate) fn cargo_calls(&self) -> Vec<String> {
            fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
        }
    }

    impl Workspace {
        pub(crate) fn set_gloo(&mut self, value: &Path) {
            self.gloo_variable = Some(value.to_path_buf());
        }
    }

    /// An executable shell script.
    pub(crate) fn script(path: &Path, body: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Written by another process: a file that this one has open for writing cannot be executed.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod +x \"$2\"";
        let status = Command::new("sh").args(["-c", write, "sh", body]).arg(path).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn the_link_in_libtorch_is_cargos_and_not_the_users() {
        let mut sandbox = Sandbox::new();
        sandbox.set_libtorch(&sandbox.workspace.link());
        assert_eq!(sandbox.workspace.users_libtorch(), None);
        sandbox.set_libtorch(Path::new("/opt/libtorch"));
        assert_eq!(sandbox.workspace.users_libtorch(), Some(Path::new("/opt/libtorch")));
    }
}
