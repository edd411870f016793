//! Which libtorch is used: the user's LIBTORCH, then what is linked already, then an installed PyTorch, then the wheels.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fetch::{cached, fetched, intact};
use super::folder::{INSTALLED, Libtorch, python_version};
use super::link::{linked, point};
use super::table::{PAIRED, Variant};
use crate::cache::{Cache, install_folder, sha256};
use crate::failure::{Failure, Result};
use crate::python::Python;
use crate::workspace::Workspace;

/// Finds or fetches libtorch and links it, so that whatever cargo does afterwards finds it.
pub(crate) fn ensure(workspace: &Workspace, cache: &Cache, cuda: bool) -> Result<Libtorch> {
    let libtorch = choose(workspace, cache, cuda, Python::of_user)?;
    point(workspace, &libtorch)?;
    Ok(libtorch)
}

fn choose(workspace: &Workspace, cache: &Cache, cuda: bool, python: impl Fn() -> Option<Python>) -> Result<Libtorch> {
    if let Some(found) = settled(workspace, cuda)? {
        return Ok(found);
    }
    let package = python().and_then(|python| importable(&python));
    if let Some(package) = package.filter(|package| package.has_cuda() || !cuda) {
        return adopt(cache, &package);
    }
    fetched(cache, &Variant::here(cuda)?, python)
}

/// The user's choice, or the one made by an earlier run.
fn settled(workspace: &Workspace, cuda: bool) -> Result<Option<Libtorch>> {
    if let Some(path) = workspace.users_libtorch() {
        let libtorch = Libtorch::at(path);
        let flaw = if path.is_absolute() { libtorch.flaw() } else { Some("it is not an absolute path".to_owned()) };
        return match flaw {
            Some(flaw) => Err(Failure::Variable { path: path.to_path_buf(), flaw }),
            None => Ok(Some(note_cuda(libtorch, cuda))),
        };
    }
    let usable = linked(workspace).filter(|libtorch| match unusable(libtorch) {
        Some(flaw) => {
            tell!("note: .libtorch leads to {}, which is passed over: {flaw}", libtorch.root().display());
            false
        }
        None => true,
    });
    Ok(usable.filter(|libtorch| !cuda || libtorch.has_cuda() || !libtorch.is_ours()).map(|own| note_cuda(own, cuda)))
}

/// What keeps the choice of an earlier run from being kept.
fn unusable(linked: &Libtorch) -> Option<String> {
    linked.flaw().or_else(|| (!intact(linked)).then(|| "it is not as it was unpacked".to_owned()))
}

fn note_cuda(libtorch: Libtorch, cuda: bool) -> Libtorch {
    if cuda && !libtorch.has_cuda() {
        tell!("note: {} is a libtorch of your own without CUDA, and is used as it is", libtorch.root().display());
    }
    libtorch
}

/// The version of the installed PyTorch, if any, and the folder of its package, without importing it.
pub(crate) fn installed_version(python: &Python) -> Option<(String, PathBuf)> {
    let find = "import importlib.util as u; s = u.find_spec('torch'); print(s.origin or '' if s else '')";
    let origin = python.ask(&["-c", find], Duration::from_secs(10))?;
    let package = Path::new(&origin).parent()?.to_path_buf();
    Some((python_version(&fs::read_to_string(package.join("version.py")).ok()?)?, package))
}

/// An installed PyTorch of the paired version, ABI and layout whose libraries load.
fn importable(python: &Python) -> Option<Libtorch> {
    let libtorch = Libtorch::at(installed_version(python)?.1);
    if libtorch.flaw().is_some() {
        return None;
    }
    let import = "import torch; print(torch._C._GLIBCXX_USE_CXX11_ABI)";
    let abi = python.ask(&["-c", import], Duration::from_secs(60))?;
    (abi == "True" || cfg!(target_os = "macos")).then_some(libtorch)
}

/// A folder of links into an installed PyTorch, which lacks only `build-version`.
fn adopt(cache: &Cache, package: &Libtorch) -> Result<Libtorch> {
    let name = sha256(package.root().as_os_str().as_encoded_bytes());
    let folder = cache.libtorch().join(format!("{PAIRED}-installed-{}", &name[..8]));
    let _lock = cache.lock("libtorch")?;
    install_folder(&folder, |partial| {
        for name in ["lib", "include"] {
            let link = partial.join(name);
            symlink(package.root().join(name), &link).map_err(Failure::file("write", &link))?;
        }
        for (name, text) in [("build-version", PAIRED), (INSTALLED, &package.root().to_string_lossy())] {
            let path = partial.join(name);
            fs::write(&path, text).map_err(Failure::file("write", &path))?;
        }
        Ok(())
    })?;
    Ok(Libtorch::at(folder))
}

/// What `ensure` would use, for `doctor`: nothing is fetched or changed. `Ok(None)`: it would fetch the wheels.
pub(crate) fn survey(workspace: &Workspace, cache: &Cache) -> Result<Option<(Libtorch, &'static str)>> {
    if let Some(libtorch) = settled(workspace, false)? {
        let origin = if workspace.users_libtorch().is_some() { "from LIBTORCH" } else { "linked as .libtorch" };
        return Ok(Some((libtorch, origin)));
    }
    if let Some(libtorch) = Python::of_user().and_then(|python| importable(&python)) {
        return Ok(Some((libtorch, "an installed PyTorch, not linked yet")));
    }
    let cached = Variant::here(false).ok().and_then(|variant| cached(cache, &variant));
    Ok(cached.map(|libtorch| (libtorch, "in the cache, not linked yet")))
}

#[cfg(test)]
mod tests;
