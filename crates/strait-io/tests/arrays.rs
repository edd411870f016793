//! `.npy` and `.npz`: files of NumPy and others can be read, NumPy can read ours, and everything else is refused.

use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use strait_io::{Element, IoError, npy, npz};
use tch::{Device, Kind, Tensor};

const ALL: [Element; 12] = [
    Element::Bool,
    Element::U8,
    Element::U16,
    Element::U32,
    Element::U64,
    Element::I8,
    Element::I16,
    Element::I32,
    Element::I64,
    Element::F16,
    Element::F32,
    Element::F64,
];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path("a.npy");
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// An array with a header given word by word.
fn with_header(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let length = match version {
        1 => (header.len() as u16).to_le_bytes().to_vec(),
        _ => (header.len() as u32).to_le_bytes().to_vec(),
    };
    [b"\x93NUMPY", &[version, 0][..], &length, header.as_bytes(), data].concat()
}

fn shown(path: &Path) -> String {
    let message = npy::read(path).unwrap_err().to_string();
    message.replace(&path.display().to_string(), "FILE")
}

#[test]
fn each_type_comes_back_as_it_was_written() {
    let folder = Folder::new();
    for element in ALL {
        let top = element.range().map_or(2048.0, |(_, high)| high.min(2f64.powi(52)));
        let low = element.range().map_or(-2048.0, |(low, _)| low.max(-(2f64.powi(52))));
        let values = Tensor::from_slice(&[low, 0.0, 1.0, top]).to_kind(element.kind()).view([2, 2]);
        let path = folder.path("x.npy");
        npy::write(&path, &values, element).unwrap();
        let read = npy::read(&path).unwrap();
        assert_eq!((read.element, &read.values), (element, &values), "{element:?}");
        let bytes = fs::metadata(&path).unwrap().len();
        assert_eq!(bytes, 128 + 4 * element.width() as u64 - if bytes < 128 { 64 } else { 0 }, "{element:?}");
    }
}

/// The bytes of `numpy.save(f, numpy.array([[1., 2.], [3., 4.]], dtype))` with NumPy 2.
#[test]
fn what_is_written_is_what_numpy_writes() {
    let folder = Folder::new();
    let path = folder.path("x.npy");
    npy::write(&path, &Tensor::from_slice2(&[[1.0, 2.0], [3.0, 4.0]]), Element::U16).unwrap();
    let header = "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 2), }";
    let mut expected = format!("{header:<117}\n").into_bytes();
    expected.extend([1, 0, 2, 0, 3, 0, 4, 0]);
    assert_eq!(fs::read(&path).unwrap(), [&b"\x93NUMPY\x01\x00\x76\x00"[..], &expected].concat());
    npy::write(&path, &Tensor::from_slice(&[1.0f32, 2.0]), Element::F32).unwrap();
    assert!(String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("'shape': (2,), }"));
}

#[test]
fn headers_of_other_writers_and_older_ones() {
    let folder = Folder::new();
    let data: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let swapped: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    for (version, header, data) in [
        (1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }\n", &data),
        (2, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }\n", &data),
        (3, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }\n", &data),
        (1, "{\"shape\":(2,1),\"fortran_order\":True,\"descr\":\"<f8\"}", &data),
        (1, "{ 'fortran_order' : False , 'descr' : 'f8' , 'shape' : ( 2L , 1L ) }", &data),
        (1, "{'descr': u'=f8', 'fortran_order': False, 'shape': (2L, 1L)}", &data),
        (1, "{'descr': 'float64', 'fortran_order': False, 'shape': (2, 1)}", &data),
        (1, "{'descr': '<d', 'fortran_order': False, 'shape': (2, 1)}", &data),
        (1, "{'descr': '>f8', 'fortran_order': False, 'shape': (2, 1)}", &swapped),
    ] {
        let read = npy::read(&folder.file(&with_header(version, header, data))).unwrap();
        assert_eq!(read.values, Tensor::from_slice2(&[[1.5], [-2.0]]), "{header}");
        assert_eq!(read.element, Element::F64);
    }
}

