use crate::{IoError, npy, open};
use std::io::Read as _;
use std::path::Path;

/// Which of NumPy's formats a file has.
///
/// ```
/// use strait_io::{ArrayFormat, Element, npy};
/// use tch::Tensor;
/// let path = std::env::temp_dir().join(format!("strait-format-{}.npz", std::process::id()));
/// npy::write(&path, &Tensor::from_slice(&[1.0]), Element::F64)?; // whatever it is called
/// assert_eq!(ArrayFormat::of(&path)?, Some(ArrayFormat::Npy));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), strait_io::IoError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayFormat {
    /// One array.
    Npy,
    /// An archive of arrays with names.
    Npz,
}

impl ArrayFormat {
    /// By its first bytes; None for a file of another format.
    ///
    /// # Errors
    /// `System`.
    pub fn of(path: &Path) -> Result<Option<Self>, IoError> {
        let mut start = vec![];
        open(path)?.take(npy::MAGIC.len() as u64).read_to_end(&mut start).map_err(IoError::system(path))?;
        Ok(match &start[..] {
            bytes if bytes == npy::MAGIC => Some(Self::Npy),
            [b'P', b'K', ..] => Some(Self::Npz),
            _ => None,
        })
    }
}
