//! Files of a user's own: every type and layout that is read, and every way in which one can be wrong.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use strait_core::{Dataset, Seed, Split};
use strait_data::{ArrayDataset, Arrays, DataError, FileOptions, Scaling, from_file, inspect};

fn options(scaling: Scaling) -> FileOptions {
    FileOptions { scaling: Some(scaling), ..FileOptions::default() }
}
use tch::{Device, Kind, Tensor};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const CPU: (Kind, Device) = (Kind::Double, Device::Cpu);

/// A version 1 array as NumPy writes it.
fn npy(descr: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({sizes}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn doubles(shape: &[usize], values: &[f64]) -> Vec<u8> {
    npy("<f8", false, shape, &values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
}

/// n points (i + offset, 2 i).
fn points(n: usize, offset: f64) -> Vec<u8> {
    doubles(&[n, 2], &(0..n).flat_map(|i| [i as f64 + offset, 2.0 * i as f64]).collect::<Vec<_>>())
}

fn npz(arrays: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    npz(arrays, CompressionMethod::Stored)
}

fn load(bytes: &[u8]) -> Result<ArrayDataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npz");
    fs::write(&path, bytes).unwrap();
    from_file(&path, &options(Scaling::PerCoordinate), Seed(0), CPU.0, CPU.1)
        .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "FOLDER"))
}

/// All points of a split in the file's own units.
fn all(data: &ArrayDataset, split: Split) -> Tensor {
    let z = data.in_order(split, &mut Seed(0).stream("x").at(0)).unwrap();
    data.denormalise(&z).unwrap().to_kind(Kind::Double)
}

