//! Idx files of bytes, as MNIST and Fashion-MNIST come in.

use crate::byte_images::{ByteImages, Part};
use crate::image_dataset::{Images, of_two};
use crate::row_store::RowStore;
use crate::{DataError, Image};
use flate2::read::GzDecoder;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strait_core::Seed;
use strait_io::RowFile;

/// Of an unpacked file; a damaged one may unpack to any number.
const LONGEST: u64 = 1 << 30;
const REMEDY: &str = "replace it by the original file";

fn damaged(path: &Path, problem: String) -> DataError {
    DataError::Damaged { path: path.to_owned(), problem, remedy: REMEDY }
}

/// The file of a name in a folder, packed or not; None where there is neither.
pub(crate) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_owned(), format!("{name}.gz")].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The four files of one data set.
const FILES: [[&str; 2]; 2] =
    [["train-images-idx3-ubyte", "train-labels-idx1-ubyte"], ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]];

/// Whether a folder holds some of them.
pub(crate) fn is_here(folder: &Path) -> bool {
    FILES.iter().flatten().any(|name| find(folder, name).is_some())
}

/// What is expected of a data set of such files.
pub(crate) struct Idx<'a> {
    pub(crate) name: &'a str,
    /// How many classes there can be.
    pub(crate) classes: u8,
    /// Height and width; None for those that the files say.
    pub(crate) side: Option<[i64; 2]>,
    /// Training images that are held out for validation.
    pub(crate) held_out: i64,
    /// What is said of a file that is not there.
    pub(crate) missing: fn(&str, PathBuf) -> DataError,
}

impl Idx<'_> {
    /// Images and classes of `{train,t10k}-{images-idx3,labels-idx1}-ubyte` in a folder, each packed by gzip or not. Unpacked
    /// images stay in their file and are read as they are drawn.
    ///
    /// # Errors
    /// `missing` where a file is not there; `Damaged` says what is wrong with one.
    pub(crate) fn images(&self, folder: &Path, seed: Seed) -> Result<Images, DataError> {
        let (side, train, classes) = self.part(folder, FILES[0], self.side)?;
        let (_, test, test_classes) = self.part(folder, FILES[1], Some(side))?;
        let image = Image { channels: 1, height: side[0], width: side[1] };
        let store = |part| Arc::new(ByteImages::new(vec![part], image, 0)) as Arc<dyn RowStore>;
        of_two(self.name, image, [(store(train), classes), (store(test), test_classes)], self.held_out, seed)
    }

    /// Height and width, the images, and the class of each.
    fn part(
        &self,
        folder: &Path,
        [images, labels]: [&str; 2],
        side: Option<[i64; 2]>,
    ) -> Result<([i64; 2], Part, Vec<i64>), DataError> {
        let path = |name: &str| {
            let missing = || (self.missing)(self.name, folder.join(format!("{name}.gz")));
            find(folder, name).ok_or_else(missing)
        };
        let (images, labels) = (path(images)?, path(labels)?);
        let classes = labels_of(&labels, self.classes)?;
        let (axes, part) = idx(&images, 3, side.as_ref().map(<[i64; 2]>::as_slice), false)?;
        if classes.len() as i64 != axes[0] {
            return Err(damaged(&labels, format!("{} classes for {} images", classes.len(), axes[0])));
        }
        Ok(([axes[1], axes[2]], part, classes))
    }
}

fn labels_of(path: &Path, classes: u8) -> Result<Vec<i64>, DataError> {
    let (_, Part::Held(values)) = idx(path, 1, None, true)? else { return Ok(vec![]) };
    if let Some(row) = values.iter().position(|&class| class >= classes) {
        let problem = format!("row {}: {} is not within 0 to {}", row + 1, values[row], classes - 1);
        return Err(damaged(path, problem));
    }
    Ok(values.into_iter().map(i64::from).collect())
}

/// An idx file of unsigned bytes with so many axes: the length of each, and the bytes behind them.
fn idx(path: &Path, axes: usize, event: Option<&[i64]>, whole: bool) -> Result<(Vec<i64>, Part), DataError> {
    let short = || damaged(path, "the file is cut short".into());
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => short(),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => damaged(path, error.to_string()),
        _ => DataError::Io { path: path.to_owned(), source: error },
    };
    let file = strait_io::open(path).map_err(DataError::File)?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let length = file.metadata().map_err(io)?.len();
    let mut from: Box<dyn Read> = match packed {
        true => Box::new(GzDecoder::new(std::io::BufReader::new(file)).take(LONGEST)),
        false => Box::new(file),
    };
    // Two zeros, the code of unsigned bytes, the number of axes; then the length of each axis, highest byte first.
    let mut head = vec![0; 4 * (1 + axes)];
    from.read_exact(&mut head).map_err(io)?;
    let (magic, lengths) = head.split_at(4);
    if magic != [0, 0, 8, axes as u8] {
        return Err(damaged(path, format!("it begins with {magic:?}, not as an idx file of bytes with {axes} axes")));
    }
    let lengths: Vec<i64> =
        lengths.chunks(4).map(|length| length.iter().fold(0, |n, &byte| 256 * n + i64::from(byte))).collect();
    if let Some(event) = event.filter(|event| lengths[1..] != **event) {
        return Err(damaged(path, format!("samples of shape {:?} in place of {event:?}", &lengths[1..])));
    }
    let expected = lengths.iter().try_fold(1i64, |product, &n| product.checked_mul(n));
    let expected = expected
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| damaged(path, format!("it says that its shape is {lengths:?}")))?;
    let fits = |found: i64| match found == expected {
        true => Ok(()),
        false => Err(damaged(path, format!("{found} bytes in place of {expected}"))),
    };
    if packed || whole {
        let mut values = vec![];
        from.read_to_end(&mut values).map_err(io)?;
        fits(values.len() as i64)?;
        return Ok((lengths, Part::Held(values)));
    }
    fits(length as i64 - head.len() as i64)?;
    let record = lengths[1..].iter().product::<i64>() as usize;
    let rows = RowFile::open(path, head.len() as u64, record).map_err(DataError::File)?;
    Ok((lengths, Part::File(rows)))
}
