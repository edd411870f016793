//! `.libtorch` in the workspace root, by which cargo, linkers and programs find libtorch without environment variables.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use super::folder::Libtorch;
use crate::cache::install_file;
use crate::failure::{Failure, Result};
use crate::workspace::Workspace;

/// What `.libtorch` leads to, if it leads anywhere.
pub(super) fn linked(workspace: &Workspace) -> Option<Libtorch> {
    fs::canonicalize(workspace.link()).ok().map(Libtorch::at)
}

/// Points `.libtorch` to `libtorch`, and lets cargo rebuild what was built against another libtorch.
///
/// torch-sys watches the value of LIBTORCH, which is always this link: it cannot see that the link leads elsewhere.
pub(super) fn point(workspace: &Workspace, libtorch: &Libtorch) -> Result<()> {
    let link = workspace.link();
    let target = fs::canonicalize(libtorch.root()).map_err(Failure::file("read", libtorch.root()))?;
    let before = linked(workspace);
    let moved = before.as_ref().is_none_or(|before| before.root() != target);
    // What torch-sys in this target folder was built against.
    let built = workspace.target().join("strait-libtorch");
    let known = fs::read_to_string(&built).ok();
    let identity = libtorch.identity();
    if !moved && known.as_ref() == Some(&identity) {
        return Ok(());
    }
    let previous = known.or_else(|| before.map(|before| before.identity()));
    if moved {
        match fs::symlink_metadata(&link) {
            Ok(found) if !found.is_symlink() => return Err(Failure::NotALink { path: link }),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::file("read", &link)(error)),
            _ => {}
        }
        let partial = link.with_file_name(format!(".libtorch-{}", std::process::id()));
        symlink(&target, &partial).map_err(Failure::file("write", &partial))?;
        fs::rename(&partial, &link).map_err(Failure::file("rename into", &link))?;
        tell!("linked {} to {}", link.display(), target.display());
    }
    if previous.is_some_and(|previous| previous != identity) {
        for profile in ["dev", "release"] {
            let mut clean = workspace.cargo(&["clean", "--quiet", "--profile", profile]);
            // The two crates whose build scripts compile and link against what they find there.
            clean.args(["--package", "torch-sys", "--package", "strait-autodiff"]);
            workspace.step("cargo clean", clean)?;
        }
    }
    install_file(&built, identity.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::fake;
    use super::*;
    use crate::workspace::tests::Sandbox;

    #[test]
    fn the_first_link_rebuilds_nothing() {
        let sandbox = Sandbox::new();
        let cpu = fake(&sandbox.path("cpu"), Some("2.13.0"), false);
        point(&sandbox.workspace, &cpu).unwrap();
        assert_eq!(linked(&sandbox.workspace).unwrap().root(), fs::canonicalize(sandbox.path("cpu")).unwrap());
        assert_eq!(sandbox.cargo_calls(), Vec::<String>::new());
    }

    #[test]
    fn the_same_libtorch_elsewhere_rebuilds_nothing() {
        let sandbox = Sandbox::new();
        point(&sandbox.workspace, &fake(&sandbox.path("one"), Some("2.13.0"), false)).unwrap();
        point(&sandbox.workspace, &fake(&sandbox.path("two"), Some("2.13.0"), false)).unwrap();
        assert!(linked(&sandbox.workspace).unwrap().root().ends_with("two"));
        assert_eq!(sandbox.cargo_calls(), Vec::<String>::new());
    }

    #[test]
    fn another_libtorch_rebuilds_torch_sys_once() {
        let sandbox = Sandbox::new();
        point(&sandbox.workspace, &fake(&sandbox.path("cpu"), Some("2.13.0"), false)).unwrap();
        let cuda = fake(&sandbox.path("cuda"), Some("2.13.0"), true);
        point(&sandbox.workspace, &cuda).unwrap();
        point(&sandbox.workspace, &cuda).unwrap();
        let clean =
            |profile| format!("clean --quiet --profile {profile} --package torch-sys --package strait-autodiff");
        assert_eq!(sandbox.cargo_calls(), [clean("dev"), clean("release")]);
    }

    #[test]
    fn a_link_lost_in_between_does_not_hide_the_change() {
        let sandbox = Sandbox::new();
        point(&sandbox.workspace, &fake(&sandbox.path("cpu"), Some("2.13.0"), false)).unwrap();
        fs::remove_file(sandbox.workspace.link()).unwrap();
        point(&sandbox.workspace, &fake(&sandbox.path("cuda"), Some("2.13.0"), true)).unwrap();
        assert_eq!(sandbox.cargo_calls().len(), 2);
    }

    #[test]
    fn a_folder_of_that_name_is_left_alone() {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.workspace.link()).unwrap();
        let cpu = fake(&sandbox.path("cpu"), Some("2.13.0"), false);
        assert!(matches!(point(&sandbox.workspace, &cpu), Err(Failure::NotALink { .. })));
        assert!(sandbox.workspace.link().is_dir());
    }
}