#[test]
fn one_array_is_split_by_the_seed_into_parts_that_do_not_meet() {
    let bytes = points(57, 0.0);
    for bytes in
        [bytes.clone(), stored(&[("data", bytes.clone())]), npz(&[("data", bytes)], CompressionMethod::Deflated)]
    {
        let data = load(&bytes).unwrap();
        assert_eq!(data.name(), "mine.npz (split 80/10/10: 47 train, 5 validation, 5 test)");
        let mut firsts: Vec<i64> = vec![];
        for split in [Split::Train, Split::Validation, Split::Test] {
            let x = all(&data, split);
            assert!(x.select(1, 1).allclose(&(x.select(1, 0) * 2.0), 0.0, 1e-9, false));
            firsts.extend(Vec::<i64>::try_from(x.select(1, 0).round().to_kind(Kind::Int64)).unwrap());
        }
        assert_ne!(firsts, (0..57).collect::<Vec<_>>());
        firsts.sort_unstable();
        assert_eq!(firsts, (0..57).collect::<Vec<_>>());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npy");
    fs::write(&path, points(57, 0.0)).unwrap();
    let test = |seed| {
        let data = from_file(&path, &options(Scaling::Overall), Seed(seed), Kind::Float, Device::Cpu).unwrap();
        all(&data, Split::Test)
    };
    assert_eq!(test(1), test(1));
    assert_ne!(test(1), test(2));
}

#[test]
fn given_parts_stay_as_they_are() {
    let parts = [("train", points(30, 0.0)), ("validation", points(4, 0.5)), ("test", points(5, 100.0))];
    let data = load(&stored(&parts)).unwrap();
    assert_eq!(data.name(), "mine.npz (its own split: 30 train, 4 validation, 5 test)");
    assert!((all(&data, Split::Test).double_value(&[3, 0]) - 103.0).abs() < 1e-9);
    assert!((all(&data, Split::Train).double_value(&[29, 0]) - 29.0).abs() < 1e-9);

    let data =
        load(&stored(&[("train", points(30, 0.0)), ("test", points(5, 100.0)), ("data", points(9, 0.0))])).unwrap();
    assert_eq!(data.name(), "mine.npz (its own test split: 27 train, 3 validation, 5 test)");
    assert!((all(&data, Split::Test).double_value(&[0, 0]) - 100.0).abs() < 1e-9);
    let joined = Tensor::cat(&[all(&data, Split::Train), all(&data, Split::Validation)], 0).select(1, 0);
    let mut firsts = Vec::<i64>::try_from(joined.round().to_kind(Kind::Int64)).unwrap();
    firsts.sort_unstable();
    assert_eq!(firsts, (0..30).collect::<Vec<_>>());
}

#[test]
fn every_element_type_either_byte_order_and_both_layouts() {
    fn bytes<const N: usize>(f: impl Fn(u8) -> [u8; N]) -> Vec<u8> {
        (0..24).flat_map(f).collect()
    }
    let half = |i: u8| Vec::<u8>::from(if i == 0 { [0, 0] } else { half_bytes(i) });
    let types: [(&str, Vec<u8>); 12] = [
        ("|u1", bytes(|i| [i])),
        ("|i1", bytes(|i| (i as i8).to_le_bytes())),
        ("<i2", bytes(|i| i16::from(i).to_le_bytes())),
        (">i2", bytes(|i| i16::from(i).to_be_bytes())),
        ("<i4", bytes(|i| i32::from(i).to_le_bytes())),
        ("<i8", bytes(|i| i64::from(i).to_le_bytes())),
        (">i8", bytes(|i| i64::from(i).to_be_bytes())),
        ("<f2", (0..24).flat_map(half).collect()),
        ("<f4", bytes(|i| f32::from(i).to_le_bytes())),
        (">f4", bytes(|i| f32::from(i).to_be_bytes())),
        ("<f8", bytes(|i| f64::from(i).to_le_bytes())),
        (">f8", bytes(|i| f64::from(i).to_be_bytes())),
    ];
    let rows = Tensor::arange(24, CPU).view([4, 3, 2]);
    let columns = Tensor::arange(24, CPU).view([2, 3, 4]).permute([2, 1, 0]);
    for (descr, data) in types {
        for (fortran, expected) in [(false, &rows), (true, &columns)] {
            let part = |name| (name, npy(descr, fortran, &[4, 3, 2], &data));
            let loaded = load(&stored(&[part("train"), part("validation"), part("test")])).unwrap();
            assert_eq!(loaded.event_shape(), [3, 2], "{descr}");
            assert!(all(&loaded, Split::Train).allclose(expected, 1e-12, 1e-12, false), "{descr}, {fortran}");
        }
    }
    let flags = npy("|b1", false, &[4, 1], &[1, 0, 1, 1]);
    let loaded = load(&stored(&[("train", flags.clone()), ("validation", flags.clone()), ("test", flags)])).unwrap();
    assert!(all(&loaded, Split::Test).allclose(&Tensor::from_slice2(&[[1.0], [0.0], [1.0], [1.0]]), 0.0, 1e-12, false));
}

/// A small positive integer in half precision.
fn half_bytes(i: u8) -> [u8; 2] {
    let exponent = i.ilog2();
    let fraction = (u16::from(i) << (10 - exponent)) & 0x3ff;
    (((exponent as u16 + 15) << 10) | fraction).to_le_bytes()
}

#[test]
fn a_constant_column_becomes_zero_and_comes_back() {
    let values: Vec<f64> = (0..20).flat_map(|i| [0.1, f64::from(i)]).collect();
    let data = load(&doubles(&[20, 2], &values)).unwrap();
    let z = data.points(Split::Train, 16, &mut Seed(0).stream("x").at(0)).unwrap();
    assert!(z.select(1, 0).abs().max().double_value(&[]) < 1e-9 && z.isfinite().all().int64_value(&[]) == 1);
    assert!((all(&data, Split::Train).select(1, 0) - 0.1).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn a_file_that_is_missing_or_nothing_of_the_kind() {
    let make = |path: &str| from_file(Path::new(path), &options(Scaling::Overall), Seed(0), CPU.0, CPU.1).unwrap_err();
    let error = make("no/such/file.npz");
    assert_eq!(error.to_string(), "data set `file.npz`: there is no file no/such/file.npz");
    assert!(matches!(error, DataError::Missing { .. }));
    assert!(make("/").to_string().starts_with("cannot read /: "), "{}", make("/"));
    let neither = "FOLDER/mine.npz is neither an .npy nor an .npz file: save it with numpy.save or numpy.savez \
                   (a table in text is read by numpy.genfromtxt)";
    assert_eq!(load(b"x,y\n1,2\n").unwrap_err(), neither);
    assert_eq!(load(b"").unwrap_err(), neither);
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let arrays = [("train", points(30, 0.0)), ("test", points(5, 0.0))];
    for whole in [points(30, 0.0), stored(&arrays), npz(&arrays, CompressionMethod::Deflated)] {
        for keep in 0..whole.len() {
            let error = load(&whole[..keep]).unwrap_err();
            assert!(error.starts_with("FOLDER/mine.npz is"), "{keep}: {error}");
            assert!(keep < 6 || error.contains("damaged"), "{keep}: {error}");
        }
    }
    let remedy = "copy it again from its source, or save it anew with numpy";
    let error = load(&points(30, 0.0)[..200]).unwrap_err();
    assert_eq!(error, format!("FOLDER/mine.npz is damaged (it is cut short): {remedy}"));
}

/// What follows an array is not read, as by numpy, and is said.
#[test]
fn of_arrays_that_follow_each_other_the_first_is_read() {
    let first = load(&points(30, 0.0)).unwrap();
    for more in [vec![0], points(30, 5.0)] {
        let two = [points(30, 0.0), more].concat();
        for (bytes, name) in [(two.clone(), "data"), (stored(&[("train", two), ("test", points(5, 0.0))]), "train")] {
            let data = load(&bytes).unwrap();
            assert_eq!(data.remarks().followed, [name]);
            assert!(name == "train" || all(&data, Split::Train) == all(&first, Split::Train));
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("two");
            fs::write(&path, &bytes).unwrap();
            let look = inspect(&path, &Arrays::default()).unwrap();
            assert_eq!((look.rows, &look.followed[..]), (30, &[name.to_owned()][..]));
            assert!(look.to_string().contains(&format!("more bytes follow array `{name}`")), "{look}");
        }
    }
    assert!(first.remarks().followed.is_empty());
}

/// Flips that the format does not care about, such as in a date, are let pass; but no number ever changes.
#[test]
fn a_flipped_bit_in_an_archive_is_refused_or_harmless() {
    let arrays = [("train", points(30, 0.0)), ("test", points(5, 0.0))];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let whole = npz(&arrays, method);
        let expected = [Split::Train, Split::Test].map(|split| all(&load(&whole).unwrap(), split));
        let mut refused = 0;
        for byte in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[byte] ^= 1 << (byte % 8);
            match load(&flipped) {
                Ok(data) => assert_eq!([Split::Train, Split::Test].map(|split| all(&data, split)), expected, "{byte}"),
                Err(error) => refused += usize::from(error.starts_with("FOLDER/mine.npz")),
            }
        }
        assert!(refused > whole.len() / 2, "{refused} of {} refused", whole.len());
    }
}

#[test]
fn a_header_that_lies_costs_no_memory() {
    let huge = npy("<f8", false, &[1 << 40, 1 << 10], &[0; 800]);
    assert!(load(&huge).unwrap_err().contains("it is cut short"));
    let endless = npy("<f8", false, &[usize::MAX, usize::MAX], &[0; 800]);
    assert!(load(&endless).unwrap_err().contains("makes no sense"), "{}", load(&endless).unwrap_err());
    let overflowing = npy("<f8", false, &[1 << 60, 1 << 60], &[0; 800]);
    assert!(load(&overflowing).unwrap_err().contains("its shape is impossible"));
    let mut version2 = npy("<f8", false, &[4, 2], &[0; 64]);
    version2[6] = 2; // the length now takes four bytes, two of them of the text
    assert!(load(&version2).unwrap_err().contains("it is cut short"), "{}", load(&version2).unwrap_err());
}

#[test]
fn arrays_that_are_missing_are_asked_for_beside_those_that_are_there() {
    let error = load(&stored(&[("learn", points(9, 0.0)), ("test", points(9, 0.0))])).unwrap_err();
    assert_eq!(
        error,
        "FOLDER/mine.npz holds no array `train` (it holds [\"learn\", \"test\"]): name its arrays `train` and \
         `test`, or `data`, or say which are which"
    );
    let error = load(&stored(&[("train", points(9, 0.0))])).unwrap_err();
    assert!(error.contains("no array `test` (it holds [\"train\"])"), "{error}");
}

/// What was given as a test set must not be passed over.
#[test]
fn an_array_to_be_split_beside_arrays_of_a_split_is_refused() {
    let (data, part) = (("data", points(30, 0.0)), || points(5, 0.0));
    for (arrays, beside) in [
        (vec![data.clone(), ("test", part())], "`test`"),
        (vec![("validation", part()), data.clone()], "`validation`"),
        (vec![("test", part()), data, ("validation", part())], "`validation` and `test`"),
    ] {
        let expected = format!(
            "FOLDER/mine.npz holds `data`, which is split at random, beside {beside}: name it `train`, or leave the \
             others out"
        );
        assert_eq!(load(&stored(&arrays)).map(|data| data.name().to_owned()).unwrap_err(), expected);
    }
}

#[test]
fn types_that_are_not_read_are_named() {
    for (descr, width, remedy) in [
        ("<c8", 8, "make two columns of each number with .view(\"float64\"), or take its absolute value"),
        ("<U5", 20, "give each text or object a number first"),
        ("|O", 8, "give each text or object a number first"),
        ("<f16", 16, "convert it with .astype(\"float64\")"),
    ] {
        let error = load(&npy(descr, false, &[4, 2], &vec![0; 8 * width])).unwrap_err();
        assert_eq!(error, format!("array `data` of FOLDER/mine.npz has type {descr}: {remedy}"));
    }
    let mut record = npy("<f8", false, &[4, 2], &[]);
    let text = b"{'descr': [('x', '<f8'), ('y', '<f8')], 'fortran_order': False, 'shape': (4,), }";
    record.truncate(10);
    record[8..10].copy_from_slice(&(text.len() as u16).to_le_bytes());
    record.extend_from_slice(text);
    assert!(load(&record).unwrap_err().contains("has type [('x', '<f8'), ('y', '<f8')]: make columns of its fields"));
}

#[test]
fn what_is_in_the_arrays_is_checked() {
    let with = |value: f64| {
        let mut values: Vec<f64> = (0..40).map(f64::from).collect();
        values[27] = value;
        doubles(&[20, 2], &values)
    };
    let ends = " in row 13 (counted from 0): remove or repair that sample";
    assert_eq!(load(&with(f64::NAN)).unwrap_err(), format!("array `data` holds NaN{ends}"));
    let arrays = [("train", points(9, 0.0)), ("test", with(f64::INFINITY))];
    assert_eq!(load(&stored(&arrays)).unwrap_err(), format!("array `test` holds an infinity{ends}"));

    let arrays = [("train", points(9, 0.0)), ("test", doubles(&[0, 2], &[]))];
    assert_eq!(load(&stored(&arrays)).unwrap_err(), "array `test` has 0 rows, and at least 1 are needed");
    let arrays = [("train", points(1, 0.0)), ("test", points(1, 0.0))];
    assert_eq!(load(&stored(&arrays)).unwrap_err(), "array `train` has 1 rows, and at least 2 are needed");
    assert_eq!(load(&points(2, 0.0)).unwrap_err(), "array `data` has 2 rows, and at least 3 are needed");
    assert!(load(&doubles(&[4], &[0.0; 4])).unwrap_err().starts_with("array `data` has shape [4]: the first axis"));

    let arrays = [("train", points(9, 0.0)), ("test", doubles(&[3, 3], &[0.0; 9]))];
    let message = "samples of `train` have shape [2], those of `test` [3]: they must agree";
    assert_eq!(load(&stored(&arrays)).unwrap_err(), message);
}
