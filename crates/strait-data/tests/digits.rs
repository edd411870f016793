//! The digits reader on synthetic files of the real form, whole and damaged.

use flate2::{Compression, write::GzEncoder};
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use strait_core::{Dataset, Seed, Split};
use strait_data::{ArrayDataset, DataError, Image, digits};
use tch::{Device, Kind, Tensor};

/// Row i holds its own number in base 17 in the last three pixels, and the class i mod 10.
fn rows() -> Vec<Vec<i64>> {
    (0..1797).map(|i| [&[0, 3][..], &[i % 17; 59], &[i / 289, i / 17 % 17, i % 17], &[i % 10]].concat()).collect()
}

fn text(rows: &[Vec<i64>]) -> String {
    let line = |row: &Vec<i64>| row.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    rows.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn load(bytes: &[u8]) -> Result<ArrayDataset, String> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("digits");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("digits.csv.gz"), bytes).unwrap();
    digits(root.path(), Kind::Double, Device::Cpu)
        .map_err(|error| error.to_string().replace(&root.path().display().to_string(), "ROOT"))
}

fn whole() -> ArrayDataset {
    load(&compressed(&text(&rows()))).unwrap()
}

/// The level of every pixel.
fn levels(data: &ArrayDataset, x: &Tensor) -> Tensor {
    (data.denormalise(x).unwrap() * 17.0 + 1e-9).floor()
}

#[test]
fn every_row_once_with_its_class() {
    let data = whole();
    assert_eq!(data.event_shape(), [64]);
    assert_eq!(data.image(), Some(Image { channels: 1, height: 8, width: 8 }));
    let mut seen = HashSet::new();
    for (split, n) in [(Split::Train, 1297), (Split::Validation, 250), (Split::Test, 250)] {
        assert_eq!(data.len(split), Some(n));
        let x = data.in_order(split, &mut Seed(0).stream("x").at(0)).unwrap();
        let digits = levels(&data, &x).narrow(1, 61, 3).matmul(&Tensor::from_slice(&[289.0, 17.0, 1.0]));
        let digits: Vec<f64> = digits.try_into().unwrap();
        let classes: Vec<i64> = data.labels(split).unwrap().try_into().unwrap();
        for (row, class) in digits.into_iter().zip(classes) {
            assert_eq!(row as i64 % 10, class);
            assert!(seen.insert(row as i64), "row {row} twice");
        }
    }
    assert_eq!(seen, (0..1797).collect());
}

#[test]
fn the_split_is_the_same_every_time_and_not_the_order_of_the_file() {
    let classes = || Vec::<i64>::try_from(whole().labels(Split::Train).unwrap()).unwrap();
    assert_eq!(classes(), classes());
    assert_ne!(classes(), (0..1297).map(|i| i % 10).collect::<Vec<_>>());
}

#[test]
fn grey_is_between_zero_and_one_and_the_noise_fresh() {
    let data = whole();
    let stream = Seed(1).stream("data");
    let x = data.minibatch(512, 3, stream).unwrap();
    let grey = data.denormalise(&x).unwrap();
    assert!(grey.min().double_value(&[]) > -1e-12 && grey.max().double_value(&[]) < 1.0 + 1e-12);
    assert_eq!(x, data.minibatch(512, 3, stream).unwrap());
    // Pixel 0 is constant, so that only its noise is left.
    let still = grey.select(1, 0) * 17.0;
    assert!((still.mean(Kind::Double).double_value(&[]) - 0.5).abs() < 0.06);
    assert!((still.std(true).double_value(&[]) - 12f64.sqrt().recip()).abs() < 0.03);
    let all = data.points(Split::Train, 1297, &mut stream.at(0)).unwrap();
    assert!((all.square().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.01);
}

#[test]
fn a_missing_file_is_named_with_its_path() {
    let root = Path::new("no/such/folder");
    let error = digits(root, Kind::Float, Device::Cpu).unwrap_err();
    assert_eq!(error.to_string(), "data set `digits`: there is no file no/such/folder/digits/digits.csv.gz");
    assert!(matches!(error, DataError::Missing { name, path } if name == "digits" && path.starts_with(root)));
}

#[test]
fn a_damaged_file_is_refused_with_the_row_and_the_remedy() {
    let refused = |bytes: &[u8], problem: &str| {
        let error = load(bytes).unwrap_err();
        let remedy = "delete it, and `cargo xtask train` fetches it anew";
        assert_eq!(error, format!("ROOT/digits/digits.csv.gz is damaged ({problem}): {remedy}"));
    };
    let changed = |row: usize, column: usize, value: i64| {
        let mut rows = rows();
        rows[row][column] = value;
        compressed(&text(&rows))
    };
    refused(&changed(0, 64, 10), "row 1, column 65: 10 is not within 0 to 9");
    refused(&changed(1796, 5, 17), "row 1797, column 6: 17 is not within 0 to 16");
    refused(&changed(7, 0, -1), "row 8, column 1: -1 is not within 0 to 16");
    let mut short = rows();
    short[41].pop();
    refused(&compressed(&text(&short)), "row 42 has 64 columns in place of 65");
    refused(&compressed(&text(&rows()[..1700])), "1700 rows in place of 1797");
    refused(
        &compressed(&text(&rows()).replacen("\n0,3,1,", "\n0,3,nan,", 1)),
        "row 2, column 3: \"nan\" is no integer",
    );
    refused(&compressed(""), "0 rows in place of 1797");

    let good = compressed(&text(&rows()));
    for keep in [good.len() - 4, good.len() / 2, 15] {
        let error = load(&good[..keep]).unwrap_err();
        assert!(error.contains("row") && error.contains("(") && error.contains("the file is cut short"), "{error}");
    }
    let mut flipped = good.clone();
    let last = flipped.len() - 6; // in the checksum
    flipped[last] ^= 1;
    assert!(load(&flipped).unwrap_err().contains("corrupt gzip stream does not have a matching checksum"));
    assert!(load(b"<html>not found</html>").unwrap_err().contains("invalid gzip header"));
}
