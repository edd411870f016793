//! What a file of one's own may hold, and where a refusal says that the fault is.

use crate::own_data::{Folder, all, load, normal, number};
use strait_core::{Dataset, Seed, Split};
use strait_data::{ArrayDataset, Arrays, DataError, FileOptions, inspect};
use strait_io::{Element, npy};
use tch::{Device, Kind, Tensor};
/// What validation and test hold is looked at before a training, as what is trained on is.
#[test]
fn a_row_of_any_part_that_single_precision_cannot_hold_is_refused_by_its_number() {
    let folder = Folder::new();
    let with = |n: i64, row: i64, value: f64| {
        let x = normal(n, 2);
        let _ = x.narrow(0, row, 1).narrow(1, 1, 1).fill_(value);
        x
    };
    for (value, refused) in [(1e50, true), (-1e25, true), (1e300, true), (1e10, false)] {
        for (name, other) in [("x_test", "x_val"), ("x_val", "x_test")] {
            let path =
                folder.archive(&[("x_train", &normal(200, 2)), (name, &with(40, 17, value)), (other, &normal(40, 2))]);
            let found = load(&path, &FileOptions::default());
            assert_eq!(found.is_err(), refused, "{value}");
            let Err(error) = found else { continue };
            let start = format!("array `{name}`: row 17 (counted from 0) lies too far from the training points");
            assert!(error.to_string().starts_with(&start), "{error}");
            let said = inspect(&path, &Arrays::default()).unwrap().to_string();
            assert!(said.contains(&format!("refused: {start}")), "{said}");
        }
    }
}

/// What a look says would be refused is what loading refuses, in whichever array it lies.
#[test]
fn a_look_refuses_what_loading_does() {
    let folder = Folder::new();
    let nan = normal(50, 2);
    let _ = nan.narrow(0, 31, 1).fill_(f64::NAN);
    let x = normal(200, 2);
    for (arrays, words) in [
        (vec![("train", &x), ("test", &nan)], "array `test` holds NaN in row 31"),
        (vec![("train", &x), ("validation", &nan), ("test", &x)], "array `validation` holds NaN in row 31"),
        (vec![("points", &nan)], "array `points` holds NaN in row 31"),
        (vec![("train", &x), ("test", &normal(9, 3))], "must agree"),
        (vec![("train", &x), ("test", &normal(9, 2))], ""),
    ] {
        let path = folder.archive(&arrays);
        let said = inspect(&path, &Arrays::default()).unwrap().to_string();
        match load(&path, &FileOptions::default()) {
            Err(error) => {
                assert!(error.to_string().contains(words), "{error}");
                assert!(said.contains(&format!("refused: {error}")), "{said}");
            }
            Ok(_) => assert!(words.is_empty() && !said.contains("refused"), "{said}"),
        }
    }
}

/// Rows are those of the file, wherever its split put them.
#[test]
fn a_row_that_is_refused_is_the_one_of_the_file() {
    let folder = Folder::new();
    let (rows, mut trained) = (400, 0);
    for row in [0, 7, 201, 333, 399] {
        let x = normal(rows, 2);
        let _ = x.narrow(0, row, 1).narrow(1, 1, 1).fill_(1e6);
        for (name, arrays) in
            [("points", vec![("points", &x)]), ("x_train", vec![("x_train", &x), ("x_test", &normal(30, 2))])]
        {
            match load(&folder.archive(&arrays), &FileOptions::default()) {
                Err(DataError::OneRow { array, column: 1, row: found, .. }) => {
                    assert_eq!((&*array, found), (name, row));
                }
                Err(error) => panic!("{error}"),
                Ok(_) => trained += 1, // it was held out
            }
        }
        // Of a file whose rows stay there, one in three is looked at.
        let long = normal(3 * 16_384, 2);
        let _ = long.narrow(0, 3 * row, 1).narrow(1, 1, 1).fill_(1e6);
        let options = FileOptions { resident: 0, ..FileOptions::default() };
        let error = load(&folder.array(&long, Element::F64), &options).unwrap_err();
        assert!(matches!(error, DataError::OneRow { row: found, .. } if found == 3 * row), "{error}");
    }
    assert!(trained < 8, "{trained} of 10 rows were held out");
}

/// One that is not looked at is refused when it is read, for the statistics or for a batch.
#[test]
fn rows_that_stay_in_the_file_are_checked_as_they_are_read() {
    let folder = Folder::new();
    let options = FileOptions { resident: 0, ..FileOptions::default() };
    let mut drawn = 0;
    for row in 20_000..20_012 {
        let x = normal(3 * 16_384, 2);
        let _ = x.narrow(0, row, 1).fill_(f64::NAN);
        let draw = |data: &ArrayDataset, split| data.points(split, i64::MAX, &mut Seed(0).stream("all").at(0)).err();
        let line = match load(&folder.array(&x, Element::F64), &options) {
            Err(error) => error.to_string(),
            Ok(data) => {
                drawn += 1;
                let lines = [Split::Validation, Split::Test].into_iter().filter_map(|split| draw(&data, split));
                lines.map(|error| error.to_string()).collect::<Vec<_>>().join(" and ")
            }
        };
        assert_eq!(line, format!("array `data` holds NaN in row {row} (counted from 0): remove or repair that sample"));
    }
    assert!(drawn > 0, "a row of those is held out");
}

