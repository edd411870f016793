//! A folder of numbered files that are made one after another; each is complete or absent.

use crate::error::PairsError;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows in files of `each`, the last of which may hold fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shards {
    folder: PathBuf,
    pub(crate) rows: i64,
    each: i64,
}

impl Shards {
    /// At least one row in all, and in a file.
    pub(crate) fn new(folder: &Path, rows: i64, each: i64) -> Self {
        Self { folder: folder.to_owned(), rows: rows.max(1), each: each.max(1) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn count(&self) -> u64 {
        (self.rows as u64).div_ceil(self.each as u64)
    }

    /// Rows of a file.
    pub(crate) fn size(&self, index: u64) -> i64 {
        self.each.min(self.rows - index as i64 * self.each)
    }

    /// `WHAT-00003-of-00016.EXTENSION`.
    pub(crate) fn path(&self, what: &str, index: u64, extension: &str) -> PathBuf {
        self.folder.join(format!("{what}-{index:05}-of-{:05}.{extension}", self.count()))
    }

    /// Makes what is not there yet, in order, of every n-th file from the k-th on, for (k, n): `make` is given the number of a file
    /// and its rows, and writes it.
    pub(crate) fn fill<E: From<PairsError>>(
        &self,
        (first, each): (usize, usize),
        path: impl Fn(u64) -> PathBuf,
        mut make: impl FnMut(u64, i64) -> Result<(), E>,
    ) -> Result<(), E> {
        fs::create_dir_all(&self.folder).map_err(|source| PairsError::Io { path: self.folder.clone(), source })?;
        let own = (first as u64..self.count()).step_by(each.max(1));
        let missing = own.filter(|&index| !path(index).is_file());
        missing.into_iter().try_for_each(|index| make(index, self.size(index)))
    }
}
