//! Safetensors: what was written comes back, and no header is trusted.

use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use strait_io::{IoError, sha256, sha256_of, tensors};
use tch::{Kind, Tensor};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("a.safetensors");
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn two() -> Vec<(String, Tensor)> {
    let matrix = Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    vec![("a.step".to_owned(), Tensor::from(7i64)), ("matrix".to_owned(), matrix)]
}

fn written(named: &[(String, Tensor)]) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.0.path().join("a.safetensors");
    tensors::write(&path, named).unwrap();
    fs::read(&path).unwrap()
}

#[test]
fn tensors_come_back_also_those_that_do_not_lie_row_by_row() {
    let folder = Folder::new();
    let path = folder.0.path().join("a.safetensors");
    let matrix = Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let named = vec![
        ("half".to_owned(), matrix.to_kind(Kind::Half)),
        ("none".to_owned(), Tensor::zeros([0, 3], (Kind::Double, tch::Device::Cpu))),
        ("trained".to_owned(), matrix.set_requires_grad(true)),
        ("transposed".to_owned(), matrix.detach().tr()),
    ];
    tensors::write(&path, &named).unwrap();
    let read = tensors::read(&path).unwrap();
    assert_eq!(read.len(), 4);
    for ((name, found), (expected_name, expected)) in read.iter().zip(&named) {
        assert_eq!((name, found), (expected_name, &expected.detach()));
    }
}

#[test]
fn a_header_that_does_not_fit_its_numbers_is_refused() {
    let folder = Folder::new();
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
    };
    assert!(tensors::read(&folder.file(&file(&entry("F32", "[2]", "[0,8]"), &[0; 8]))).is_ok());
    for (header, problem) in [
        (entry("F32", "[3]", "[0,8]"), "shape [3] does not fit its 8 bytes"),
        (entry("F32", "[2]", "[0,16]"), "cut short"),
        (entry("F32", "[1]", "[4,8]"), "lies where another does"),
        (entry("F32", "[1]", "[0,4]"), "longer than its header says"),
        (entry("F32", "[2]", "[0,18446744073709551615]"), "cut short"),
        (entry("F32", "[4294967296,4294967296,4294967296]", "[0,8]"), "does not fit"),
        (entry("F32", "[18446744073709551615,0]", "[0,0]"), "longer"),
        (entry("F32", "[-2]", "[0,8]"), "header is none"),
        ("{".repeat(10_000), "header is none"),
        ("[]".to_owned(), "header is none"),
    ] {
        let error = tensors::read(&folder.file(&file(&header, &[0; 8]))).unwrap_err();
        assert!(matches!(error, IoError::Damaged { .. }) && error.to_string().contains(problem), "{error}");
    }
    let error = tensors::read(&folder.file(&file(&entry("F8_E4M3", "[8]", "[0,8]"), &[0; 8]))).unwrap_err();
    assert!(error.to_string().contains("array `x` of") && error.to_string().contains("has type F8_E4M3"), "{error}");
    for bytes in [&b""[..], b"1234567", &u64::MAX.to_le_bytes(), &99_000_000u64.to_le_bytes()] {
        assert!(matches!(tensors::read(&folder.file(bytes)).unwrap_err(), IoError::Damaged { .. }));
    }
}

/// "abc", of FIPS 180-2.
#[test]
fn digests_are_those_of_the_standard() {
    let folder = Folder::new();
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256_of(b"abc"), expected);
    assert_eq!(sha256(&folder.file(b"abc")).unwrap(), expected);
    let long = vec![b'a'; 1_000_000];
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!((sha256_of(&long), sha256(&folder.file(&long)).unwrap()), (million.to_owned(), million.to_owned()));
}

proptest! {
    #[test]
    fn a_mutated_file_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6)) {
        let mut bytes = written(&two());
        for (at, value, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                _ => bytes.truncate(at + 1),
            }
        }
        let folder = Folder::new();
        if let Ok(read) = tensors::read(&folder.file(&bytes)) {
            let numbers: usize = read.iter().map(|(_, x)| x.numel() * x.kind().elt_size_in_bytes()).sum();
            prop_assert!(numbers <= bytes.len());
        }
    }
}
