//! Anybody's data: offsets and scales that single precision cannot hold, columns of every kind, names of arrays, images
//! with channels last, files larger than memory.

use std::fs;
use std::path::PathBuf;
use strait_core::{Dataset, Seed, Split};
use strait_data::{ArrayDataset, Arrays, DataError, FileOptions, Image, Scaling, from_file, inspect};
use strait_io::{Element, npy, npz};
use tch::{Device, Kind, Tensor};

const SCALINGS: [Scaling; 3] = [Scaling::Overall, Scaling::PerCoordinate, Scaling::Robust];

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn array(&self, x: &Tensor, element: Element) -> PathBuf {
        let path = self.path("own.npy");
        npy::write(&path, x, element).unwrap();
        path
    }

    pub(crate) fn archive(&self, arrays: &[(&str, &Tensor)]) -> PathBuf {
        let path = self.path("own.npz");
        let typed: Vec<_> = arrays.iter().map(|(name, x)| (*name, *x, Element::of(x.kind()).unwrap())).collect();
        npz::write(&path, &typed).unwrap();
        path
    }
}

pub(crate) fn load(path: &std::path::Path, options: &FileOptions) -> Result<ArrayDataset, DataError> {
    from_file(path, options, Seed(0), Kind::Float, Device::Cpu)
}

pub(crate) fn in_units(scaling: Scaling) -> FileOptions {
    FileOptions { scaling: Some(scaling), ..FileOptions::default() }
}

pub(crate) fn normal(n: i64, d: i64) -> Tensor {
    Seed(1).stream("x").at(0).normal(&[n, d], Kind::Double, Device::Cpu).unwrap()
}

/// All points of a split as they are stored, normalised.
pub(crate) fn all(data: &ArrayDataset, split: Split) -> Tensor {
    data.in_order(split, &mut Seed(0).stream("all").at(0)).unwrap()
}

/// Every point of the data set in its own units, sorted by the first column.
pub(crate) fn sorted(data: &ArrayDataset) -> Tensor {
    let own = |split| data.denormalise(&all(data, split)).unwrap();
    let x = Tensor::cat(&[own(Split::Train), own(Split::Validation), own(Split::Test)], 0);
    let order = x.select(1, 0).argsort(0, false);
    x.index_select(0, &order)
}

pub(crate) fn sorted_rows(x: &Tensor) -> Tensor {
    x.index_select(0, &x.select(1, 0).argsort(0, false))
}

pub(crate) fn number(x: &Tensor) -> f64 {
    x.double_value(&[])
}

/// In single precision, 10,000 numbers of standard deviation 1 about 1e8 have 1 distinct value.
#[test]
fn data_far_from_zero_or_small_come_back_with_their_digits() {
    let folder = Folder::new();
    for (offset, sd) in [
        (1e7, 1.0),
        (1e8, 1.0),
        (1e9, 1.0),
        (-1e9, 1.0),
        (1.7e9, 30.0),
        (0.0, 1e-30),
        (0.0, 1e-46),
        (0.0, 1e44),
        (0.0, 1e-170),
        (0.0, 1e170),
        (1e15, 1e5),
    ] {
        let x = normal(2000, 2) * sd + offset;
        let path = folder.array(&x, Element::F64);
        for scaling in SCALINGS {
            let data = load(&path, &in_units(scaling)).unwrap();
            let z = all(&data, Split::Train);
            assert_eq!(z.kind(), Kind::Float);
            let spread = number(&z.to_kind(Kind::Double).std(true));
            assert!((spread - 1.0).abs() < 0.1, "{offset} +- {sd}, {scaling:?}: {spread}");
            let found = sorted(&data);
            assert_eq!(found.kind(), Kind::Double);
            let worst = number(&((found - sorted_rows(&x)) / sd).abs().max());
            assert!(worst < 1e-5, "{offset} +- {sd}, {scaling:?}: {worst} sd off");
        }
    }
}

