//! What a file of one's own may hold, and where a refusal says that the fault is.

use crate::own_data::{Folder, all, in_units, load, normal, number};
use strait_core::{Dataset, Seed, Split};
use strait_data::columns::Look;
use strait_data::{ArrayDataset, Arrays, DataError, FileOptions, Scaling, inspect};
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
        // Of a file whose rows stay there, one of each three is looked at.
        let long = normal(3 * 16_384, 2);
        let _ = long.narrow(0, 3 * row, 3).narrow(1, 1, 1).fill_(1e6);
        let options = FileOptions { resident: 0, ..FileOptions::default() };
        let error = load(&folder.array(&long, Element::F64), &options).unwrap_err();
        assert!(matches!(error, DataError::OneRow { row: found, .. } if found / 3 == row), "{error}");
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

/// A heavy tail is no fault of one row: without it another would be refused, and so on.
#[test]
fn a_column_of_heavy_tails_is_refused_with_what_mends_it() {
    let folder = Folder::new();
    let (mut refused, n) = (0, 20_000);
    for seed in 0..8 {
        let mut draws = Seed(seed).stream("cauchy").at(0);
        let z = draws.normal(&[n, 2], Kind::Double, Device::Cpu).unwrap();
        let cauchy = z.select(1, 0) / draws.normal(&[n], Kind::Double, Device::Cpu).unwrap() * 3.0 + 10.0;
        let x = Tensor::stack(&[&z.select(1, 1), &cauchy], 1);
        match load(&folder.archive(&[("train", &x), ("validation", &z), ("test", &z)]), &FileOptions::default()) {
            Err(DataError::HeavyTail { array, column: 1, row, far_rows, median, spread, .. }) => {
                refused += 1;
                let farthest = (&cauchy - median).abs().argmax(0, false).int64_value(&[]);
                assert_eq!((&*array, row), ("train", farthest));
                // P(|x| > 148) of a Cauchy law, whose quartiles are 2 apart, is .0043.
                assert!((50..130).contains(&far_rows), "{far_rows}");
                // What is said mends it.
                let mended = Tensor::stack(&[&z.select(1, 1), &((&cauchy - median) / spread).arcsinh()], 1);
                let path = folder.archive(&[("train", &mended), ("validation", &z), ("test", &z)]);
                assert!(load(&path, &FileOptions::default()).is_ok());
            }
            Err(error) => panic!("{error}"),
            Ok(_) => {} // no row of it holds a half of the variance
        }
    }
    assert!(refused > 2, "{refused} of 8");
}

/// The largest doubles there are: differences of two of them are none.
#[test]
fn columns_as_wide_as_doubles_are_looked_at_and_scaled() {
    let folder = Folder::new();
    let z = normal(300, 2).clamp(-3.0, 3.0) / 3.0;
    let x = &z * 1.7e308;
    // Quartiles that are further apart than a double can say.
    let apart = (z.sign() + &z) * 0.85e308;
    for x in [&x, &apart] {
        let look = inspect(&folder.array(x, Element::F64), &Arrays::default()).unwrap();
        let column = &look.columns[0];
        assert!(column.spread.is_finite() && column.sd.is_finite(), "{column:?}");
        let from_median = (x.select(1, 0) / 2.0 - column.median / 2.0).abs();
        assert_eq!(column.farthest, from_median.argmax(0, false).int64_value(&[]));
        assert!(column.findings(300).is_empty(), "{:?}", column.findings(300));
    }
    for scaling in [Scaling::Robust, Scaling::PerCoordinate, Scaling::Overall] {
        let data = load(&folder.array(&x, Element::F64), &in_units(scaling)).unwrap();
        let back = data.denormalise(&all(&data, Split::Train)).unwrap() / 1.7e308;
        assert!(back.isfinite().all().int64_value(&[]) == 1, "{scaling:?}");
    }
    // Two values, as far apart as two doubles are, and not as many of each.
    let ends = z.gt(0.2).to_kind(Kind::Double) * 2.0 - 1.0;
    let data = load(&folder.array(&(ends * 1.7e308), Element::F64), &in_units(Scaling::Overall)).unwrap();
    let points = all(&data, Split::Train);
    assert!(points.abs().max().double_value(&[]) < 3.0, "{points}");
    let apart = Tensor::stack(&[&(z.select(1, 0) * 1e300), &(z.select(1, 1) * 1e-200)], 1);
    let said = inspect(&folder.array(&apart, Element::F64), &Arrays::default()).unwrap().to_string();
    assert!(said.contains("differ by a factor above 1e308") && !said.contains("inf"), "{said}");
}

