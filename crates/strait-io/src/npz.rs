//! NumPy's `.npz`: a zip archive of `.npy` files.

use crate::npy::{self, Array, Problem};
use crate::whole_file::put;
use crate::{Element, IoError, open};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use tch::Tensor;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// An archive whose arrays are read by name.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
}

impl Archive {
    /// Reads the list of its arrays.
    ///
    /// # Errors
    /// `System`, `Damaged`.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let zip = ZipArchive::new(BufReader::new(open(path)?)).map_err(|error| problem(error).of(path, ""))?;
        Ok(Self { path: path.to_owned(), zip })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its arrays, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.zip.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
        names.sort();
        names
    }

    /// Whether it has an array of this name.
    pub fn holds(&self, array: &str) -> bool {
        self.zip.index_for_name(&format!("{array}.npy")).is_some()
    }

    /// Reads one of its arrays.
    ///
    /// # Errors
    /// `MissingArray` names those that are there; else as [`npy::read`].
    pub fn read(&mut self, array: &str) -> Result<Array, IoError> {
        if !self.holds(array) {
            let (path, wanted, present) = (self.path.clone(), array.to_owned(), self.names());
            return Err(IoError::MissingArray { path, wanted, present });
        }
        let read = self.zip.by_name(&format!("{array}.npy")).map_err(problem).and_then(npy::read_from);
        read.map_err(|problem| problem.of(&self.path, array))
    }
}

fn problem(error: ZipError) -> Problem {
    match error {
        ZipError::Io(error) => error.into(),
        error => Problem::Damaged(error.to_string()),
    }
}

/// Writes arrays under their names, each as numbers of a type. The file appears whole or not at all.
///
/// # Errors
/// As [`npy::write`].
pub fn write(path: &Path, arrays: &[(&str, &Tensor, Element)]) -> Result<(), IoError> {
    let whole = |to: &Path| {
        let mut zip = ZipWriter::new(BufWriter::new(File::create(to).map_err(IoError::system(path))?));
        // As numpy: sizes of 64 bits whatever they are, so that an array of 4 GiB and more is one like any other.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        for (name, values, element) in arrays {
            let written = zip.start_file(format!("{name}.npy"), options).map_err(Problem::from_writing);
            let written = written.and_then(|()| npy::write_to(&mut zip, values, *element));
            written.map_err(|problem| problem.of(path, name))?;
        }
        let mut file = zip.finish().map_err(|error| Problem::from_writing(error).of(path, ""))?;
        file.flush().map_err(IoError::system(path))
    };
    put(path, whole, IoError::system(path))
}

impl Problem {
    fn from_writing(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => Self::Io(error),
            error => Self::Io(io::Error::other(error.to_string())),
        }
    }
}