#[test]
fn what_single_precision_cannot_hold_is_refused_by_its_column() {
    let folder = Folder::new();
    let with = |second: Tensor| Tensor::stack(&[normal(500, 1).select(1, 0), second], 1);
    let one = || normal(500, 2).select(1, 1);
    for (x, scaling, problem) in [
        (with(one() * 1e-46), Scaling::Own, "too small"),
        (with(one() * 1e44), Scaling::Own, "too large"),
        (with(one() + 1e8), Scaling::Own, "too far from 0 for its spread"),
        (with(one() * 1e-40), Scaling::Overall, "too small"),
    ] {
        let error = load(&folder.array(&x, Element::F64), &in_units(scaling)).unwrap_err();
        let DataError::Precision { column: 1, problem: found, .. } = &error else { panic!("{error}") };
        assert_eq!(*found, problem);
        assert!(
            error.to_string().contains("column 1 (counted from 0)") && error.to_string().contains("units"),
            "{error}"
        );
        let path = folder.array(&x, Element::F64);
        assert!(load(&path, &in_units(Scaling::PerCoordinate)).is_ok());
        assert!(load(&path, &FileOptions::default()).is_ok(), "what is proposed");
    }
}

/// Advice that does not help is none: no unit holds what a double holds a few bits of.
#[test]
fn what_no_unit_mends_is_to_be_rescaled() {
    let folder = Folder::new();
    let path = folder.array(&(normal(500, 2) * 1e-310), Element::F64);
    for scaling in SCALINGS {
        let line = load(&path, &in_units(scaling)).unwrap_err().to_string();
        assert!(line.ends_with("in these units: rescale it"), "{line}");
    }
}

#[test]
fn units_of_columns_give_each_column_its_scale() {
    let folder = Folder::new();
    let scales = Tensor::from_slice(&[1e-6, 0.1, 1.0, 1e5, 1e6]);
    let x = normal(3000, 5) * &scales;
    let path = folder.array(&x, Element::F64);
    for options in [in_units(Scaling::PerCoordinate), in_units(Scaling::Robust), FileOptions::default()] {
        let data = load(&path, &options).unwrap();
        let sd = all(&data, Split::Train).to_kind(Kind::Double).std_dim([0i64].as_slice(), true, false);
        assert!(number(&(sd - 1.0).abs().max()) < 0.1, "{:?}", options.scaling);
    }
    let overall = load(&path, &in_units(Scaling::Overall)).unwrap();
    let sd = all(&overall, Split::Train).to_kind(Kind::Double).std_dim([0i64].as_slice(), true, false);
    assert!(sd.double_value(&[0]) < 1e-11, "one scale for all");
}

/// The right values are those of a normal law: quartiles at .6745 standard deviations.
#[test]
fn robust_units_are_not_moved_by_a_few_rows() {
    let folder = Folder::new();
    let x = normal(4000, 1) * 3.0 + 10.0;
    let clean = load(&folder.array(&x, Element::F64), &in_units(Scaling::Robust)).unwrap();
    for row in 0..20 {
        let _ = x.narrow(0, row, 1).fill_(10.0 + 3.0 * 60.0);
    }
    let data = load(&folder.array(&x, Element::F64), &in_units(Scaling::Robust)).unwrap();
    for data in [&clean, &data] {
        assert!((data.units().scale().double_value(&[0]) - 3.0).abs() < 0.2, "{}", data.units().scale());
        assert!((data.units().mean().double_value(&[0]) - 10.0).abs() < 0.2);
    }
    let moved = load(&folder.array(&x, Element::F64), &in_units(Scaling::PerCoordinate)).unwrap();
    assert!(moved.units().scale().double_value(&[0]) > 10.0);
    // Both quartiles of a column that is one number in most rows are that number: its other rows have a scale all the same.
    let z = normal(4000, 2);
    let some = z.select(1, 0) * z.select(1, 1).gt(1.0).to_kind(Kind::Double);
    let data = load(&folder.array(&some.unsqueeze(1), Element::F64), &in_units(Scaling::Robust)).unwrap();
    let farthest = number(&all(&data, Split::Train).abs().max());
    assert!((1.0..30.0).contains(&farthest), "{farthest}");
}

