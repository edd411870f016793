use crate::{IoError, open};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file of rows of one length in bytes, from some byte on, that are read by their numbers: for more of them than memory holds.
///
/// Each is read at its place in the file, so that what is read often stays in the system's page cache; a file that is cut
/// short meanwhile is an error, where a mapping of it would end the process.
///
/// ```
/// let path = std::env::temp_dir().join(format!("strait-rows-{}", std::process::id()));
/// std::fs::write(&path, b"HEAD0011223344")?;
/// let rows = strait_io::RowFile::open(&path, 4, 2)?;
/// let mut bytes = [0; 4];
/// rows.read(&[3, 0], &mut bytes)?;
/// assert_eq!((rows.count(), &bytes), (5, b"3300"));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RowFile {
    path: PathBuf,
    file: File,
    start: u64,
    length: usize,
    count: i64,
}

impl RowFile {
    /// Opens a file whose first row begins at byte `start`.
    ///
    /// # Errors
    /// `System` where it cannot be opened; `Damaged` where what follows `start` is no whole number of rows.
    pub fn open(path: &Path, start: u64, length: usize) -> Result<Self, IoError> {
        let file = open(path)?;
        let found = file.metadata().map_err(IoError::system(path))?.len();
        let whole = |bytes: u64| length > 0 && bytes.is_multiple_of(length as u64);
        match found.checked_sub(start).filter(|&bytes| whole(bytes)) {
            Some(bytes) => Ok(Self::of(path, file, start, length, (bytes / length as u64) as i64)),
            None => {
                let problem = format!("its {found} bytes are no whole number of rows of {length} bytes after {start}");
                Err(IoError::damaged(path, problem))
            }
        }
    }

    /// Of an open file whose length is known to fit.
    pub(crate) fn of(path: &Path, file: File, start: u64, length: usize, count: i64) -> Self {
        Self { path: path.to_owned(), file, start, length, count }
    }

    /// How many rows there are.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rows by their numbers, one after the other, into as many bytes.
    ///
    /// # Errors
    /// `Range` for a row that is not there, `System` where the file can no longer be read.
    pub fn read(&self, numbers: &[i64], to: &mut [u8]) -> Result<(), IoError> {
        for (&number, to) in numbers.iter().zip(to.chunks_exact_mut(self.length.max(1))) {
            if !(0..self.count).contains(&number) {
                let problem = format!("row {number} of {}", self.count);
                return Err(IoError::Range { path: self.path.clone(), problem });
            }
            self.read_at(to, number)?;
        }
        Ok(())
    }

    /// The rows from `first` on that fill `to`.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_range(&self, first: i64, to: &mut [u8]) -> Result<(), IoError> {
        let n = (to.len() / self.length.max(1)) as i64;
        if first < 0 || first.saturating_add(n) > self.count {
            let problem = format!("rows {first} to {} of {}", first.saturating_add(n), self.count);
            return Err(IoError::Range { path: self.path.clone(), problem });
        }
        self.read_at(to, first)
    }

    #[cfg(unix)]
    fn read_at(&self, to: &mut [u8], number: i64) -> Result<(), IoError> {
        let at = self.start + number as u64 * self.length as u64;
        std::os::unix::fs::FileExt::read_exact_at(&self.file, to, at).map_err(IoError::system(&self.path))
    }

    #[cfg(not(unix))]
    fn read_at(&self, to: &mut [u8], number: i64) -> Result<(), IoError> {
        use std::io::{Read, Seek, SeekFrom};
        let at = self.start + number as u64 * self.length as u64;
        // A handle of its own, for the place in the file is the handle's.
        let mut file = open(&self.path)?;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(to)).map_err(IoError::system(&self.path))
    }
}
