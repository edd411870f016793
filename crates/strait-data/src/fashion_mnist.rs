use crate::idx::Idx;
use crate::{ArrayDataset, DataError};
use std::path::Path;
use strait_core::Seed;
use tch::{Device, Kind};

const FILES: Idx<'_> = Idx {
    name: "mnist",
    classes: 10,
    side: Some([28, 28]),
    held_out: 5000,
    missing: |name, path| DataError::NotFetched { name: name.into(), path },
};

/// `fashion-mnist`: 70,000 grey pictures of clothes of 28x28 pixels with their 10 classes (Xiao and others, arXiv
/// 1708.07747), read from the four original files `{train,t10k}-{images-idx3,labels-idx1}-ubyte`, packed (`.gz`) or not, in
/// `<root>/fashion-mnist`. Debian has them in its package `dataset-fashion-mnist`.
///
/// A sample has shape (1, 28, 28), in the unit of the data set; its own unit is grey from 0 to 1. A level $k$ becomes
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
/// assert_eq!(data.event_shape(), [1, 28, 28]);
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub fn fashion_mnist(root: &Path, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    let missing = |name: &str, path| DataError::Missing { name: name.into(), path };
    let files = Idx { name: "fashion-mnist", missing, ..FILES };
    files.images(&root.join("fashion-mnist"), Seed(0))?.build(false, (kind, device))
}

/// `mnist`: 70,000 handwritten digits of 28x28 pixels with their classes (LeCun and others, 1998), read from the four
/// original files, named as those of [`fashion_mnist`], in `<root>/mnist`; no package holds them.
///
/// # Errors
/// `NotFetched` where a file is not there; otherwise as [`fashion_mnist`].
///
/// ```
/// use tch::{Device, Kind};
/// let error = strait_data::mnist("nowhere".as_ref(), Kind::Float, Device::Cpu).unwrap_err();
/// assert!(error.to_string().contains("no package holds it"));
/// ```
pub fn mnist(root: &Path, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    FILES.images(&root.join("mnist"), Seed(0))?.build(false, (kind, device))
}