#[test]
fn one_row_that_makes_the_scale_is_refused_by_its_number() {
    let folder = Folder::new();
    for (far, row) in [(1e3, 7_777), (1e6, 0), (-1e6, 19_999), (1e12, 12_345)] {
        let x = normal(20_000, 3);
        let _ = x.narrow(0, row, 1).narrow(1, 2, 1).fill_(far);
        let archive = folder.archive(&[("train", &x), ("test", &normal(100, 3))]);
        // Parts that are given keep their rows: none of them is held out.
        let named = folder.archive(&[("train", &x), ("validation", &normal(100, 3)), ("test", &normal(100, 3))]);
        for scaling in SCALINGS {
            let error = load(&named, &in_units(scaling)).unwrap_err();
            let DataError::OneRow { column: 2, row: found, .. } = error else { panic!("{error}") };
            assert_eq!(found, row);
        }
        let look = inspect(&archive, &Arrays::default()).unwrap();
        let said = look.to_string();
        assert!(said.contains(&format!("row {row} makes its scale")) && said.contains("refused: array"), "{said}");
    }
    // Forty deviations out, in one row of 1,797, as a pixel of the digits: no scale of another kind to hide.
    let rare = Tensor::zeros([1797, 2], (Kind::Double, Device::Cpu));
    rare.select(1, 0).copy_(&normal(1797, 1).select(1, 0));
    let _ = rare.narrow(0, 3, 1).narrow(1, 1, 1).fill_(6.0);
    let named = folder.archive(&[("train", &rare), ("validation", &normal(9, 2)), ("test", &normal(9, 2))]);
    assert!(load(&named, &in_units(Scaling::PerCoordinate)).is_ok());
}

/// Whatever a model made of it: 7 comes back as 7, not as 7 +- .13.
#[test]
fn a_constant_column_comes_back_as_its_constant_exactly() {
    let folder = Folder::new();
    for constant in [7.0, 0.1, -1e9, 1e-40, 0.0, 1e300, -1.7e308, 5e-324] {
        let x = normal(300, 2);
        let _ = x.select(1, 1).fill_(constant);
        for scaling in SCALINGS {
            let data = load(&folder.array(&x, Element::F64), &in_units(scaling)).unwrap();
            let z = all(&data, Split::Train);
            assert_eq!(number(&z.select(1, 1).abs().max()), 0.0);
            let made = data.denormalise(&(z + 0.13)).unwrap().select(1, 1);
            assert_eq!((number(&made.min()), number(&made.max())), (constant, constant), "{scaling:?}");
        }
    }
}

#[test]
fn arrays_are_found_by_usual_names_or_by_given_ones() {
    let folder = Folder::new();
    let (train, test, other) = (normal(30, 2), normal(7, 2) + 100.0, normal(11, 2));
    let classes = |n: i64| Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(3);
    for (a, b) in [("x_train", "x_test"), ("X_train", "X_test"), ("train_images", "test_images"), ("train", "x_test")] {
        let path = folder.archive(&[(a, &train), (b, &test), ("unrelated", &other)]);
        let data = load(&path, &FileOptions::default()).unwrap();
        assert_eq!((data.len(Split::Test), data.len(Split::Train)), (Some(7), Some(27)), "{a}, {b}");
        assert!(number(&data.denormalise(&all(&data, Split::Test)).unwrap().mean(Kind::Double)) > 90.0);
    }
    for name in ["arr_0", "data", "x", "anything"] {
        let data = load(&folder.archive(&[(name, &train)]), &FileOptions::default()).unwrap();
        assert_eq!(data.len(Split::Train), Some(24), "{name}");
    }
    let (labels, test_labels) = (classes(30), classes(7));
    let path =
        folder.archive(&[("x_train", &train), ("y_train", &labels), ("x_test", &test), ("y_test", &test_labels)]);
    let data = load(&path, &FileOptions::default()).unwrap();
    assert_eq!(*data.labels(Split::Test).unwrap(), test_labels);
    // A point and its class stay together.
    let x = data.denormalise(&all(&data, Split::Train)).unwrap();
    for row in 0..27 {
        let at = (&train - x.get(row)).abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Double).argmin(0, false);
        assert_eq!(data.labels(Split::Train).unwrap().int64_value(&[row]), at.int64_value(&[]) % 3);
    }
    let path = folder.archive(&[("a", &train), ("b", &test), ("c", &other)]);
    let arrays = Arrays { train: Some("a".into()), test: Some("b".into()), ..Arrays::default() };
    let data = load(&path, &FileOptions { arrays, ..FileOptions::default() }).unwrap();
    assert_eq!(data.len(Split::Test), Some(7));
    let arrays = Arrays { train: Some("a".into()), test: Some("d".into()), ..Arrays::default() };
    let error = load(&path, &FileOptions { arrays, ..FileOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("holds no array `d` (it holds [\"a\", \"b\", \"c\"])"), "{error}");
    let error = load(&path, &FileOptions::default()).unwrap_err();
    assert!(error.to_string().contains("(it holds [\"a\", \"b\", \"c\"])"), "{error}");
}

