use crate::Splits;
use crate::array_dataset::StoredForm;
use crate::array_names::Found;
use crate::check_samples::{check_near, check_same_samples, check_samples};
use crate::columns::Look;
use crate::condition::not_one_each;
use crate::error::{file_name, refused};
use crate::file_form::Grid;
use crate::image_layout::Layout;
use crate::remarks::Remarks;
use crate::row_store::{RowStore, Stored};
use crate::{ArrayDataset, Arrays, DataError, FileForm, Image, Scaling, spaced};
use std::path::Path;
use std::sync::Arc;
use strait_core::{Draws, Error, Seed};
use strait_io::npy::{self, Array};
use strait_io::{ArrayFormat, Element, npz};
use tch::{Device, Kind, Tensor};

/// Rows of a larger file that are looked at before training.
const LOOKED_AT: i64 = 16_384;

/// How a file is to be read.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// The units that networks see; None for those that a look at the columns proposes ([`Look::scaling`]).
    pub scaling: Option<Scaling>,
    /// The names of its arrays.
    pub arrays: Arrays,
    /// That a sample is this image: flat, channels first, or channels last, which is turned.
    pub image: Option<Image>,
    /// Whether whole numbers k become uniform on [k, k + 1), so that they have a density; columns that are not whole stay.
    pub dequantise: bool,
    /// The array that points are conditioned on, in as many parts as they are: `labels` for their classes; of an array of
    /// another name, `train_NAME` and `test_NAME`, or `NAME` beside points that are split.
    pub condition: Option<String>,
    /// The bytes up to which an `.npy` file is read into memory; of a larger one rows are read when they are drawn.
    pub resident: u64,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            scaling: None,
            arrays: Arrays::default(),
            image: None,
            dequantise: false,
            condition: None,
            resident: 4 << 30,
        }
    }
}

/// A data set from your own `.npy` or `.npz` file; the first axis is the sample, the rest may be any shape.
///
/// | the file | training, validation, test |
/// | --- | --- |
/// | `.npz` with arrays `train`, `validation` and `test` | as they are |
/// | `.npz` with arrays `train` and `test` | a tenth of `train` at random is held out for validation |
/// | `.npz` with an array `data`, or a single one; any `.npy` | eight tenths, one tenth, one tenth at random |
///
/// Other usual names serve as well (`x_train`, `train_images`, `arr_0`, ...), or those of [`Arrays`]; labels beside them
/// become the points' classes. Arrays of other names are passed over, and so is `data` beside `train`; `data` beside
/// `validation` or `test` alone is refused, as it would be split and they forgotten. `seed` decides what is held out.
/// Numbers may be of any real type that NumPy has, of either byte order, row- or column-major, compressed or not. A column
/// that is constant over the training split becomes 0 and comes back as its constant. Columns that cannot be trained on in
/// the units are refused by name.
///
/// # Errors
/// `Missing`, `Io`, `NotNumpy`, `Damaged`, `MissingArray`, `MixedArrays` or `File` for the file; `NotFinite` (it names array
/// and row), `OneRow`, `HeavyTail`, `Precision`, `TooFewRows`, `NotABatch`, `NotAnImage` or `ShapesDiffer` for what is in it.
///
/// ```no_run
/// use strait_core::Seed;
/// use strait_data::{FileOptions, Scaling, from_file};
/// use tch::{Device, Kind};
/// let options = FileOptions { scaling: Some(Scaling::PerCoordinate), ..FileOptions::default() };
/// let data = from_file("mine.npz".as_ref(), &options, Seed(0), Kind::Float, Device::Cpu)?;
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub fn from_file(
    path: &Path,
    options: &FileOptions,
    seed: Seed,
    kind: Kind,
    device: Device,
) -> Result<ArrayDataset, DataError> {
    let mut draws = seed.stream("split of a file").at(0);
    let format = format(path)?;
    check_single(path, &format, options.condition.clone().or_else(|| options.arrays.given()))?;
    let held = match format {
        ArrayFormat::Npy if is_large(path, options) => {
            return on_disk(path, options, &mut draws, (kind, device));
        }
        ArrayFormat::Npy => {
            let Array { values, element, followed } = npy::read(path).map_err(refused)?;
            let (splits, origins) = split_data("data", &values, &mut draws)?;
            let followed = followed.then(|| "data".into()).into_iter().collect();
            Held { splits, origins, element, labels: None, origin: WHOLE, followed }
        }
        ArrayFormat::Npz => from_archive(&mut npz::Archive::open(path).map_err(refused)?, options, &mut draws)?,
    };
    held.build(path, options, (kind, device))
}

