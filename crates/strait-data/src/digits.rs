use crate::Splits;
use crate::data_folder::open;
use crate::{ArrayDataset, DataError, Image, Scaling};
use flate2::read::GzDecoder;
use std::io::{ErrorKind, Read};
use std::path::Path;
use strait_core::Seed;
use tch::{Device, Kind, Tensor};

const ROWS: usize = 1797;
const PIXELS: usize = 64;
const LEVELS: i64 = 17;
const HELD_OUT: i64 = 250;
/// The file holds a fiftieth of these bytes; a damaged one may unpack to any number.
const LONGEST: u64 = 16 << 20;
const NAME: &str = "digits (1,797 images of 8x8 in 17 levels, dequantised; 1,297 train, 250 validation, 250 test)";
const REMEDY: &str = "delete it, and `cargo xtask train` fetches it anew";

/// `digits`: 1,797 handwritten digits of 8x8 pixels in 17 levels of grey, with their classes (the test set of the
/// UCI "Optical Recognition of Handwritten Digits", as scikit-learn ships it), read from
/// `<root>/digits/digits.csv.gz`.
///
/// A sample is flat, of shape (64,), in the unit of the data set; its own unit is grey from 0 (paper) to 1 (ink). A
/// level $k$ becomes $(k + u) / 17$ with a fresh $u \sim U[0, 1)$ each time that it is taken. The split is the same in
/// every run: 1,297 / 250 / 250.
///
/// # Errors
/// `Missing` where there is no such file, `Io` where it cannot be read, `Damaged` names the row of what is wrong.
///
/// ```no_run
/// use strait_core::{Dataset, Split};
/// use tch::{Device, Kind};
/// let data = strait_data::digits(&strait_data::data_dir()?, Kind::Float, Device::Cpu)?;
/// assert_eq!(data.len(Split::Train), Some(1297));
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub fn digits(root: &Path, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    let (levels, classes) = read(&root.join("digits").join("digits.csv.gz"))?;
    let grey = Tensor::f_from_slice(&levels)?.f_view([-1, PIXELS as i64])? / LEVELS;
    let classes = Tensor::f_from_slice(&classes)?;
    // Two streams with the same draws: the same rows of both.
    let split = || Seed(0).stream("split of digits").at(0);
    let images = Splits::of(&grey, HELD_OUT, HELD_OUT, &mut split())?;
    let labels = Splits::of(&classes, HELD_OUT, HELD_OUT, &mut split())?;
    ArrayDataset::quantised(NAME, &images, 1.0 / LEVELS as f64, Scaling::Overall, kind, device)?
        .with_labels(&labels)?
        .with_image(Image { channels: 1, height: 8, width: 8 })
}

/// Levels, row after row, and classes.
fn read(path: &Path) -> Result<(Vec<f64>, Vec<i64>), DataError> {
    let damaged = |problem: String| DataError::Damaged { path: path.to_owned(), problem, remedy: REMEDY };
    let text = GzDecoder::new(open("digits", path)?).take(LONGEST);
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let (mut levels, mut classes) = (vec![], vec![]);
    let mut row = csv::StringRecord::new();
    loop {
        let at = classes.len() + 1;
        let more = rows.read_record(&mut row).map_err(|error| damaged(format!("row {at}: {}", reason(&error))))?;
        if !more {
            break;
        }
        if row.len() != PIXELS + 1 {
            return Err(damaged(format!("row {at} has {} columns in place of {}", row.len(), PIXELS + 1)));
        }
        for (column, field) in row.iter().enumerate() {
            let highest = if column == PIXELS { 9 } else { LEVELS - 1 };
            match field.trim().parse::<i64>() {
                Ok(value) if !(0..=highest).contains(&value) => {
                    let problem = format!("row {at}, column {}: {value} is not within 0 to {highest}", column + 1);
                    return Err(damaged(problem));
                }
                Ok(class) if column == PIXELS => classes.push(class),
                Ok(level) => levels.push(level as f64),
                Err(_) => return Err(damaged(format!("row {at}, column {}: {field:?} is no integer", column + 1))),
            }
        }
    }
    if classes.len() != ROWS {
        return Err(damaged(format!("{} rows in place of {ROWS}", classes.len())));
    }
    Ok((levels, classes))
}

/// Without what the csv crate says about positions in its own buffers.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == ErrorKind::UnexpectedEof => "the file is cut short".into(),
        csv::ErrorKind::Io(error) => error.to_string(),
        csv::ErrorKind::Utf8 { .. } => "not text".into(),
        _ => error.to_string(),
    }
}