#[test]
fn an_image_is_what_it_is_said_to_be_or_refused() {
    let folder = Folder::new();
    let whole = |shape: &[i64]| {
        let n: i64 = shape.iter().product();
        Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(251).to_kind(Kind::Uint8).view(shape)
    };
    let colour = FileOptions { image: Some(Image { channels: 3, height: 8, width: 8 }), ..FileOptions::default() };
    let grey = FileOptions { image: Some(Image { channels: 1, height: 8, width: 8 }), ..FileOptions::default() };
    let last = whole(&[40, 8, 8, 3]);
    let parts = folder.archive(&[("train", &last), ("validation", &last), ("test", &last)]);
    let data = load(&parts, &colour).unwrap();
    assert_eq!(data.event_shape(), [3, 8, 8]);
    let x = data.denormalise(&all(&data, Split::Test)).unwrap();
    assert!(x.allclose(&last.permute([0, 3, 1, 2]).to_kind(Kind::Float), 0.0, 1e-3, false));
    let stored = data.form().store(&x).unwrap();
    assert_eq!((data.form().element(), stored.to_kind(Kind::Uint8)), (Element::U8, last));
    for (shape, options, good) in [
        (&[40, 3, 8, 8][..], &colour, true),
        (&[40, 192], &colour, true),
        (&[40, 8, 8], &grey, true),
        (&[40, 8, 8, 1], &grey, true),
        (&[40, 8, 3, 8], &colour, false),
        (&[40, 3, 64], &colour, false),
        (&[40, 4, 16], &grey, false),
        (&[40, 8, 8], &colour, false),
        (&[40, 24, 8], &colour, false),
    ] {
        let x = whole(shape);
        let found = load(&folder.archive(&[("train", &x), ("validation", &x), ("test", &x)]), options);
        match found {
            Ok(_) => assert!(good, "{shape:?}"),
            Err(DataError::NotAnImage { event, .. }) => assert!(!good && event == shape[1..], "{shape:?}"),
            Err(error) => panic!("{shape:?}: {error}"),
        }
    }
}

/// A fair coin has one bit; as two points it has no density, and its likelihood no lower bound.
#[test]
fn whole_numbers_are_dequantised_when_asked_and_flagged_when_not() {
    let folder = Folder::new();
    let coins = (normal(4000, 2).gt(0.0)).to_kind(Kind::Uint8);
    let path = folder.array(&coins, Element::U8);
    let bare = load(&path, &FileOptions::default()).unwrap();
    assert_eq!(bare.remarks().atoms, [0, 1]);
    let dequantise = FileOptions { dequantise: true, ..FileOptions::default() };
    let data = load(&path, &dequantise).unwrap();
    assert!(data.remarks().atoms.is_empty());
    let own = data.denormalise(&all(&data, Split::Train)).unwrap().to_kind(Kind::Double);
    assert!(number(&own.min()) >= -1e-6 && number(&own.max()) <= 2.0 + 1e-6);
    let variance = number(&own.var(true));
    assert!((variance - (0.25 + 1.0 / 12.0)).abs() < 0.01, "{variance}");
    let stored = data.form().store(&own).unwrap();
    let ones = number(&stored.mean(Kind::Double));
    assert!((ones - 0.5).abs() < 0.03 && number(&stored.max()) == 1.0 && number(&stored.min()) == 0.0, "{ones}");
    // Of several columns, those that are not whole stay as they are.
    let mixed =
        Tensor::stack(&[normal(500, 1).select(1, 0), coins.narrow(0, 0, 500).select(1, 0).to_kind(Kind::Double)], 1);
    let path = folder.archive(&[("train", &mixed), ("validation", &mixed), ("test", &mixed)]);
    let data = load(&path, &dequantise).unwrap();
    let own = data.denormalise(&all(&data, Split::Train)).unwrap();
    assert!(number(&(own.select(1, 0) - mixed.select(1, 0)).abs().max()) < 1e-6);
    assert!(number(&(own.select(1, 1) - mixed.select(1, 1)).min()) > -1e-6);
    assert_eq!(data.form().store(&own).unwrap().select(1, 1), mixed.select(1, 1));
}

