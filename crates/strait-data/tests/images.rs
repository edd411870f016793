//! Images from idx and CIFAR files of few samples, made here, whole and damaged.

use std::fs;
use std::path::Path;
use strait_core::{Dataset, Seed, Split};
use strait_data::{
    ArrayDataset, DataError, FolderOptions, Image, cifar10, cifar100, fashion_mnist, from_folder, mnist,
};
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Double, Device::Cpu);

fn idx(shape: &[u32], values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// Image i is i everywhere but at its first pixel, and of class i mod 10.
fn write_idx(folder: &Path, side: [u32; 2], counts: [u32; 2]) {
    fs::create_dir_all(folder).unwrap();
    for (part, n) in ["train", "t10k"].into_iter().zip(counts) {
        let pixels = side[0] * side[1];
        let images = idx(
            &[n, side[0], side[1]],
            (0..n).flat_map(|i| (0..pixels).map(move |j| if j == 0 { 255 } else { i as u8 })),
        );
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let labels = idx(&[n], (0..n).map(|i| (i % 10) as u8));
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
}

/// The levels of points in the data's own unit.
fn levels(data: &ArrayDataset, x: &Tensor) -> Tensor {
    (data.denormalise(x).unwrap() * 256.0 + 1e-9).floor()
}

fn check_parts(data: &ArrayDataset, expected: [i64; 3], marks: &dyn Fn(i64) -> i64) {
    let mut seen = vec![];
    for (split, n) in [Split::Train, Split::Validation, Split::Test].into_iter().zip(expected) {
        assert_eq!(data.len(split), Some(n));
        let x = data.in_order(split, &mut Seed(0).stream("x").at(0)).unwrap();
        let last = levels(data, &x).flatten(1, -1).select(1, -1);
        let labels = data.labels(split).unwrap();
        for row in 0..n {
            let mark = last.double_value(&[row]) as i64;
            assert_eq!(labels.int64_value(&[row]), marks(mark));
            if split != Split::Test {
                seen.push(mark);
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..expected[0] + expected[1]).collect::<Vec<_>>());
}

#[test]
fn unpacked_files_stay_where_they_are_and_keep_classes() {
    let root = tempfile::tempdir().unwrap();
    write_idx(&root.path().join("fashion-mnist"), [28, 28], [50, 7]);
    write_idx(&root.path().join("mnist"), [28, 28], [50, 7]);
    let data = fashion_mnist(root.path(), CPU.0, CPU.1).unwrap();
    check_parts(&data, [25, 25, 7], &|mark| mark % 10);
    // The same rows for the same step, whatever was drawn before.
    let stream = Seed(3).stream("data");
    let x = data.minibatch(9, 5, stream).unwrap();
    let _ = data.minibatch(9, 6, stream).unwrap();
    assert_eq!(x, data.minibatch(9, 5, stream).unwrap());
    assert_eq!(x.size(), [9, 1, 28, 28]);
    check_parts(&mnist(root.path(), CPU.0, CPU.1).unwrap(), [25, 25, 7], &|mark| mark % 10);
}

#[test]
fn a_folder_of_ones_own_has_its_own_side() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path(), [5, 3], [20, 4]);
    let options = FolderOptions { image: None, flips: false };
    let data = from_folder(folder.path(), options, Seed(1), CPU.0, CPU.1).unwrap();
    assert_eq!(data.image(), Some(Image { channels: 1, height: 5, width: 3 }));
    check_parts(&data, [10, 10, 4], &|mark| mark % 10);
    let wrong = FolderOptions { image: Some(Image { channels: 3, height: 5, width: 3 }), flips: false };
    let error = from_folder(folder.path(), wrong, Seed(1), CPU.0, CPU.1).unwrap_err();
    assert!(matches!(error, DataError::NotAnImage { .. }), "{error}");
}

/// Records of CIFAR's: `before` bytes of classes, then 3,072 of the image, all of which are its number.
fn records(first: usize, n: usize, before: usize, classes: usize) -> Vec<u8> {
    let record = |i: usize| {
        let mut record = vec![((i * 3) % classes) as u8; before];
        record.extend(vec![i as u8; 3072]);
        record
    };
    (first..first + n).flat_map(record).collect()
}

fn write_cifar(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for batch in 0..5 {
        fs::write(folder.join(format!("data_batch_{}.bin", batch + 1)), records(10 * batch, 10, 1, 10)).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), records(0, 8, 1, 10)).unwrap();
}