/// A look at the columns of a file's training points, or of all where it is to be split. `refused` says why a file would not
/// be loaded, for whatever is in any of its arrays.
///
/// # Errors
/// Those of [`from_file`] for the file.
pub fn inspect(path: &Path, arrays: &Arrays) -> Result<Look, DataError> {
    let options = FileOptions { arrays: arrays.clone(), ..FileOptions::default() };
    let format = format(path)?;
    check_single(path, &format, arrays.given())?;
    let (name, look) = match format {
        ArrayFormat::Npy if is_large(path, &options) => {
            let rows = npy::RowReader::open(path).map_err(refused)?;
            ("data".to_owned(), look_at_some(&rows, &spread_rows(&rows)?)?)
        }
        ArrayFormat::Npy => {
            let array = npy::read(path).map_err(refused)?;
            ("data".to_owned(), Look::of(&array.values, array.element)?)
        }
        ArrayFormat::Npz => {
            let mut archive = npz::Archive::open(path).map_err(refused)?;
            let name = match arrays.find(&archive, None)? {
                Found::Whole { data, .. } => data,
                Found::Parts { train, .. } => train,
            };
            let array = archive.read(&name).map_err(refused)?;
            (name, Look::of(&array.values, array.element)?)
        }
    };
    let own = look.check(&name, look.scaling()).err();
    // What lies in its other arrays.
    let (refused, followed) = match own {
        Some(error) => (Some(error.to_string()), vec![]),
        None => match from_file(path, &options, Seed(0), Kind::Float, Device::Cpu) {
            Ok(data) => (None, data.remarks().followed.clone()),
            Err(error) => (Some(error.to_string()), vec![]),
        },
    };
    Ok(Look { refused, followed, ..look })
}

/// Refuses an array by its name of a file whose only array has none.
fn check_single(path: &Path, format: &ArrayFormat, wanted: Option<String>) -> Result<(), DataError> {
    match (format, wanted) {
        (ArrayFormat::Npy, Some(wanted)) => Err(DataError::OneArray { path: path.to_owned(), wanted }),
        _ => Ok(()),
    }
}

/// Whether the rows of an `.npy` file stay there.
fn is_large(path: &Path, options: &FileOptions) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > options.resident)
}

/// Of evenly spaced rows of a file.
fn look_at_some(file: &npy::RowReader, some: &Tensor) -> Result<Look, DataError> {
    Ok(Look::of(some, file.element())?.of_some(every(file), file.count()))
}

fn every(file: &npy::RowReader) -> i64 {
    (file.count() / LOOKED_AT).max(1)
}

const WHOLE: &str = "split 80/10/10";

fn format(path: &Path) -> Result<ArrayFormat, DataError> {
    ArrayFormat::of(path).map_err(refused)?.ok_or_else(|| DataError::NotNumpy { path: path.to_owned() })
}

/// Where the rows of a split are in the file.
struct Origin {
    array: String,
    /// Their numbers there; None where they are in its order.
    rows: Option<Tensor>,
}

impl Origin {
    fn of(array: &str) -> Self {
        Self { array: array.to_owned(), rows: None }
    }