/// Whatever the type of the file: what was counted comes back as counts, and what was measured as it is.
#[test]
fn columns_of_whole_numbers_come_back_whole_and_within_their_range() {
    let folder = Folder::new();
    let n = 600;
    let z = normal(n, 3);
    let count = (z.select(1, 1) * 1.5 + 3.0).round().clamp(0.0, 9.0);
    let yes = z.select(1, 2).gt(0.3).to_kind(Kind::Double);
    let far = z.select(1, 0) * 1e17; // every double of this size is whole
    let table = Tensor::stack(&[z.select(1, 0), count.shallow_clone(), yes, far], 1);
    for element in [Element::F64, Element::F32] {
        let table = table.to_kind(element.kind());
        let path = folder.archive(&[("train", &table), ("validation", &table), ("test", &table)]);
        let column = FileOptions { scaling: Some(Scaling::PerCoordinate), ..FileOptions::default() };
        let data = load(&path, &column).unwrap();
        let found = data.form().store(&(table.to_kind(Kind::Double) + normal(n, 4) * 0.3 - 0.1)).unwrap();
        let moved = found.select(1, 0) - table.select(1, 0).to_kind(Kind::Double);
        assert!(number(&moved.abs().max()) > 0.3, "{element:?}: what is measured is not rounded");
        for (column, greatest) in [(1, number(&count.max())), (2, 1.0)] {
            let found = found.select(1, column);
            assert_eq!(number(&(&found - found.round()).abs().max()), 0.0, "{element:?} {column}");
            assert_eq!([number(&found.min()), number(&found.max())], [number(&count.min()).min(0.0), greatest]);
        }
        // What lies beyond the range that such a column was seen in is none of its numbers; of a measurement it may be.
        let beyond = data.form().store(&Tensor::from_slice(&[50.0, 50.0, 50.0, 9e17]).view([1, 4])).unwrap();
        let beyond: Vec<f64> = beyond.view([-1]).try_into().unwrap();
        assert_eq!(beyond, [50.0, number(&count.max()), 1.0, 9e17], "{element:?}");
    }
}

#[test]
fn rows_that_stay_in_the_file_are_those_of_one_in_memory() {
    let folder = Folder::new();
    let x = normal(3000, 2) * 5.0 + 1e8;
    let path = folder.array(&x, Element::F64);
    let held = load(&path, &in_units(Scaling::PerCoordinate)).unwrap();
    let on_disk =
        load(&path, &FileOptions { resident: 0, scaling: Some(Scaling::PerCoordinate), ..FileOptions::default() })
            .unwrap();
    assert!(on_disk.name().contains("read as it is drawn"));
    let stream = Seed(3).stream("data");
    for step in [0, 5, 40, 1000] {
        assert_eq!(held.minibatch(64, step, stream).unwrap(), on_disk.minibatch(64, step, stream).unwrap());
    }
    for split in [Split::Train, Split::Validation, Split::Test] {
        assert_eq!(held.len(split), on_disk.len(split));
        assert_eq!(all(&held, split), all(&on_disk, split));
    }
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4000).unwrap();
    assert!(on_disk.minibatch(64, 0, stream).is_err(), "a file that is cut short meanwhile is an error");
}

