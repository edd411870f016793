//! NumPy's `.npz`: a zip archive of `.npy` files.

use crate::npy::{self, Array, Problem};
use crate::whole_file::put;
use crate::{ArrayFormat, Element, IoError, open};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
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
    /// Each array and the entry that holds it, in the order of names.
    arrays: BTreeMap<String, usize>,
}

impl Archive {
    /// Reads the list of its arrays.
    ///
    /// # Errors
    /// `System`, `Damaged`.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        if ArrayFormat::of(path)? == Some(ArrayFormat::Npy) {
            return Err(IoError::damaged(
                path,
                "it is a single array (.npy), and an archive of arrays (.npz) is needed",
            ));
        }
        let mut zip = ZipArchive::new(BufReader::new(open(path)?)).map_err(|error| problem(error).of(path, ""))?;
        let entries: Vec<(usize, String)> =
            zip.file_names().filter_map(|name| Some((zip.index_for_name(name)?, name.to_owned()))).collect();
        let mut arrays = BTreeMap::new();
        for (at, name) in entries {
            // As numpy, which asks for no suffix; an entry of another kind is no array.
            match name.strip_suffix(".npy") {
                Some(array) => drop(arrays.insert(array.to_owned(), at)),
                None if begins_as_array(&mut zip, at) => drop(arrays.entry(name).or_insert(at)),
                None => {}
            }
        }
        Ok(Self { path: path.to_owned(), zip, arrays })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its arrays, in order.
    pub fn names(&self) -> Vec<String> {
        self.arrays.keys().cloned().collect()
    }

    /// Whether it has an array of this name.
    pub fn holds(&self, array: &str) -> bool {
        self.arrays.contains_key(array)
    }

    /// Reads one of its arrays.
    ///
    /// # Errors
    /// `MissingArray` names those that are there; else as [`npy::read`].
    pub fn read(&mut self, array: &str) -> Result<Array, IoError> {
        let Some(&at) = self.arrays.get(array) else {
            let (path, wanted, present) = (self.path.clone(), array.to_owned(), self.names());
            return Err(IoError::MissingArray { path, wanted, present });
        };
        let read = self.zip.by_index(at).map_err(problem).and_then(npy::read_from);
        read.map_err(|problem| problem.of(&self.path, array))
    }
}

fn begins_as_array(zip: &mut ZipArchive<BufReader<File>>, at: usize) -> bool {
    let mut start = [0; npy::MAGIC.len()];
    zip.by_index(at).is_ok_and(|mut entry| entry.read_exact(&mut start).is_ok() && start == *npy::MAGIC)
}

fn problem(error: ZipError) -> Problem {
    match error {
        ZipError::Io(error) => error.into(),
        ZipError::UnsupportedArchive(_) => {
            Problem::Damaged("it is compressed or encrypted in a way that numpy does not write".into())
        }
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