/// 40,000 and 4,000,000,000 are negative as signed numbers of their width.
#[test]
fn unsigned_integers_are_not_taken_for_signed_ones() {
    let folder = Folder::new();
    let read = |descr: &str, data: &[u8]| {
        npy::read(&folder.file(&with_header(
            1,
            &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}"),
            data,
        )))
    };
    assert_eq!(read("<u2", &40_000u16.to_le_bytes()).unwrap().values.int64_value(&[0]), 40_000);
    assert_eq!(read(">u2", &40_000u16.to_be_bytes()).unwrap().values.int64_value(&[0]), 40_000);
    assert_eq!(read("<u4", &4_000_000_000u32.to_le_bytes()).unwrap().values.int64_value(&[0]), 4_000_000_000);
    assert_eq!(read(">u4", &4_000_000_000u32.to_be_bytes()).unwrap().values.int64_value(&[0]), 4_000_000_000);
    assert_eq!(read("<u8", &(i64::MAX as u64).to_le_bytes()).unwrap().values.int64_value(&[0]), i64::MAX);
    let error = read("<u8", &(1u64 << 63).to_le_bytes()).unwrap_err();
    assert!(error.to_string().ends_with("2^63 and more: convert it with .astype(\"float64\")"), "{error}");
    assert_eq!(read("|b1", &[2]).unwrap().values, Tensor::from_slice(&[true]));
}

#[test]
fn types_that_are_no_real_numbers_have_a_remedy_of_their_own() {
    let folder = Folder::new();
    for (descr, remedy) in [
        ("'<c16'", "make two columns of each number"),
        ("'<U5'", "give each text or object a number first"),
        ("'|O'", "give each text or object a number first"),
        ("'<M8[ns]'", "convert it with .astype(\"int64\")"),
        ("'<f16'", "convert it with .astype(\"float64\")"),
        ("'|V2'", "convert it with .astype(\"float64\")"),
        ("[('x', '<f8'), ('y', [('z', '<f4')])]", "make columns of its fields"),
    ] {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}");
        let message = shown(&folder.file(&with_header(1, &header, &[0; 32])));
        let found = descr.trim_matches('\'');
        assert!(message.starts_with(&format!("array `data` of FILE has type {found}: {remedy}")), "{message}");
    }
}

#[test]
fn what_is_damaged_is_named() {
    let folder = Folder::new();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";
    let whole = with_header(1, header, &[0; 16]);
    for keep in 0..whole.len() {
        assert!(shown(&folder.file(&whole[..keep])).starts_with("FILE is damaged: "), "{keep}");
    }
    let damaged = |bytes: &[u8]| shown(&folder.file(bytes)).trim_start_matches("FILE is damaged: ").to_owned();
    assert_eq!(damaged(&whole[..80]), "it is cut short");
    assert_eq!(damaged(&with_header(4, header, &[0; 16])), "its format is version 4, and 1 to 3 are known");
    for header in [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,), }",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2,), }",
        "{'descr': '<f8', 'shape': (2,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2.0,), }",
        "[[[[[[",
        "{",
        "",
    ] {
        assert!(damaged(&with_header(1, header, &[0; 16])).starts_with("its header makes no sense"), "{header}");
    }
    let endless = with_header(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", &[]);
    assert_eq!(damaged(&endless), "its shape is impossible");
    let huge = with_header(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 64), }", &[]);
    assert_eq!(damaged(&huge), "it is cut short");
}

#[test]
fn a_number_that_a_type_cannot_hold_is_refused_and_the_file_stays() {
    let folder = Folder::new();
    let path = folder.path("x.npy");
    npy::write(&path, &Tensor::from_slice(&[255.0, 0.0]), Element::U8).unwrap();
    for value in [256.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = npy::write(&path, &Tensor::from_slice(&[0.0, value]), Element::U8).unwrap_err();
        assert!(matches!(error, IoError::Range { .. }), "{error}");
    }
    assert_eq!(npy::read(&path).unwrap().values.int64_value(&[0]), 255);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1, "nothing half written is left");
}