/// Whatever the type of the file: a law on single values has no density, and one with a density is not taken for such.
#[test]
fn columns_without_a_density_are_named() {
    let folder = Folder::new();
    let n = 4000;
    let (z, other) = (normal(n, 1).select(1, 0), normal(n, 2).select(1, 1));
    let coin = other.gt(0.0).to_kind(Kind::Double);
    let dequantise = FileOptions { dequantise: true, ..FileOptions::default() };
    let twice = Tensor::cat(&[z.narrow(0, 0, n / 2), z.narrow(0, 0, n / 2)], 0);
    let single = z.to_kind(Kind::Float).to_kind(Kind::Double);
    for (what, column, found, dequantised) in [
        ("coins in a file of doubles", coin.shallow_clone(), true, false),
        ("counts", (&z * 30.0).round(), true, false),
        ("tenths", (&z * 10.0).round() / 10.0, true, true),
        ("levels of a picture over 255", ((&z * 40.0).round() + 128.0) / 255.0, true, true),
        ("zeros in a third of the rows", &z * other.abs().gt(0.43).to_kind(Kind::Double), true, true),
        ("zeros in one row of 100", &z * other.abs().gt(0.0126).to_kind(Kind::Double), true, true),
        ("a constant", z.zeros_like() + 7.5, true, true),
        ("measurements", z.shallow_clone(), false, false),
        ("measurements in single precision", single, false, false),
        ("measurements that stand there twice", twice, false, false),
    ] {
        let path = folder.array(&Tensor::stack(&[&normal(n, 3).select(1, 2), &column], 1), Element::F64);
        for (options, found) in [(FileOptions::default(), found), (dequantise.clone(), dequantised)] {
            for resident in [u64::MAX, 0] {
                let data = load(&path, &FileOptions { resident, ..options.clone() }).unwrap();
                let atoms: &[usize] = if found { &[1] } else { &[] };
                assert_eq!(data.remarks().atoms, atoms, "{what}, dequantised: {}", options.dequantise);
            }
        }
    }
}

/// Rows of two laws, one after the other by turns: a table of pairs. More than are looked at, so that some are.
fn by_turns(first: &Tensor, second: &Tensor) -> Tensor {
    Tensor::stack(&[first, second], 1).flatten(0, 1)
}

#[test]
fn rows_that_lie_by_turns_are_all_looked_at() {
    let folder = Folder::new();
    let (x, other) = (normal(20_000, 2), normal(20_000, 4).narrow(1, 2, 2));
    let whole = by_turns(&x, &(&other + 100.0));
    let path = folder.archive(&[("train", &whole), ("test", &whole)]);
    let data = load(&path, &in_units(Scaling::Robust)).unwrap();
    // Quartiles of both are 100 apart, those of one 1.35.
    assert!(number(&all(&data, Split::Train).abs().max()) < 2.0);
    // Zeros in every other row.
    let zeros = Tensor::stack(&[by_turns(&x, &other).select(1, 0), by_turns(&x, &(&other * 0.0)).select(1, 1)], 1);
    for shift in [0, 1] {
        let path = folder.array(&zeros.roll([shift], [0]), Element::F64);
        for resident in [u64::MAX, 0] {
            let data = load(&path, &FileOptions { resident, ..FileOptions::default() }).unwrap();
            assert_eq!(data.remarks().atoms, [1], "moved by {shift}, resident {resident}");
        }
    }
    // A test part that is half of another law.
    let (train, test) =
        (x.narrow(0, 0, 4000), by_turns(&other.narrow(0, 0, 2048), &(other.narrow(0, 2048, 2048) + 9.0)));
    let data = load(&folder.archive(&[("train", &train), ("test", &test)]), &FileOptions::default()).unwrap();
    assert!(!data.remarks().shifts.is_empty());
}