    /// What was found in a split, by the array and the row of the file.
    fn name(&self, error: DataError) -> DataError {
        let array = self.array.clone();
        let place = |row: i64| self.rows.as_ref().map_or(row, |rows| rows.int64_value(&[row]));
        match error {
            DataError::OneRow { column, row, spreads, .. } => {
                DataError::OneRow { array, column, row: place(row), spreads }
            }
            DataError::HeavyTail { column, row, spreads, far_rows, median, spread, .. } => {
                DataError::HeavyTail { array, column, row: place(row), spreads, far_rows, median, spread }
            }
            DataError::TooFar { row, .. } => DataError::TooFar { array, row: place(row) },
            DataError::NotFinite { row, value, .. } => DataError::NotFinite { array, row: place(row), value },
            DataError::Precision { column, problem, remedy, .. } => {
                DataError::Precision { array, column, problem, remedy }
            }
            DataError::Merged { column, .. } => DataError::Merged { array, column },
            DataError::TooFewRows { rows, needed, .. } => DataError::TooFewRows { array, rows, needed },
            DataError::NotABatch { shape, .. } => DataError::NotABatch { array, shape },
            error => error,
        }
    }
}

/// The arrays of a file in memory.
struct Held {
    splits: Splits<Tensor>,
    origins: Splits<Origin>,
    element: Element,
    labels: Option<Splits<Tensor>>,
    origin: &'static str,
    /// As [`Remarks::followed`].
    followed: Vec<String>,
}

impl Held {
    fn build(self, path: &Path, options: &FileOptions, place: (Kind, Device)) -> Result<ArrayDataset, DataError> {
        let Self { splits, origins, element, labels, origin, followed } = self;
        let layout = layout(options, &splits.train)?;
        let splits = splits.try_map(|_, x| layout.load(x))?;
        splits.try_map(|split, x| check_samples("", x, 1).map_err(|error| origins.get(split).name(error)))?;
        let look = Look::of(&splits.train, element)?;
        let scaling = options.scaling.unwrap_or_else(|| look.scaling());
        look.check("", scaling).map_err(|error| origins.train.name(error))?;
        let sizes = [&splits.train, &splits.validation, &splits.test].map(|x| x.size()[0]);
        let (form, bin) = form(options, element, layout, &look)?;
        let data = ArrayDataset::of_bins(&named(path, origin, sizes), &splits, bin, scaling, place)?.with_form(form);
        let remarks = Remarks { followed, ..Remarks::of_file(options.dequantise, &look) };
        let data = data.with_remarks(if origin == WHOLE { remarks } else { remarks.with_parts(&splits)? });
        splits.try_map(|split, x| check_near(x, data.units()).map_err(|error| origins.get(split).name(error)))?;
        let data = match options.image {
            Some(image) => data.with_image(image)?,
            None => data,
        };
        match (labels, options.condition.as_deref()) {
            (Some(rows), Some(name)) => data.conditioned(name, &rows),
            (Some(labels), None) => data.with_labels(&labels),
            (None, _) => Ok(data),
        }
    }
}

fn named(path: &Path, origin: &str, [train, validation, test]: [i64; 3]) -> String {
    format!("{} ({origin}: {train} train, {validation} validation, {test} test)", file_name(path))
}

fn layout(options: &FileOptions, train: &Tensor) -> Result<Layout, DataError> {
    match options.image {
        Some(image) if train.dim() > 1 => image.layout("train", &train.size()[1..]),
        _ => Ok(Layout::Same),
    }
}

/// How the file holds its samples, and 1 for each column of whole numbers, where they are to be dequantised.
fn form(
    options: &FileOptions,
    element: Element,
    layout: Layout,
    look: &Look,
) -> Result<(FileForm, Option<Tensor>), DataError> {
    let grid = Grid::of(look, options.dequantise)?;
    let bin = grid.as_ref().filter(|grid| grid.dequantised).map(|grid| grid.bin.shallow_clone());
    Ok((FileForm { element, layout, grid }, bin))
}

/// The rows of a file, as the data set has them.
#[derive(Debug)]
struct NpyRows {
    file: Arc<npy::RowReader>,
    layout: Layout,
}

