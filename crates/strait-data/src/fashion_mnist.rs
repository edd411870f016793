use crate::array_dataset::Splits;
use crate::location::open;
use crate::{ArrayDataset, DataError, Image, Scaling};
use flate2::read::GzDecoder;
use std::io::{ErrorKind, Read};
use std::path::Path;
use strait_core::Seed;
use tch::{Device, Kind, Tensor};

const SIDE: i64 = 28;
const LEVELS: i64 = 256;
const HELD_OUT: i64 = 5000;
/// Twice the bytes of the largest file; a damaged one may unpack to any number.
const LONGEST: u64 = 100 << 20;
const NAME: &str =
    "fashion-mnist (28x28 in 256 levels, dequantised; of its 60,000 training images 5,000 for validation, 10,000 test)";
const REMEDY: &str = "replace it by the original file";

/// `fashion-mnist`: 70,000 grey pictures of clothes of 28x28 pixels with their classes (Xiao and others, arXiv
/// 1708.07747), read from the four original files `{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz` in
/// `<root>/fashion-mnist`. Debian has them in its package `dataset-fashion-mnist`.
///
/// A sample is flat, of shape (784,), in the unit of the data set; its own unit is grey from 0 to 1. A level $k$ becomes
/// $(k + u) / 256$ with a fresh $u \sim U[0, 1)$ each time that it is taken. The test images are those of the original;
/// the validation images are 5,000 of its training images, the same in every run.
///
/// # Errors
/// `Missing` where a file is not there, `Io` where it cannot be read, `Damaged` says what is wrong with it.
///
/// ```no_run
/// use strait_core::{Dataset, Split};
/// use tch::{Device, Kind};
/// let data = strait_data::fashion_mnist(&strait_data::data_dir()?, Kind::Float, Device::Cpu)?;
/// assert_eq!(data.len(Split::Train), Some(55_000));
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub fn fashion_mnist(root: &Path, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    let folder = root.join("fashion-mnist");
    let (images, classes) = pair(&folder, "train")?;
    let (test_images, test_classes) = pair(&folder, "t10k")?;
    // Two streams with the same draws: the same rows of both.
    let split = |x: &Tensor, test: Tensor| -> Result<Splits<Tensor>, DataError> {
        let held_out = HELD_OUT.min(x.size()[0] / 2);
        let known = Splits::of(x, held_out, 0, &mut Seed(0).stream("split of fashion-mnist").at(0))?;
        Ok(Splits { test, ..known })
    };
    ArrayDataset::quantised(NAME, &split(&images, test_images)?, 1.0 / LEVELS as f64, Scaling::Overall, kind, device)?
        .with_labels(&split(&classes, test_classes)?)?
        .with_image(Image { channels: 1, height: SIDE, width: SIDE })
}

/// Images (n, 784) in grey, and classes (n,).
fn pair(folder: &Path, part: &str) -> Result<(Tensor, Tensor), DataError> {
    let path = folder.join(format!("{part}-labels-idx1-ubyte.gz"));
    let (_, classes) = idx(&path, &[])?;
    let images = folder.join(format!("{part}-images-idx3-ubyte.gz"));
    let (n, levels) = idx(&images, &[SIDE, SIDE])?;
    if classes.len() as i64 != n {
        let problem = format!("{} classes for {n} images", classes.len());
        return Err(DataError::Damaged { path, problem, remedy: REMEDY });
    }
    if let Some(row) = classes.iter().position(|&class| class > 9) {
        let problem = format!("row {}: {} is not within 0 to 9", row + 1, classes[row]);
        return Err(DataError::Damaged { path, problem, remedy: REMEDY });
    }
    let grey = Tensor::f_from_slice(&levels)?.f_view([n, SIDE * SIDE])?.f_to_kind(Kind::Float)? / LEVELS;
    Ok((grey, Tensor::f_from_slice(&classes)?.f_to_kind(Kind::Int64)?))
}

/// A compressed idx file of unsigned bytes: how many samples, of the given shape, and their bytes.
fn idx(path: &Path, event: &[i64]) -> Result<(i64, Vec<u8>), DataError> {
    let damaged = |problem: String| DataError::Damaged { path: path.to_owned(), problem, remedy: REMEDY };
    let mut bytes = vec![];
    GzDecoder::new(open("fashion-mnist", path)?).take(LONGEST).read_to_end(&mut bytes).map_err(|error| match error
        .kind()
    {
        ErrorKind::UnexpectedEof => damaged("the file is cut short".into()),
        _ => damaged(error.to_string()),
    })?;
    // Two zeros, the code of unsigned bytes, the number of axes; then the length of each axis, highest byte first.
    let axes = 1 + event.len();
    let (head, values) =
        bytes.split_at_checked(4 * (1 + axes)).ok_or_else(|| damaged("the file is cut short".into()))?;
    let (magic, lengths) = head.split_at(4);
    if magic != [0, 0, 8, axes as u8] {
        return Err(damaged(format!("it begins with {magic:?}, not as an idx file of bytes with {axes} axes")));
    }
    let lengths: Vec<i64> =
        lengths.chunks(4).map(|length| length.iter().fold(0, |n, &byte| 256 * n + i64::from(byte))).collect();
    if lengths[1..] != *event {
        return Err(damaged(format!("samples of shape {:?} in place of {event:?}", &lengths[1..])));
    }
    let expected: i64 = lengths.iter().product();
    if values.len() as i64 != expected || lengths[0] == 0 {
        return Err(damaged(format!("{} bytes in place of {expected}", values.len())));
    }
    Ok((lengths[0], values.to_vec()))
}
