use crate::IoError;
use std::io::{self, ErrorKind};
use std::path::Path;
use tch::TchError;

/// What is wrong with an array, without its file.
pub(crate) enum Problem {
    Io(io::Error),
    Damaged(String),
    ElementType(String),
    Range(String),
    Tensor(TchError),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Damaged("it is cut short".into()),
            // What the decompression and its checksum find.
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<TchError> for Problem {
    fn from(error: TchError) -> Self {
        Self::Tensor(error)
    }
}

impl Problem {
    /// In a file, of one of its arrays; a file of one array has none by name.
    pub(crate) fn of(self, path: &Path, array: &str) -> IoError {
        let path = path.to_owned();
        let of = if array.is_empty() { String::new() } else { format!("array `{array}`: ") };
        match self {
            Self::Io(source) => IoError::System { path, source },
            Self::Damaged(problem) => IoError::Damaged { path, problem: format!("{of}{problem}") },
            Self::Range(problem) => IoError::Range { path, problem: format!("{of}{problem}") },
            Self::Tensor(source) => IoError::Tensor { path, source },
            Self::ElementType(found) => {
                let array = if array.is_empty() { "data" } else { array }.to_owned();
                let remedy = remedy(&found);
                IoError::ElementType { path, array, found, remedy }
            }
        }
    }
}

fn remedy(descr: &str) -> &'static str {
    let name = descr.trim_start_matches(['<', '>', '|', '=']);
    match name.as_bytes().first() {
        Some(b'[') => "make columns of its fields with numpy.lib.recfunctions.structured_to_unstructured",
        Some(b'c') => "make two columns of each number with .view(\"float64\"), or take its absolute value",
        Some(b'U' | b'S' | b'O') => "give each text or object a number first",
        Some(b'M' | b'm') => "convert it with .astype(\"int64\")",
        _ => "convert it with .astype(\"float64\")",
    }
}