/// Nanoseconds of today are 1.7e18, far above what a double counts one by one.
#[test]
fn whole_numbers_of_64_bits_are_written_up_to_the_ends_of_their_type() {
    let folder = Folder::new();
    let path = folder.path("x.npy");
    let last = 2f64.powi(63) - 1024.0;
    for (element, values) in [
        (Element::I64, [-(2f64.powi(63)), -1.7e18, 1.7e18, last]),
        (Element::U64, [0.0, 2f64.powi(53) + 2.0, 1.7e18, last]),
    ] {
        npy::write(&path, &Tensor::from_slice(&values), element).unwrap();
        let read = npy::read(&path).unwrap().values;
        assert_eq!(Vec::<i64>::try_from(read).unwrap(), values.map(|x| x as i64), "{element:?}");
        let error = npy::write(&path, &Tensor::from_slice(&[2f64.powi(63)]), element).unwrap_err();
        assert!(matches!(error, IoError::Range { .. }), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for error in [npy::read(&pipe).unwrap_err(), npz::Archive::open(&pipe).unwrap_err()] {
        assert!(error.to_string().ends_with("it is a pipe or a device, and a regular file is needed"), "{error}");
    }
    assert!(shown(folder.0.path()).contains("it is a folder"));
    assert!(strait_io::tensors::read(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
}

/// The sizes of an array of 4 GiB and more fit its entry, which is like that of any other: a zip64 extra field (1) of 16
/// bytes in the local header, and the 32-bit sizes all ones.
#[test]
fn an_archive_has_64_bit_sizes_as_numpy_writes_it() {
    let folder = Folder::new();
    let path = folder.path("x.npz");
    let x = Tensor::arange(6, (Kind::Double, Device::Cpu)).view([3, 2]);
    npz::write(&path, &[("samples", &x, Element::F64), ("labels", &x.select(1, 0), Element::I64)]).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(&bytes[..4], b"PK\x03\x04");
    assert_eq!(&bytes[18..26], &[0xff; 8], "32-bit sizes");
    let name = u16::from_le_bytes([bytes[26], bytes[27]]) as usize;
    let extra = &bytes[30 + name..];
    assert_eq!(&extra[..4], &[1, 0, 16, 0], "zip64 field");
    let size = u64::from_le_bytes(extra[4..12].try_into().unwrap());
    assert_eq!(size, 128 + 48);
    let mut archive = npz::Archive::open(&path).unwrap();
    assert_eq!(archive.names(), ["labels", "samples"]);
    assert_eq!(archive.read("samples").unwrap().values, x);
    assert_eq!(archive.read("labels").unwrap().values, Tensor::from_slice(&[0i64, 2, 4]));
    let error = archive.read("train").unwrap_err();
    assert!(error.to_string().ends_with("holds no array `train` (it holds [\"labels\", \"samples\"])"), "{error}");
    // Other writers know other compressions, such as bzip2 (method 12).
    let mut bytes = bytes;
    let central = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    (bytes[8], bytes[central + 10]) = (12, 12);
    fs::write(&path, bytes).unwrap();
    let error = npz::Archive::open(&path).unwrap().read("samples").unwrap_err();
    assert!(error.to_string().ends_with("compressed or encrypted in a way that numpy does not write"), "{error}");
}

/// As for NumPy, the entry of an array needs no suffix, and another entry is no array.
#[test]
fn arrays_of_an_archive_are_the_entries_that_are_arrays() {
    use std::io::Write as _;
    let folder = Folder::new();
    let (array, path) = (an_array(), folder.path("x.npz"));
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let entries: [(&str, &[u8]); 5] =
        [("a.npy", &array), ("b", &array), ("README.txt", b"what a and b are"), ("c/d.npy", &array), ("empty", b"")];
    for (name, bytes) in entries {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.add_directory("c", zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();
    let mut archive = npz::Archive::open(&path).unwrap();
    assert_eq!(archive.names(), ["a", "b", "c/d"]);
    for name in ["a", "b", "c/d"] {
        assert!(archive.holds(name) && archive.read(name).is_ok(), "{name}");
    }
    assert!(!archive.holds("README.txt") && !archive.holds("b.npy"));
}

#[test]
fn rows_by_number_are_those_of_the_whole() {
    let folder = Folder::new();
    let path = folder.path("x.npy");
    let x = Tensor::arange(5000 * 6, (Kind::Float, Device::Cpu)).view([5000, 2, 3]);
    for element in [Element::F32, Element::U32, Element::F64] {
        npy::write(&path, &x, element).unwrap();
        let rows = npy::RowReader::open(&path).unwrap();
        assert_eq!((rows.count(), rows.event(), rows.element()), (5000, &[2, 3][..], element));
        let some = [4999, 0, 17, 17];
        assert_eq!(rows.read(&some).unwrap(), x.index_select(0, &Tensor::from_slice(&some)).to_kind(element.kind()));
        assert_eq!(rows.range(100, 50).unwrap(), x.narrow(0, 100, 50).to_kind(element.kind()));
        assert_eq!(rows.all().unwrap().values, x.to_kind(element.kind()));
        assert!(rows.read(&[5000]).is_err() && rows.read(&[-1]).is_err() && rows.range(4999, 2).is_err());
    }
    // Another array behind it, as of a second numpy.save into the same open file.
    let before = fs::read(&path).unwrap();
    fs::write(&path, [&before[..], &before].concat()).unwrap();
    for followed in [true, false] {
        let (rows, whole) = (npy::RowReader::open(&path).unwrap(), npy::read(&path).unwrap());
        assert_eq!((rows.count(), rows.followed(), whole.followed), (5000, followed, followed));
        assert!(rows.all().unwrap().values == whole.values && whole.values == x.to_kind(Kind::Double));
        fs::write(&path, &before).unwrap();
    }
    let fortran = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }";
    let error = npy::RowReader::open(&folder.file(&with_header(1, fortran, &[0; 32]))).unwrap_err();
    assert!(error.to_string().contains("column by column"), "{error}");
    let open = npy::RowReader::open(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1000).unwrap();
    assert!(open.read(&[4999]).is_err(), "cut short while it is read");
    assert!(npy::RowReader::open(&path).unwrap_err().to_string().contains("cut short"));
}

/// A whole file with some bytes changed, taken away or put in.
fn mutated(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let n = whole.len();
    let change = (0..n, any::<u8>(), 0..4u8);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = whole.clone();
        for (at, value, how) in changes {
            let at = at.min(bytes.len().saturating_sub(1));
            match how {
                0 if !bytes.is_empty() => bytes[at] = value,
                1 if !bytes.is_empty() => bytes[at] ^= 1 << (value % 8),
                2 => bytes.insert(at, value),
                _ => bytes.truncate(at + 1),
            }
        }
        bytes
    })
}

fn an_array() -> Vec<u8> {
    with_header(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }\n", &[7; 48])
}

fn an_archive() -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path("x.npz");
    let x = Tensor::arange(6, (Kind::Double, Device::Cpu)).view([3, 2]);
    npz::write(&path, &[("train", &x, Element::F64), ("test", &x, Element::U8)]).unwrap();
    fs::read(&path).unwrap()
}

proptest! {
    #[test]
    fn a_mutated_array_is_read_or_refused(bytes in mutated(an_array())) {
        let folder = Folder::new();
        let path = folder.file(&bytes);
        if let Ok(array) = npy::read(&path) {
            prop_assert!(array.values.numel() * array.element.width() <= bytes.len());
        }
        if let Ok(rows) = npy::RowReader::open(&path) {
            prop_assert!(rows.all().is_ok() || rows.element() == Element::U64);
        }
    }

    #[test]
    fn a_mutated_archive_is_read_or_refused(bytes in mutated(an_archive())) {
        let folder = Folder::new();
        let path = folder.file(&bytes);
        if let Ok(mut archive) = npz::Archive::open(&path) {
            for name in archive.names() {
                if let Ok(array) = archive.read(&name) {
                    prop_assert!(array.values.numel() <= bytes.len());
                }
            }
        }
    }

    #[test]
    fn any_shape_and_type_comes_back(shape in prop::collection::vec(0i64..5, 1..4), which in 0usize..12) {
        let folder = Folder::new();
        let element = ALL[which];
        let n: i64 = shape.iter().product();
        let x = Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(100).to_kind(element.kind()).view(&shape[..]);
        npy::write(&folder.path("x.npy"), &x, element).unwrap();
        prop_assert_eq!(npy::read(&folder.path("x.npy")).unwrap().values, x);
    }
}
