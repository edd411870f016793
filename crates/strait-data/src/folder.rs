use crate::idx::{self, Idx};
use crate::{ArrayDataset, DataError, Image, cifar, pictures};
use std::path::Path;
use strait_core::Seed;
use tch::{Device, Kind};

/// Training images of idx files that are held out for validation; of fewer than twice as many, half.
const HELD_OUT: i64 = 5000;

/// How a folder is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderOptions {
    /// The image that pictures are brought to. Of idx and CIFAR files, which have their own, it is only compared.
    pub image: Option<Image>,
    /// Whether in training each image is mirrored left to right with probability 1/2.
    pub flips: bool,
}

/// A data set of images from a folder of your own:
///
/// | the folder holds | data |
/// | --- | --- |
/// | `train-images-idx3-ubyte`, ..., each packed (`.gz`) or not | as MNIST; 5,000 of its training images (of few, half) for validation |
/// | `data_batch_1.bin`, ... and `test_batch.bin`; `train.bin` and `test.bin` | as CIFAR-10; as CIFAR-100 |
/// | PNG, JPEG and WebP files | the sub-folder of a picture is its class; eight tenths, one tenth, one tenth at random, copies of one picture in one part |
/// | folders `train`, `test` and perhaps `validation` of pictures | as they are; without `validation` a tenth of `train` |
///
/// Pictures are decoded as they are drawn, on threads, ahead of the batch that needs them, and kept where all of them take
/// 512 MiB at most. Each is brought to `image`, which must be given: 16 bits become 8 by rounding v / 257, what is transparent
/// is laid over white, then it is scaled to just cover the image and cut in the middle. Passed over, and listed in
/// [`Remarks::skipped`](crate::Remarks::skipped), are files without a byte, cut short, damaged, animated, of four colours
/// (CMYK), or of another format than their name says. A picture that cannot be decoded though none of this can be seen stops what asks for it.
/// Names that begin with a dot, and links back to a folder that they are in, are passed over without a word.
/// The units of pictures are taken of at most 8,192 evenly spaced ones.
///
/// `seed` decides what is held out.
///
/// # Errors
/// `Io` where the folder cannot be read; `NoPictures` or `FewPictures` where none, or fewer than three, can be used; `Damaged` names a file that is not what its
/// name says; `NotAnImage` where idx or CIFAR files hold other images than `image`.
///
/// ```
/// use strait_core::Seed;
/// use strait_data::{FolderOptions, Image, from_folder};
/// use tch::{Device, Kind};
/// let image = Some(Image { channels: 3, height: 64, width: 64 });
/// let options = FolderOptions { image, flips: true };
/// let empty = std::env::temp_dir().join(format!("strait-empty-{}", std::process::id()));
/// std::fs::create_dir_all(&empty)?;
/// let error = from_folder(&empty, options, Seed(0), Kind::Float, Device::Cpu).unwrap_err();
/// assert!(error.to_string().ends_with("holds no PNG, JPEG or WebP file, and no idx or CIFAR files"));
/// # std::fs::remove_dir(&empty)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn from_folder(
    path: &Path,
    options: FolderOptions,
    seed: Seed,
    kind: Kind,
    device: Device,
) -> Result<ArrayDataset, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    std::fs::read_dir(path).map_err(io)?;
    let name = path.file_name().map_or_else(|| "images".into(), |name| name.to_string_lossy().into_owned());
    let images = if idx::is_here(path) {
        let missing = |name: &str, path| DataError::NotFetched { name: name.into(), path };
        Idx { name: &name, classes: u8::MAX, side: None, held_out: HELD_OUT, missing }.images(path, seed)?
    } else if let Some(images) = cifar::images(path, seed) {
        images?
    } else {
        let must = "given for a folder of pictures, as { channels, height, width }";
        let image = options.image.ok_or(DataError::Parameter {
            of: "a folder of pictures",
            parameter: "image",
            value: "none".into(),
            must,
        })?;
        pictures::folder(path, image, seed)?
    };
    if let Some(image) = options.image.filter(|image| *image != images.image) {
        return Err(DataError::NotAnImage { array: name, event: images.image.shape().to_vec(), image: image.shape() });
    }
    images.build(options.flips, (kind, device))
}
