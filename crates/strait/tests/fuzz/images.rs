//! Image files, and the folders that they are read from.

use image::{ImageFormat, RgbImage};
use std::fs;
use std::path::Path;
use strait_core::{Dataset, Seed};
use strait_data::{FolderOptions, Image, from_folder};
use tch::{Device, Kind, Tensor};

/// Idx files: four images of 5 by 3, or their classes.
fn idx(axes: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
    bytes.extend((0..axes.iter().product::<u32>()).map(|value| value as u8 % 10));
    bytes
}

pub(crate) fn idx_images() -> Vec<Vec<u8>> {
    vec![idx(&[4, 5, 3])]
}

pub(crate) fn idx_classes() -> Vec<Vec<u8>> {
    vec![idx(&[4])]
}

/// Two images of CIFAR-10, each after its class.
pub(crate) fn cifar() -> Vec<Vec<u8>> {
    vec![(0..2 * 3073).map(|at| if at % 3073 == 0 { 3 } else { at as u8 }).collect()]
}

pub(crate) fn picture(format: ImageFormat) -> Vec<u8> {
    shaded(format, 0)
}

fn shaded(format: ImageFormat, shade: u8) -> Vec<u8> {
    let picture = RgbImage::from_fn(9, 7, |x, y| image::Rgb([20 * x as u8, 30 * y as u8, (x * y) as u8 + shade]));
    let mut bytes = std::io::Cursor::new(vec![]);
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A folder of images in which one file was damaged; the others are put beside it, whole.
fn in_folder(path: &Path, others: &[(&str, Vec<u8>)]) -> Option<Tensor> {
    let folder = path.parent().unwrap();
    for (name, bytes) in others.iter().map(|(name, bytes)| (folder.join(name), bytes)).filter(|(name, _)| name != path)
    {
        fs::write(name, bytes).unwrap();
    }
    let side = if path.extension().is_some_and(|e| e != "bin") { 8 } else { 32 };
    let image = (path.extension().is_some()).then_some(Image { channels: 3, height: side, width: side });
    let options = FolderOptions { image, flips: true };
    let data = from_folder(folder, options, Seed(0), Kind::Float, Device::Cpu).ok()?;
    data.minibatch(2, 0, Seed(0).stream("fuzz")).ok()
}

pub(crate) fn in_idx(path: &Path) -> Option<Tensor> {
    let names =
        ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"];
    in_folder(path, &[0, 1, 2, 3].map(|k| (names[k], if k < 2 { idx(&[4, 5, 3]) } else { idx(&[4]) })))
}

pub(crate) fn in_cifar(path: &Path) -> Option<Tensor> {
    let names = ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
    let all = names.into_iter().chain(["test_batch.bin"]);
    in_folder(path, &all.map(|name| (name, cifar().remove(0))).collect::<Vec<_>>())
}

pub(crate) fn in_pictures(path: &Path) -> Option<Tensor> {
    let others: Vec<_> = (0..10).map(|i| (format!("{i}.png"), shaded(ImageFormat::Png, 20 * i))).collect();
    in_folder(path, &others.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect::<Vec<_>>())
}
