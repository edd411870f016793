use crate::array_dataset::{Splits, check_same_samples, check_samples};
use crate::{ArrayDataset, DataError, Scaling};
use std::io::{ErrorKind, Read};
use std::path::Path;
use strait_core::{Draws, Seed};
use strait_io::{IoError, npy, npz};
use tch::{Device, Kind, Tensor};

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
    let mut draws = seed.stream("split of a file").at(0);
    let (splits, origin) = match format(path)? {
        Format::Npy => (split_data("data", &npy::read(path).map_err(refused)?.values, &mut draws)?, "split 80/10/10"),
        Format::Npz => split_archive(&mut Archive(npz::Archive::open(path).map_err(refused)?), &mut draws)?,
    };
    let [train, validation, test] = [&splits.train, &splits.validation, &splits.test].map(|x| x.size()[0]);
    let name = format!("{} ({origin}: {train} train, {validation} validation, {test} test)", file_name(path));
    ArrayDataset::new(&name, &splits, scaling, kind, device)
}

enum Format {
    Npy,
    Npz,
}

/// By its first bytes, whatever its name.
fn format(path: &Path) -> Result<Format, DataError> {
    let mut start = vec![];
    let file = strait_io::open(path).map_err(refused)?;
    file.take(6).read_to_end(&mut start).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    match &start[..] {
        b"\x93NUMPY" => Ok(Format::Npy),
        [b'P', b'K', ..] => Ok(Format::Npz),
        _ => Err(DataError::NotNumpy { path: path.to_owned() }),
    }
}

fn split_archive(archive: &mut Archive, draws: &mut Draws) -> Result<(Splits<Tensor>, &'static str), DataError> {
    if archive.holds("data") && !archive.holds("train") {
        let beside: Vec<&'static str> = ["validation", "test"].into_iter().filter(|name| archive.holds(name)).collect();
        if !beside.is_empty() {
            return Err(DataError::MixedArrays { path: archive.0.path().to_owned(), beside });
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

/// An archive whose arrays have known names.
struct Archive(npz::Archive);

impl Archive {
    fn holds(&self, array: &str) -> bool {
        self.0.holds(array)
    }

    fn read(&mut self, array: &'static str) -> Result<Tensor, DataError> {
        Ok(self.0.read(array).map_err(refused)?.values)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn refused(error: IoError) -> DataError {
    match error {
        IoError::System { path, source } if source.kind() == ErrorKind::NotFound => {
            DataError::Missing { name: file_name(&path), path }
        }
        IoError::System { path, source } => DataError::Io { path, source },
        IoError::Damaged { path, problem } => DataError::Damaged { path, problem, remedy: REMEDY },
        IoError::MissingArray { path, wanted, present } => DataError::MissingArray { path, wanted, present },
        error => DataError::File(error),
    }
}
