use crate::array_dataset::{Splits, check_same_samples, check_samples};
use crate::location::open;
use crate::npy::{self, NpyError};
use crate::{ArrayDataset, DataError, Scaling};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;
use strait_core::{Draws, Seed};
use tch::{Device, Kind, Tensor};
use zip::ZipArchive;
use zip::result::ZipError;

const REMEDY: &str = "copy it again from its source, or save it anew with numpy";

/// A data set from your own `.npy` or `.npz` file; the first axis is the sample, the rest may be any shape.
///
/// | the file | training, validation, test |
/// | --- | --- |
/// | `.npz` with arrays `train`, `validation` and `test` | as they are |
/// | `.npz` with arrays `train` and `test` | a tenth of `train` at random is held out for validation |
/// | `.npz` with an array `data`; any `.npy` | eight tenths, one tenth, one tenth at random |
///
/// Arrays of other names are passed over, and so is `data` beside `train`; `data` beside `validation` or `test` alone is
/// refused, as it would be split and they forgotten. `seed` decides what is held out. Numbers may be floats of 2, 4 or 8
/// bytes, signed integers of 1 to 8 bytes, bytes or booleans, of either byte order, row- or column-major, compressed or
/// not. A coordinate that is constant over the training split becomes 0 and comes back as its constant ([`Scaling`],
/// [`crate::Normalise`]).
///
/// # Errors
/// `Missing`, `Io`, `NotNumpy`, `Damaged`, `MissingArray`, `MixedArrays` or `ElementType` for the file; `NotFinite` (it
/// names array and row), `TooFewRows`, `NotABatch` or `ShapesDiffer` for what is in it.
///
/// ```no_run
/// use strait_core::Seed;
/// use strait_data::{Scaling, from_file};
/// use tch::{Device, Kind};
/// let data = from_file("mine.npz".as_ref(), Scaling::PerCoordinate, Seed(0), Kind::Float, Device::Cpu)?;
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub fn from_file(
    path: &Path,
    scaling: Scaling,
    seed: Seed,
    kind: Kind,
    device: Device,
) -> Result<ArrayDataset, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let mut file = open(&file_name(path), path)?;
    let mut start = vec![];
    file.by_ref().take(npy::MAGIC.len() as u64).read_to_end(&mut start).map_err(io)?;
    file.rewind().map_err(io)?;
    let mut draws = seed.stream("split of a file").at(0);
    let (splits, origin) = if start == npy::MAGIC {
        let data = npy::read(file).map_err(|error| refused(path, "data", error))?;
        (split_data("data", &data, &mut draws)?, "split 80/10/10")
    } else if start.starts_with(b"PK") {
        split_archive(&mut Archive::open(path, file)?, &mut draws)?
    } else {
        return Err(DataError::NotNumpy { path: path.to_owned() });
    };
    let [train, validation, test] = [&splits.train, &splits.validation, &splits.test].map(|x| x.size()[0]);
    let name = format!("{} ({origin}: {train} train, {validation} validation, {test} test)", file_name(path));
    ArrayDataset::new(&name, &splits, scaling, kind, device)
}

fn split_archive(archive: &mut Archive<'_>, draws: &mut Draws) -> Result<(Splits<Tensor>, &'static str), DataError> {
    if archive.holds("data") && !archive.holds("train") {
        let beside: Vec<&'static str> = ["validation", "test"].into_iter().filter(|name| archive.holds(name)).collect();
        if !beside.is_empty() {
            return Err(DataError::MixedArrays { path: archive.path.to_owned(), beside });
        }
        return Ok((split_data("data", &archive.read("data")?, draws)?, "split 80/10/10"));
    }
    let (train, test) = (archive.read("train")?, archive.read("test")?);
    check_samples("test", &test, 1)?;
    if archive.holds("validation") {
        return Ok((Splits { train, validation: archive.read("validation")?, test }, "its own split"));
    }
    check_samples("train", &train, 2)?;
    check_same_samples(("train", &train), ("test", &test))?;
    let Splits { train, validation, .. } = Splits::of(&train, tenth(&train), 0, draws)?;
    Ok((Splits { train, validation, test }, "its own test split"))
}

fn split_data(array: &str, data: &Tensor, draws: &mut Draws) -> Result<Splits<Tensor>, DataError> {
    check_samples(array, data, 3)?;
    Ok(Splits::of(data, tenth(data), tenth(data), draws)?)
}

fn tenth(x: &Tensor) -> i64 {
    (x.size()[0] / 10).max(1)
}

/// An `.npz` file: a zip archive of `.npy` files.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path, file: BufReader<File>) -> Result<Self, DataError> {
        Ok(Self { path, zip: ZipArchive::new(file).map_err(|error| damaged(path, "", error))? })
    }

    fn holds(&self, array: &str) -> bool {
        self.zip.index_for_name(&format!("{array}.npy")).is_some()
    }

    fn read(&mut self, array: &'static str) -> Result<Tensor, DataError> {
        if !self.holds(array) {
            let mut present: Vec<String> =
                self.zip.file_names().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
            present.sort();
            return Err(DataError::MissingArray { path: self.path.to_owned(), wanted: array, present });
        }
        let member = self.zip.by_name(&format!("{array}.npy")).map_err(|error| damaged(self.path, array, error))?;
        npy::read(member).map_err(|error| refused(self.path, array, error))
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn damaged(path: &Path, array: &str, error: ZipError) -> DataError {
    let of = if array.is_empty() { String::new() } else { format!("array `{array}`: ") };
    match error {
        ZipError::Io(source) if source.kind() != ErrorKind::UnexpectedEof => {
            DataError::Io { path: path.to_owned(), source }
        }
        error => DataError::Damaged { path: path.to_owned(), problem: format!("{of}{error}"), remedy: REMEDY },
    }
}

fn refused(path: &Path, array: &str, error: NpyError) -> DataError {
    let path = path.to_owned();
    match error {
        NpyError::Io(source) => DataError::Io { path, source },
        NpyError::Damaged(problem) => {
            DataError::Damaged { path, problem: format!("array `{array}`: {problem}"), remedy: REMEDY }
        }
        NpyError::ElementType(found) => DataError::ElementType { path, array: array.to_owned(), found },
        NpyError::Tensor(error) => error.into(),
    }
}