/// A part that the file gives and that is of another law is named by its column; one of the same law never is.
#[test]
fn a_part_of_another_law_is_named_by_its_column() {
    let folder = Folder::new();
    let (x, other) = (normal(4000, 3), normal(1000, 7).narrow(1, 4, 3));
    let with = |column: i64, change: &dyn Fn(&Tensor) -> Tensor| {
        let moved = other.copy();
        moved.select(1, column).copy_(&change(&other.select(1, column)));
        moved
    };
    for (what, test, column) in [
        ("the same law", other.copy(), None),
        ("a moved column", with(2, &|z| z + 0.5), Some(2)),
        ("a wider column", with(1, &|z| z * 2.0), Some(1)),
        ("a constant column", with(0, &|z| z * 0.0), Some(0)),
        ("another sign of what is symmetric", with(0, &|z| -z), None),
        ("a column moved a little", with(1, &|z| z + 0.05), None),
        ("ten rows of the same law", other.narrow(0, 0, 10), None),
        ("ten rows of another", other.narrow(0, 0, 10) + 9.0, Some(0)),
    ] {
        for name in ["test", "validation"] {
            let rest = if name == "test" { "validation" } else { "test" };
            let path = folder.archive(&[("train", &x), (name, &test), (rest, &normal(300, 3))]);
            let data = load(&path, &FileOptions::default()).unwrap();
            let found: Vec<(Split, usize)> =
                data.remarks().shifts.iter().map(|shift| (shift.split, shift.column)).collect();
            let split = if name == "test" { Split::Test } else { Split::Validation };
            match column {
                Some(column) if !what.starts_with("ten") => assert_eq!(found, [(split, column)], "{what}"),
                _ => assert_eq!(found.len(), usize::from(column.is_some()), "{what}: {found:?}"),
            }
            let said = data.remarks().shifts.iter().map(ToString::to_string).collect::<Vec<_>>().join("");
            let start = format!(" of the {name} points is plainly of another law than of the training points");
            assert_eq!(said.contains(&start), column.is_some(), "{said}");
        }
    }
    // What is split at random is of one law.
    let sorted = x.sort(0, false).0;
    assert!(load(&folder.array(&sorted, Element::F64), &FileOptions::default()).unwrap().remarks().shifts.is_empty());
}

/// Samples of a law whose data come near the largest number of their type lie beyond it; those of a model that failed stay infinite.
#[test]
fn samples_beyond_the_type_of_the_file_are_its_largest_number() {
    let folder = Folder::new();
    for (element, largest) in [(Element::F16, 65_504.0), (Element::F32, f64::from(f32::MAX)), (Element::F64, f64::MAX)]
    {
        let x = (normal(200, 2) * (largest / 4.0)).clamp(-largest, largest);
        let data = load(&folder.array(&x, element), &FileOptions::default()).unwrap();
        let z = Tensor::from_slice2(&[[30f32, -30.0], [0.5, 1e30], [f32::NAN, -1.0]]);
        let own = data.form().store(&data.denormalise(&z).unwrap()).unwrap();
        npy::write(&folder.path("samples.npy"), &own, element).unwrap();
        let written = npy::read(&folder.path("samples.npy")).unwrap().values.to_kind(Kind::Double);
        let at = |i, j| written.double_value(&[i, j]);
        assert_eq!((at(0, 0), at(0, 1)), (largest, -largest), "{element:?}");
        assert!(
            at(1, 0).is_finite() && at(2, 1).is_finite() && at(1, 1) == f64::INFINITY && at(2, 0).is_nan(),
            "{written}"
        );
    }
}

/// What is said of all rows was counted over all of them, however many there are.
#[test]
fn repeated_rows_and_equal_columns_are_looked_for_in_all_rows() {
    let n = 40_000;
    let pairs = normal(n / 2, 2).repeat_interleave_self_int(2, 0, None);
    assert_eq!(Look::of(&pairs, Element::F64).unwrap().repeated_rows, n / 2);
    let distinct = normal(n, 2);
    assert_eq!(Look::of(&distinct, Element::F64).unwrap().repeated_rows, 0);
    let zeros = Tensor::stack(
        &[Tensor::zeros([n], (Kind::Double, Device::Cpu)), -Tensor::zeros([n], (Kind::Double, Device::Cpu))],
        1,
    );
    assert_eq!(Look::of(&zeros, Element::F64).unwrap().repeated_rows, n - 1);
    let one = distinct.select(1, 0);
    let copies = |other: &Tensor| {
        let look = Look::of(&Tensor::stack(&[&one, other], 1), Element::F64).unwrap();
        look.columns[1].copy_of
    };
    assert_eq!(copies(&one), Some(0));
    // Of rows beside each other most are not looked at.
    for row in 20_000..20_006 {
        let other = one.copy();
        let _ = other.get(row).fill_(7.0);
        assert_eq!(copies(&other), None, "row {row} differs");
    }
}

/// Of two names that cannot both hold, none is passed over.
#[test]
fn an_array_to_split_and_a_part_are_not_named_both() {
    let folder = Folder::new();
    let path = folder.archive(&[("a", &normal(30, 2)), ("b", &normal(7, 2)), ("c", &normal(11, 2))]);
    for part in ["train", "validation", "test"] {
        let of = |name: &str| (name == part).then(|| "b".to_owned());
        let (train, validation, test) = (of("train"), of("validation"), of("test"));
        let arrays = Arrays { data: Some("a".into()), train, validation, test, ..Arrays::default() };
        let error = load(&path, &FileOptions { arrays, ..FileOptions::default() }).unwrap_err();
        assert!(error.to_string().contains("holds `a`, which is split at random, beside `b`"), "{part}: {error}");
    }
}