#[test]
fn a_look_at_the_columns_says_what_they_are() {
    let folder = Folder::new();
    let n = 2000;
    let x = normal(n, 6);
    let _ = x.select(1, 0).fill_(3.0);
    x.select(1, 1).copy_(&normal(n, 1).select(1, 0).gt(0.0).to_kind(Kind::Double));
    x.select(1, 2).copy_(&(normal(n, 1).select(1, 0) * 100.0).round());
    let _ = x.select(1, 3).fill_(0.0).narrow(0, 11, 1).fill_(5.5);
    x.select(1, 5).copy_(&x.select(1, 4));
    let look = inspect(&folder.array(&x, Element::F64), &Arrays::default()).unwrap();
    let said = look.to_string();
    let expected = [
        "2000 rows of shape [6], numbers of type <f8",
        "constant",
        "0 or 1",
        "whole numbers",
        "one value in 99.95% of the rows",
        "the same as column 4",
        "proposed: units = \"column\"",
    ];
    for words in expected {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(!said.contains("refused"), "{said}");
    let _ = x.narrow(0, 5, 1).narrow(1, 4, 1).fill_(f64::NAN);
    let look = inspect(&folder.array(&x, Element::F64), &Arrays::default()).unwrap();
    assert!(look.to_string().contains("1 entries NaN or infinite (refused)"), "{look}");
    assert_eq!(look.columns[4].missing, 1);
}

/// What a look proposes: the units by the scales and the tails of the columns, dequantisation where all is counted.
#[test]
fn what_a_look_proposes_fits_the_columns() {
    let folder = Folder::new();
    let n = 2000;
    let (z, one) = (normal(n, 3), normal(n, 1).select(1, 0));
    let columns = |columns: &[&Tensor]| Tensor::stack(columns, 1);
    let (x, y) = (z.select(1, 0), z.select(1, 1));
    let (count, coin) = ((&x * 3.0).round(), y.gt(0.0).to_kind(Kind::Double));
    let constant = Tensor::full([n], 7.0, (Kind::Double, Device::Cpu));
    // Forty rows far out: the standard deviation is six times what the quartiles say, and no row alone makes it.
    let tails = x.copy();
    let _ = tails.narrow(0, 0, 40).fill_(40.0);
    let (overall, column, robust) = (Scaling::Overall, Scaling::PerCoordinate, Scaling::Robust);
    let large = |x: &Tensor| (x * 1e17).round();
    for (what, x, units, whole) in [
        ("one scale", columns(&[&x, &y]), overall, false),
        ("scales nine times apart", columns(&[&x, &(&y * 9.0)]), overall, false),
        ("scales a hundred times apart", columns(&[&x, &(&y * 100.0)]), column, false),
        ("a constant beside others", columns(&[&x, &constant, &y]), overall, false),
        ("long tails in one column", columns(&[&x, &tails, &y]), robust, false),
        ("counts", columns(&[&count, &coin]), overall, true),
        ("counts and coins with a constant", columns(&[&count, &coin, &constant]), overall, true),
        ("counts beside a measurement", columns(&[&count, &one]), overall, false),
        ("measurements that no type holds halves of", columns(&[&large(&x), &large(&y)]), overall, false),
        ("pixels of other scales", columns(&[&x, &(&y * 100.0), &tails, &one]).view([n, 2, 2]), overall, false),
    ] {
        let look = inspect(&folder.array(&x, Element::F64), &Arrays::default()).unwrap();
        assert_eq!((look.scaling(), look.is_whole()), (units, whole), "{what}\n{look}");
        let dequantise = if whole { ", dequantise = true" } else { "" };
        let last = format!("proposed: units = \"{}\"{dequantise}", units.name());
        assert_eq!(look.to_string().lines().last(), Some(last.as_str()), "{what}");
        // What is proposed can be loaded.
        let options = FileOptions { scaling: Some(units), dequantise: whole, ..FileOptions::default() };
        assert!(load(&folder.array(&x, Element::F64), &options).is_ok(), "{what}");
    }
}
