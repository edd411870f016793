use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be read or written. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The system's refusal: no such file, no right to it, a full disk, no regular file.
    #[error("{}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file that is cut short, altered, or of another format than its place says.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which array.
        problem: String,
    },
    /// An array whose elements are no real numbers of a known type.
    #[error("array `{array}` of {} has type {found}: {remedy}", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Its type as NumPy writes it.
        found: String,
        /// What makes it one that is read.
        remedy: &'static str,
    },
    /// An archive without an array that was asked for.
    #[error("{} holds no array `{wanted}` (it holds {present:?})", path.display())]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array that is missing.
        wanted: String,
        /// The arrays that are there.
        present: Vec<String>,
    },
    /// Numbers that the type of a file cannot hold.
    #[error("{}: {problem}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// What does not fit, and into what.
        problem: String,
    },
    /// libtorch's refusal, such as for want of memory.
    #[error("{}: {source}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// In libtorch's words.
        source: tch::TchError,
    },
}

impl IoError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::System { path, .. }
            | Self::Damaged { path, .. }
            | Self::ElementType { path, .. }
            | Self::MissingArray { path, .. }
            | Self::Range { path, .. }
            | Self::Tensor { path, .. } => path,
        }
    }

    pub(crate) fn system(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::System { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn tensor(path: &Path) -> impl FnOnce(tch::TchError) -> Self + '_ {
        |source| Self::Tensor { path: path.to_owned(), source }
    }
}