impl RowStore for NpyRows {
    fn read(&self, rows: &[i64]) -> Result<Tensor, Error> {
        let read = self.file.read(rows).map_err(Error::other)?;
        let in_file = |error| match error {
            DataError::NotFinite { array, row, value } => {
                DataError::NotFinite { array, row: rows[row as usize], value }
            }
            error => error,
        };
        check_samples("data", &read, 1).map_err(|error| Error::from(in_file(error)))?;
        self.layout.load(&read)
    }
}

/// A file whose rows stay there.
fn on_disk(
    path: &Path,
    options: &FileOptions,
    draws: &mut Draws,
    place: (Kind, Device),
) -> Result<ArrayDataset, DataError> {
    let file = Arc::new(npy::RowReader::open(path).map_err(refused)?);
    let n = file.count();
    if n < 3 {
        return Err(DataError::TooFewRows { array: "data".into(), rows: n, needed: 3 });
    }
    let some = spread_rows(&file)?;
    let layout = layout(options, &some)?;
    let some = layout.load(&some)?;
    let spread = Tensor::f_from_slice(&spaced::rows(every(&file), n).collect::<Vec<_>>())?;
    let origin = Origin { array: "data".into(), rows: Some(spread) };
    check_samples("data", &some, 1).map_err(|error| origin.name(error))?;
    let look = look_at_some(&file, &some)?;
    let scaling = options.scaling.unwrap_or_else(|| look.scaling());
    look.check("data", scaling)?;
    let order = Vec::<i64>::try_from(draws.permutation(n, Device::Cpu)?)?;
    let tenth = (n / 10).max(1) as usize;
    let store: Arc<dyn RowStore> = Arc::new(NpyRows { file: file.clone(), layout });
    let part = |rows: &[i64]| Stored::new(store.clone(), rows, 1.0);
    let rows = Splits {
        train: part(&order[2 * tenth..]),
        validation: part(&order[..tenth]),
        test: part(&order[tenth..2 * tenth]),
    };
    let (form, bin) = form(options, file.element(), layout, &look)?;
    let sizes = [rows.train.len(), rows.validation.len(), rows.test.len()];
    let name = named(path, "read as it is drawn, split 80/10/10", sizes);
    let stored = StoredForm { element: file.element(), bin, flips: false };
    let data = ArrayDataset::stored(&name, &rows, stored, scaling, place)?.with_form(form);
    let followed = file.followed().then(|| "data".into()).into_iter().collect();
    let data = data.with_remarks(Remarks { followed, ..Remarks::of_file(options.dequantise, &look) });
    match options.image {
        Some(image) => data.with_image(image),
        None => Ok(data),
    }
}

/// Evenly spaced rows of a file, at most twice as many as are looked at.
fn spread_rows(file: &npy::RowReader) -> Result<Tensor, DataError> {
    let rows: Vec<i64> = spaced::rows(every(file), file.count()).collect();
    file.read(&rows).map_err(refused)
}

