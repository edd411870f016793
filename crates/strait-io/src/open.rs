use crate::IoError;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a regular file for reading. A pipe, a socket or a device is refused: it would be waited for without end.
///
/// # Errors
/// `System` where it is not there, may not be read, or is no regular file.
pub fn open(path: &Path) -> Result<File, IoError> {
    let file_type = fs::metadata(path).map_err(IoError::system(path))?.file_type();
    if !file_type.is_file() {
        let what = if file_type.is_dir() { "it is a folder" } else { "it is a pipe or a device" };
        let source = io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, and a regular file is needed"));
        return Err(IoError::System { path: path.to_owned(), source });
    }
    File::open(path).map_err(IoError::system(path))
}