#[test]
fn cifar_records_with_one_class_and_with_two() {
    let root = tempfile::tempdir().unwrap();
    write_cifar(&root.path().join("cifar10/cifar-10-batches-bin"));
    let data = cifar10(root.path(), false, CPU.0, CPU.1).unwrap();
    assert_eq!(data.event_shape(), [3, 32, 32]);
    check_parts(&data, [25, 25, 8], &|mark| mark * 3 % 10);
    let hundred = root.path().join("cifar100");
    fs::create_dir(&hundred).unwrap();
    fs::write(hundred.join("train.bin"), records(0, 40, 2, 100)).unwrap();
    fs::write(hundred.join("test.bin"), records(0, 5, 2, 100)).unwrap();
    let data = cifar100(root.path(), false, CPU.0, CPU.1).unwrap();
    check_parts(&data, [20, 20, 5], &|mark| mark * 3 % 100);
    let options = FolderOptions { image: None, flips: false };
    assert_eq!(from_folder(&hundred, options, Seed(0), CPU.0, CPU.1).unwrap().len(Split::Test), Some(5));
}

#[test]
fn what_is_wrong_with_a_record_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar10");
    let error = cifar10(root.path(), false, CPU.0, CPU.1).unwrap_err();
    assert!(matches!(&error, DataError::NotFetched { name, .. } if name == "cifar10"), "{error}");
    let refused = |file: &str, bytes: &[u8], problem: &str| {
        write_cifar(&folder);
        fs::write(folder.join(file), bytes).unwrap();
        let error = cifar10(root.path(), false, CPU.0, CPU.1).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(problem), "{error}");
    };
    refused("data_batch_3.bin", &records(20, 10, 1, 10)[..30_000], "no whole number of rows");
    refused("test_batch.bin", &[], "it is empty");
    let mut bytes = records(10, 10, 1, 10);
    bytes[3073 * 4] = 10;
    refused("data_batch_2.bin", &bytes, "image 5: class 10 is not within 0 to 9");
    // A hundred-class file in the place of one of ten.
    refused("data_batch_1.bin", &records(0, 10, 2, 10), "no whole number of rows");
}

#[test]
fn a_batch_is_mirrored_by_its_step_alone_and_in_its_own_units() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar10");
    write_cifar(&folder);
    // A slope from left to right in every image.
    for name in ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"] {
        let record = |i: u8| [i % 10].into_iter().chain((0..3072).map(move |at| (at % 32) as u8 * 7));
        fs::write(folder.join(name), (0..10).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
    let data = cifar10(root.path(), true, CPU.0, CPU.1).unwrap();
    let stream = Seed(0).stream("data");
    let x = data.minibatch(20, 3, stream).unwrap();
    let rows = levels(&data, &x).select(1, 0).select(1, 0);
    let slope = Tensor::arange(32, CPU) * 7.0;
    let mut mirrored = 0;
    for row in 0..20 {
        let row = rows.get(row);
        let turned = row == slope.flip([0]);
        assert!(turned || row == slope, "{row:?}");
        mirrored += i32::from(turned);
    }
    assert!((3..=17).contains(&mirrored), "{mirrored} of 20");
    assert_eq!(x, data.minibatch(20, 3, stream).unwrap());
    // Points to be measured are as they are.
    let points = data.points(Split::Train, 20, &mut Seed(0).stream("x").at(0)).unwrap();
    assert_eq!(levels(&data, &points).select(1, 0).select(1, 0).get(7), slope);
    // Images and mirror images alike have mean 0 and, over all pixels, variance 1.
    let both = Tensor::cat(&[&points, &points.flip([-1])], 0);
    let mean = both.mean_dim([0i64].as_slice(), false, Kind::Double);
    assert!(mean.abs().max().double_value(&[]) < 0.01, "{mean:?}");
    assert!((both.square().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.01);
}
