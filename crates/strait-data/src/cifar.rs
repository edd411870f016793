use crate::byte_images::{ByteImages, Part};
use crate::image_dataset::{Images, of_two};
use crate::row_store::RowStore;
use crate::{ArrayDataset, DataError, Image};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strait_core::Seed;
use strait_io::{IoError, RowFile};
use tch::{Device, Kind};

const IMAGE: Image = Image { channels: 3, height: 32, width: 32 };
const HELD_OUT: i64 = 5000;
const REMEDY: &str = "replace it by the original file of the binary version";

/// The files of a set, and the bytes before the pixels of a record: classes, of which the last is the finest.
#[derive(Debug)]
struct Form {
    name: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    before: usize,
    classes: u8,
}

const TEN: Form = Form {
    name: "cifar10",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    before: 1,
    classes: 10,
};
const HUNDRED: Form = Form { name: "cifar100", train: &["train.bin"], test: "test.bin", before: 2, classes: 100 };

/// `cifar10`: 60,000 colour pictures of 32x32 pixels in 10 classes (Krizhevsky, 2009), read from the files of its binary
/// version, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, in `<root>/cifar10` or the folder
/// `cifar-10-batches-bin` in it; no package holds them. They stay in their files and are read as they are drawn.
///
/// A sample has shape (3, 32, 32); levels, units and split are as those of [`fashion_mnist`](crate::fashion_mnist). In
/// training each is mirrored left to right with probability 1/2 where `flips` says so.
///
/// # Errors
/// `NotFetched` where a file is not there; `Damaged` for one of another length than its records, or a class out of range.
///
/// ```
/// use tch::{Device, Kind};
/// let error = strait_data::cifar10("nowhere".as_ref(), false, Kind::Float, Device::Cpu).unwrap_err();
/// assert!(error.to_string().contains("data_batch_1.bin"));
/// ```
pub fn cifar10(root: &Path, flips: bool, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    named(&TEN, &[root.join("cifar10"), root.join("cifar10/cifar-10-batches-bin")])?.build(flips, (kind, device))
}

/// `cifar100`: the same with 100 classes, of `train.bin` and `test.bin` in `<root>/cifar100` or the folder `cifar-100-binary`
/// in it. Its classes are the 100 fine ones.
///
/// # Errors
/// As [`cifar10`].
///
/// ```
/// use tch::{Device, Kind};
/// let error = strait_data::cifar100("nowhere".as_ref(), false, Kind::Float, Device::Cpu).unwrap_err();
/// assert!(error.to_string().contains("train.bin"));
/// ```
pub fn cifar100(root: &Path, flips: bool, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    named(&HUNDRED, &[root.join("cifar100"), root.join("cifar100/cifar-100-binary")])?.build(flips, (kind, device))
}

fn named(form: &Form, folders: &[PathBuf]) -> Result<Images, DataError> {
    let folder = folders.iter().find(|folder| folder.join(form.test).is_file()).unwrap_or(&folders[0]);
    form.images(folder, Seed(0))
}

/// Those that lie in a folder; None where none does.
pub(crate) fn images(folder: &Path, seed: Seed) -> Option<Result<Images, DataError>> {
    let form = [TEN, HUNDRED].into_iter().find(|form| folder.join(form.test).is_file())?;
    Some(form.images(folder, seed))
}

impl Form {
    fn images(&self, folder: &Path, seed: Seed) -> Result<Images, DataError> {
        let train: Vec<PathBuf> = self.train.iter().map(|name| folder.join(name)).collect();
        let read = |paths: &[PathBuf]| -> Result<(Arc<dyn RowStore>, Vec<i64>), DataError> {
            let parts = paths.iter().map(|path| self.part(path)).collect::<Result<_, _>>()?;
            let images = ByteImages::new(parts, IMAGE, self.before);
            let classes = images.bytes_at(self.before - 1)?;
            if let Some(row) = classes.iter().position(|&class| class >= self.classes) {
                let (part, at) = images.place(row as i64).unwrap_or_default();
                let problem =
                    format!("image {}: class {} is not within 0 to {}", at + 1, classes[row], self.classes - 1);
                return Err(DataError::Damaged { path: paths[part].clone(), problem, remedy: REMEDY });
            }
            Ok((Arc::new(images), classes.into_iter().map(i64::from).collect()))
        };
        of_two(self.name, IMAGE, [read(&train)?, read(&[folder.join(self.test)])?], HELD_OUT, seed)
    }

    fn part(&self, path: &Path) -> Result<Part, DataError> {
        let record = self.before + IMAGE.numbers() as usize;
        let rows = RowFile::open(path, 0, record).map_err(|error| match error {
            IoError::Damaged { path, problem } => DataError::Damaged { path, problem, remedy: REMEDY },
            IoError::System { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                DataError::NotFetched { name: self.name.into(), path }
            }
            error => DataError::File(error),
        })?;
        if rows.count() == 0 {
            return Err(DataError::Damaged { path: path.to_owned(), problem: "it is empty".into(), remedy: REMEDY });
        }
        Ok(Part::File(rows))
    }
}
