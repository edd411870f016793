//! The Fashion-MNIST reader on small files of the real form, whole and damaged. (On the real ones: see the README.)

use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;
use strait_core::{Dataset, Seed, Split};
use strait_data::{ArrayDataset, DataError, Image, fashion_mnist};
use tch::{Device, Kind};

fn idx(shape: &[u32], values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// Pixel j of image i holds i + j modulo 256, and its class is i mod 10.
fn images(n: u32) -> Vec<u8> {
    idx(&[n, 28, 28], (0..n).flat_map(|i| (0..784).map(move |j| ((i + j) % 256) as u8)))
}

fn classes(n: u32) -> Vec<u8> {
    idx(&[n], (0..n).map(|i| (i % 10) as u8))
}

/// Twenty images to train with and seven to test, with one file in another form.
fn load(other: Option<(&str, &[u8])>) -> Result<ArrayDataset, String> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("fashion-mnist");
    fs::create_dir(&folder).unwrap();
    for (part, n) in [("train", 20), ("t10k", 7)] {
        for (name, bytes) in [("images-idx3", images(n)), ("labels-idx1", classes(n))] {
            let name = format!("{part}-{name}-ubyte.gz");
            let bytes = other.filter(|(of, _)| *of == name).map_or(bytes, |(_, bytes)| bytes.to_vec());
            let mut encoder = GzEncoder::new(vec![], Compression::fast());
            encoder.write_all(&bytes).unwrap();
            fs::write(folder.join(name), encoder.finish().unwrap()).unwrap();
        }
    }
    fashion_mnist(root.path(), Kind::Double, Device::Cpu)
        .map_err(|error| error.to_string().replace(&root.path().display().to_string(), "ROOT"))
}

#[test]
fn every_image_keeps_its_pixels_and_its_class() {
    let data = load(None).unwrap();
    assert_eq!(data.event_shape(), [1, 28, 28]);
    assert_eq!(data.image(), Some(Image { channels: 1, height: 28, width: 28 }));
    let mut seen = vec![];
    for (split, n) in [(Split::Train, 10), (Split::Validation, 10), (Split::Test, 7)] {
        assert_eq!(data.len(split), Some(n));
        let x = data.in_order(split, &mut Seed(0).stream("x").at(0)).unwrap();
        let levels = (data.denormalise(&x).unwrap() * 256.0 + 1e-9).floor();
        for row in 0..n {
            let first = levels.get(row).view([-1]).double_value(&[0]) as i64;
            assert_eq!(levels.get(row).view([-1]).double_value(&[100]) as i64, first + 100);
            assert_eq!(data.labels(split).unwrap().int64_value(&[row]), first % 10);
            if split != Split::Test {
                seen.push(first);
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}

#[test]
fn what_is_wrong_is_named_with_the_file() {
    let error = fashion_mnist(Path::new("none"), Kind::Float, Device::Cpu).unwrap_err();
    assert!(matches!(&error, DataError::Missing { name, .. } if name == "fashion-mnist"), "{error}");
    let refused = |file: &str, bytes: &[u8], problem: &str| {
        let error = load(Some((file, bytes))).unwrap_err();
        let remedy = "replace it by the original file";
        assert_eq!(error, format!("ROOT/fashion-mnist/{file} is damaged ({problem}): {remedy}"));
    };
    let (pictures, labels) = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz");
    refused(labels, &classes(19), "19 classes for 20 images");
    refused(labels, &idx(&[20], [3; 19].into_iter().chain([10])), "row 20: 10 is not within 0 to 9");
    refused(pictures, &images(20)[..4000], "3984 bytes in place of 15680");
    refused(pictures, &images(20)[..7], "the file is cut short");
    refused(pictures, &classes(20), "it begins with [0, 0, 8, 1], not as an idx file of bytes with 3 axes");
    refused(pictures, &idx(&[1, 32, 28], [0; 896].into_iter()), "samples of shape [32, 28] in place of [28, 28]");
    refused("t10k-labels-idx1-ubyte.gz", &idx(&[0], [].into_iter()), "it says that its shape is [0]");
}