/// For programs that sample without the data: what leads back, of constant columns and of whole numbers too.
#[test]
fn what_leads_back_to_the_datas_own_units_is_named() {
    let folder = Folder::new();
    let x = normal(300, 3);
    let _ = x.select(1, 1).fill_(7.0);
    x.select(1, 2).copy_(&(normal(300, 1).select(1, 0) * 3.0).round());
    x.select(1, 0).copy_(&(x.select(1, 0) + 1e9));
    let path = folder.array(&x, Element::F64);
    for dequantise in [false, true] {
        let data = load(&path, &FileOptions { dequantise, ..FileOptions::default() }).unwrap();
        let named: std::collections::BTreeMap<_, _> = data.put_back().unwrap().into_iter().collect();
        assert!(named.values().all(|tensor| tensor.kind() == Kind::Double && tensor.device() == Device::Cpu));
        let z = all(&data, Split::Train).to_kind(Kind::Double);
        let own = data.form().store(&data.denormalise(&z).unwrap()).unwrap();
        let back = &named["mean"] + &named["scale"] * &z;
        assert!(number(&(back.select(1, 0) - own.select(1, 0)).abs().max()) < 1e-6);
        let flags = |name: &str| Vec::<f64>::try_from(&named[name]).unwrap();
        assert_eq!(flags("step")[2], 1.0);
        assert_eq!(
            (flags("least")[2], flags("greatest")[2]),
            (number(&own.select(1, 2).min()), number(&own.select(1, 2).max()))
        );
        assert_eq!(named.contains_key("down"), dequantise);
        if !dequantise {
            assert_eq!((flags("constant"), flags("mean")[1]), (vec![0.0, 1.0, 0.0], 7.0));
        }
    }
}

/// A look is at all rows of a file that is read whole, in either format.
#[test]
fn a_look_at_a_long_file_counts_its_rows() {
    let folder = Folder::new();
    let x = normal(100_000, 2);
    let _ = x.narrow(0, 60_001, 1).narrow(1, 1, 1).fill_(1e6);
    let paths = [folder.array(&x, Element::F64), folder.archive(&[("data", &x)])];
    let [npy, npz] = paths.map(|path| inspect(&path, &Arrays::default()).unwrap().to_string());
    assert_eq!(npy, npz);
    for words in
        ["100000 rows of shape [2]", "1.000e6", "row 60001 makes its scale", "refused: array `data`: row 60001"]
    {
        assert!(npy.contains(words), "{words}\n{npy}");
    }
}

/// Integers above 2^53 that double precision makes equal are refused; those that it moves by less than a thousandth of their
/// spread, as nanoseconds of today, come back where they were.
#[test]
fn integers_beyond_what_a_double_counts_are_refused_or_come_back() {
    let folder = Folder::new();
    let steps = (normal(500, 2) * 1e3).round().to_kind(Kind::Int64);
    for (offset, element) in [
        (1i64 << 62, Element::I64),
        (-(1i64 << 62), Element::I64),
        (1i64 << 62, Element::U64),
        (1_700_000_000_000_000_000, Element::I64),
    ] {
        let line = |x: &Tensor| load(&folder.array(x, element), &FileOptions::default()).unwrap_err().to_string();
        let near = &steps + offset;
        let start = "array `data`: column 0 (counted from 0) holds whole numbers above 2^53";
        assert!(line(&near).starts_with(start), "{}", line(&near));
        let one = Tensor::full([500, 2], offset + 1, (Kind::Int64, Device::Cpu));
        assert!(line(&one).starts_with(start), "a constant that would come back as another");
        let said = inspect(&folder.array(&near, element), &Arrays::default()).unwrap().to_string();
        assert!(said.contains(&format!("refused: {start}")) && !said.contains("constant"), "{said}");

        let far = &steps * 1_000_000_000 + offset;
        let data = load(&folder.array(&far, element), &FileOptions::default()).unwrap();
        let back = data.form().store(&data.denormalise(&all(&data, Split::Train)).unwrap()).unwrap();
        let path = folder.array(&back, element);
        let back = npy::read(&path).unwrap().values;
        let ends = |x: &Tensor| (x.min().int64_value(&[]), x.max().int64_value(&[]));
        let ((low, high), (found_low, found_high)) = (ends(&far), ends(&back));
        let width = (high - low) as f64;
        assert!(found_low >= low - 4096 && found_high <= high + 4096, "{found_low} to {found_high}");
        assert!((found_high - found_low) as f64 > 0.7 * width, "{found_low} to {found_high} of {low} to {high}");
    }
    // A power of two is held as it is.
    let one = Tensor::full([50, 2], 1i64 << 62, (Kind::Int64, Device::Cpu));
    assert!(load(&folder.array(&one, Element::I64), &FileOptions::default()).is_ok());
}