fn from_archive(archive: &mut npz::Archive, options: &FileOptions, draws: &mut Draws) -> Result<Held, DataError> {
    let condition = options.condition.as_deref();
    let found = options.arrays.find(archive, condition)?;
    // Classes that are none are passed over; a condition that is none is not.
    let fits = |array: &str, rows: &Tensor, of: &Tensor| -> Result<bool, DataError> {
        let (found, n) = (rows.size(), of.size()[0]);
        let Some(name) = condition else { return Ok(are_classes(rows, of)) };
        if found.first() != Some(&n) {
            return Err(DataError::Condition { array: name.to_owned(), problem: not_one_each(&found, n, "") });
        }
        // Before they are split, while a row is that of the file.
        if rows.numel() > 0 {
            check_samples(array, &rows.f_reshape([n, -1])?, 0)?;
        }
        Ok(true)
    };
    let mut followed = vec![];
    let mut read = |name: &str| -> Result<Array, DataError> {
        let array = archive.read(name).map_err(refused)?;
        followed.extend(array.followed.then(|| name.to_owned()));
        Ok(array)
    };
    match found {
        Found::Whole { data, labels } => {
            // Two streams with the same draws: the same rows of both.
            let (mut same, Array { values, element, .. }) = (draws.clone(), read(&data)?);
            let (splits, origins) = split_data(&data, &values, draws)?;
            let labels = match labels.map(|name| Ok::<_, DataError>((read(&name)?.values, name))).transpose()? {
                Some((labels, name)) if fits(&name, &labels, &values)? => {
                    Some(Splits::of(&labels, tenth(&values), tenth(&values), &mut same)?)
                }
                _ => None,
            };
            Ok(Held { splits, origins, element, labels, origin: WHOLE, followed })
        }
        Found::Parts { train, validation, test, labels: [train_labels, validation_labels, test_labels] } => {
            let [of_train, of_test] = [&train, &test].map(|name| Origin::of(name));
            let (Array { values: train, element, .. }, test) = (read(&train)?, read(&test)?.values);
            check_samples(&of_test.array, &test, 1)?;
            let mut classes = |name: Option<String>, of: &Tensor| -> Result<Option<Tensor>, DataError> {
                let Some(name) = name else { return Ok(None) };
                let labels = read(&name)?.values;
                Ok(fits(&name, &labels, of)?.then_some(labels))
            };
            let (train_labels, test_labels) = (classes(train_labels, &train)?, classes(test_labels, &test)?);
            if let Some(validation) = validation {
                let of_validation = Origin::of(&validation);
                let validation = read(&validation)?.values;
                let own = match validation_labels {
                    Some(name) => {
                        let labels = read(&name)?.values;
                        fits(&name, &labels, &validation)?.then_some(labels)
                    }
                    None => None,
                };
                let labels = all(train_labels, own, test_labels);
                let splits = Splits { train, validation, test };
                let origins = Splits { train: of_train, validation: of_validation, test: of_test };
                return Ok(Held { splits, origins, element, labels, origin: "its own split", followed });
            }
            check_samples(&of_train.array, &train, 2)?;
            check_same_samples((&of_train.array, &train), (&of_test.array, &test))?;
            let (mut same, mut again) = (draws.clone(), draws.clone());
            let held_out = tenth(&train);
            let rows = Splits::of(&numbers(&train)?, held_out, 0, &mut again)?;
            let part = |rows: Tensor| Origin { array: of_train.array.clone(), rows: Some(rows) };
            let origins = Splits { train: part(rows.train), validation: part(rows.validation), test: of_test };
            let Splits { train, validation, .. } = Splits::of(&train, held_out, 0, draws)?;
            let labels = match train_labels {
                Some(labels) => {
                    let Splits { train, validation, .. } = Splits::of(&labels, held_out, 0, &mut same)?;
                    all(Some(train), Some(validation), test_labels)
                }
                None => None,
            };
            let splits = Splits { train, validation, test };
            Ok(Held { splits, origins, element, labels, origin: "its own test split", followed })
        }
    }
}

fn all(train: Option<Tensor>, validation: Option<Tensor>, test: Option<Tensor>) -> Option<Splits<Tensor>> {
    Some(Splits { train: train?, validation: validation?, test: test? })
}

/// Whole numbers, one for each point.
fn are_classes(labels: &Tensor, of: &Tensor) -> bool {
    !labels.is_floating_point() && labels.size() == [of.size()[0]]
}

fn split_data(array: &str, data: &Tensor, draws: &mut Draws) -> Result<(Splits<Tensor>, Splits<Origin>), DataError> {
    check_samples(array, data, 3)?;
    let (part, mut same) = (tenth(data), draws.clone());
    let rows = Splits::of(&numbers(data)?, part, part, &mut same)?;
    let origin = |rows: &Tensor| Origin { array: array.to_owned(), rows: Some(rows.shallow_clone()) };
    Ok((Splits::of(data, part, part, draws)?, rows.try_map(|_, rows| Ok::<_, DataError>(origin(rows)))?))
}

/// 0 to n - 1 for the n rows of an array.
fn numbers(x: &Tensor) -> Result<Tensor, Error> {
    Ok(Tensor::f_arange(x.size()[0], (Kind::Int64, Device::Cpu))?)
}

fn tenth(x: &Tensor) -> i64 {
    (x.size()[0] / 10).max(1)
}
