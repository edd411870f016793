//! The pinned wheels, unpacked into the cache: once on each machine, complete or not at all.

use std::fs;
use std::path::Path;

use super::folder::{Libtorch, STAMP};
use super::table::{PAIRED, Variant};
use crate::cache::{Cache, install_folder};
use crate::failure::{Failure, Result};
use crate::pip;
use crate::python::Python;
use crate::wheel::{self, Wheel};

/// The variant in the cache, if it is whole.
pub(super) fn cached(cache: &Cache, variant: &Variant) -> Option<Libtorch> {
    let libtorch = Libtorch::at(cache.libtorch().join(variant.name()));
    (libtorch.flaw().is_none() && stamped(&libtorch, variant)).then_some(libtorch)
}

/// Whether a folder that xtask unpacked is still as it was; a folder of the user's own has no stamp to compare with.
pub(super) fn intact(libtorch: &Libtorch) -> bool {
    let variants = [false, true].into_iter().flat_map(Variant::here);
    !libtorch.root().join(STAMP).exists() || variants.into_iter().any(|variant| stamped(libtorch, &variant))
}

/// The stamp names the pinned wheels, and each library has the size that it had.
fn stamped(libtorch: &Libtorch, variant: &Variant) -> bool {
    fs::read_to_string(libtorch.root().join(STAMP)).is_ok_and(|stamp| stamp == stamp_of(libtorch, variant))
}

/// The variant from the cache, fetched first if need be.
pub(super) fn fetched(cache: &Cache, variant: &Variant, python: impl Fn() -> Option<Python>) -> Result<Libtorch> {
    if let Some(libtorch) = cached(cache, variant) {
        return Ok(libtorch);
    }
    let _lock = cache.lock("libtorch")?;
    if let Some(libtorch) = cached(cache, variant) {
        return Ok(libtorch); // another xtask was faster
    }
    let python = python();
    let obtain = |(index, wheel)| {
        let rest = variant.wheels().skip(index + 1);
        pip::obtain(python.as_ref(), wheel, &cache.downloads()).map_err(|failure| also(failure, rest))
    };
    let wheels = variant.wheels().enumerate().map(obtain).collect::<Result<Vec<_>>>()?;
    let folder = cache.libtorch().join(variant.name());
    install_folder(&folder, |partial| unpack(partial, variant, wheels.iter().map(|wheel| wheel.path.as_path())))?;
    wheels.into_iter().for_each(pip::Fetched::discard);
    Ok(Libtorch::at(folder))
}

/// Whoever must place one wheel by hand must place the rest too.
fn also(failure: Failure, rest: impl Iterator<Item = &'static Wheel>) -> Failure {
    match failure {
        Failure::Fetch { reason, mut files, folder } => {
            files.extend(rest.map(|wheel| wheel.file.to_owned()).filter(|file| !folder.join(file).exists()));
            Failure::Fetch { reason, files, folder }
        }
        other => other,
    }
}

fn unpack<'a>(folder: &Path, variant: &Variant, wheels: impl Iterator<Item = &'a Path>) -> Result<()> {
    for path in wheels {
        wheel::unpack(path, folder, |member| variant.place(member))?;
    }
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Failure::file("write", &path))
    };
    if let Some((name, text)) = variant.linker_script() {
        write(&format!("lib/{name}"), text)?;
    }
    write("build-version", &format!("{PAIRED}\n"))?;
    let libtorch = Libtorch::at(folder);
    if let Some(flaw) = libtorch.flaw() {
        return Err(Failure::Wheel { path: folder.to_path_buf(), flaw });
    }
    write(STAMP, &stamp_of(&libtorch, variant))
}

fn stamp_of(libtorch: &Libtorch, variant: &Variant) -> String {
    let wheels = variant.wheels().map(|wheel| format!("{} {}", wheel.sha256, wheel.file));
    wheels.chain(libtorch.library_sizes("")).map(|line| line + "\n").collect()
}
