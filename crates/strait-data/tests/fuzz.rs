//! Bytes from outside, changed at random: each reader of data sets reads or refuses, and never panics or waits.

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::Path;
use strait_core::Seed;
use strait_data::{Arrays, FileOptions, digits, fashion_mnist, from_file, inspect};
use strait_io::{Element, npy, npz};
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Change = (prop::sample::Index, u8, u8);

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (at, value, how) in changes {
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => bytes.insert(at, *value),
            _ => bytes.truncate(at + 1),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..5)
}

fn an_array(folder: &Path) -> Vec<u8> {
    let path = folder.join("x.npy");
    let x = Tensor::arange(60, CPU).view([20, 3]);
    npy::write(&path, &x, Element::F32).unwrap();
    fs::read(path).unwrap()
}

fn an_archive(folder: &Path) -> Vec<u8> {
    let path = folder.join("x.npz");
    let x = Tensor::arange(60, CPU).view([20, 3]);
    let labels = Tensor::arange(20, (Kind::Int64, Device::Cpu));
    npz::write(
        &path,
        &[("x_train", &x, Element::F64), ("x_test", &x, Element::U8), ("y_train", &labels, Element::I64)],
    )
    .unwrap();
    fs::read(path).unwrap()
}

/// Three lines of the digits' file; the number of rows is wrong from the start, and every other way of being so is tried.
fn digits_lines() -> Vec<u8> {
    let line = format!("{}7\n", "0,".repeat(64));
    line.repeat(3).into_bytes()
}

fn idx(axes: &[u32], values: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
    bytes.extend(vec![3; values]);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn own_files(of_array in changes(), of_archive in changes(), seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [changed(an_array(folder.path()), &of_array), changed(an_archive(folder.path()), &of_archive)] {
            let path = folder.path().join("mine");
            fs::write(&path, bytes).unwrap();
            for options in [
                FileOptions::default(),
                FileOptions { resident: 0, dequantise: true, ..FileOptions::default() },
            ] {
                if let Err(error) = from_file(&path, &options, Seed(seed), CPU.0, CPU.1) {
                    let said = error.to_string();
                    prop_assert!(said.lines().count() == 1 && said.len() < 600, "{}", said);
                }
            }
            if let Ok(look) = inspect(&path, &Arrays::default()) {
                prop_assert!(!look.to_string().is_empty());
            }
        }
    }

    #[test]
    fn digits_in_lines(lines in changes(), outside in changes()) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("digits")).unwrap();
        let bytes = changed(zipped(&changed(digits_lines(), &lines)), &outside);
        fs::write(folder.path().join("digits/digits.csv.gz"), bytes).unwrap();
        let error = digits(folder.path(), CPU.0, CPU.1).unwrap_err().to_string();
        prop_assert!(error.lines().count() == 1 && error.len() < 600, "{}", error);
    }

    #[test]
    fn images_with_classes(of_images in changes(), of_classes in changes(), outside in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("fashion-mnist");
        fs::create_dir(&place).unwrap();
        for part in ["train", "t10k"] {
            let images = changed(zipped(&changed(idx(&[4, 28, 28], 4 * 784), &of_images)), &outside);
            fs::write(place.join(format!("{part}-images-idx3-ubyte.gz")), images).unwrap();
            let classes = zipped(&changed(idx(&[4], 4), &of_classes));
            fs::write(place.join(format!("{part}-labels-idx1-ubyte.gz")), classes).unwrap();
        }
        if let Err(error) = fashion_mnist(folder.path(), CPU.0, CPU.1) {
            let said = error.to_string();
            prop_assert!(said.lines().count() == 1 && said.len() < 600, "{}", said);
        }
    }
}
