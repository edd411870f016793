//! Points with what they come under: the same points as without, each with its own class or vector, in every form of data;
//! and what is refused of an array of conditions, in one line that names it.

use strait_core::{ConditionKind, Dataset, Seed, Split};
use strait_data::{ArrayDataset, Arrays, DataError, FileOptions, Scaling, Splits, Toy, ToyDataset, from_file, toys::*};
use strait_io::{Element, npz};
use tch::{Device, Kind, Tensor};

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

fn toys() -> Vec<Box<dyn Toy + Send>> {
    vec![
        Box::new(Mixture::eight_gaussians(5.0, 0.3).unwrap()),
        Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0]).unwrap()),
        Box::new(TwoSpirals::new(0.1).unwrap()),
        Box::new(Rings::new(0.08).unwrap()),
        Box::new(Pinwheel),
    ]
}

/// As `data` has them without conditions; how many classes it has.
fn agree(plain: &dyn Dataset, data: &dyn Dataset, classes: i64) {
    let stream = Seed(3).stream("data");
    assert!(plain.condition().is_none());
    assert_eq!(data.condition(), Some(("labels", ConditionKind::Classes(classes))));
    for step in [0, 5] {
        let (x, conditions) = data.conditional_minibatch(20, step, stream).unwrap();
        assert_eq!(x, plain.minibatch(20, step, stream).unwrap());
        assert_eq!(conditions.get("labels").unwrap().size(), [20]);
        assert!(plain.conditional_minibatch(20, step, stream).unwrap().1.is_empty());
    }
    for split in SPLITS {
        let (x, _) = data.conditional_points(split, 15, &mut stream.at(1)).unwrap();
        assert_eq!(x, plain.points(split, 15, &mut stream.at(1)).unwrap());
    }
}

/// Points of a file, dequantised, and their conditions: the first are those of any longer list but that of all.
#[test]
fn a_point_knows_of_no_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let x = (Seed(1).stream("x").at(0).normal(&[300, 2], Kind::Double, Device::Cpu).unwrap() * 9.0).round();
    let labels = Tensor::arange(300, (Kind::Int64, Device::Cpu)).remainder(3);
    npz::write(&path, &[("data", &x, Element::I64), ("labels", &labels, Element::I64)]).unwrap();
    let condition = Some("labels".to_owned());
    let options = FileOptions { condition, dequantise: true, ..FileOptions::default() };
    let data = from_file(&path, &options, Seed(0), Kind::Float, Device::Cpu).unwrap();
    let rows = |n| data.conditional_points(Split::Train, n, &mut Seed(2).stream("points").at(0)).unwrap();
    let (most, classes) = rows(i64::MAX);
    for n in [1, 2, 50, 239, 240, 241] {
        let (x, conditions) = rows(n);
        let n = n.min(240);
        assert_eq!(x, most.narrow(0, 0, n), "{n}");
        assert_eq!(conditions.get("labels").unwrap(), &classes.get("labels").unwrap().narrow(0, 0, n), "{n}");
    }
}

#[test]
fn points_of_a_toy_come_with_their_class() {
    for (toy, same) in toys().into_iter().zip(toys()) {
        let (name, classes) = (toy.name().to_owned(), toy.classes().unwrap());
        let plain = ToyDataset::new(toy, Kind::Double, Device::Cpu).unwrap();
        let data = ToyDataset::new(same, Kind::Double, Device::Cpu).unwrap().by_class().unwrap();
        agree(&plain, &data, classes);
        // Classes are as frequent as each other, and points of one lie together.
        let (x, conditions) = data.conditional_points(Split::Test, 4000, &mut Seed(0).stream("points").at(0)).unwrap();
        let labels = conditions.get("labels").unwrap();
        let spread = |x: &Tensor| x.var_dim([0i64].as_slice(), true, false).sum(Kind::Double).double_value(&[]);
        for class in 0..classes {
            let own = x.index_select(0, &labels.eq(class).nonzero().view([-1]));
            let share = own.size()[0] as f64 / 4000.0;
            assert!((share - 1.0 / classes as f64).abs() < 0.05, "{name}: {share} of class {class}");
            let is_ring = name.starts_with("rings") || name.starts_with("two-spirals");
            assert!(is_ring || spread(&own) < 0.9 * spread(&x), "{name}: class {class} is spread as all are");
        }
    }
    let toy = ToyDataset::new(Box::new(Gaussian::planar().unwrap()), Kind::Float, Device::Cpu).unwrap();
    let line = toy.by_class().err().unwrap().to_string();
    assert!(line.starts_with("gaussian") && line.contains("has no classes"), "{line}");
}

fn rows(n: i64) -> Tensor {
    Tensor::arange(n, (Kind::Int64, Device::Cpu))
}

/// Points (10 i, 1) of class i mod 3.
fn points(from: i64, n: i64) -> Tensor {
    let x = (rows(n) + from).to_kind(Kind::Float) * 10.0;
    Tensor::stack(&[&x, &x.ones_like()], 1)
}

fn archive(folder: &tempfile::TempDir, arrays: &[(&str, Tensor)]) -> std::path::PathBuf {
    let path = folder.path().join("own.npz");
    let typed: Vec<_> = arrays.iter().map(|(name, x)| (*name, x, Element::of(x.kind()).unwrap())).collect();
    npz::write(&path, &typed).unwrap();
    path
}

fn load(path: &std::path::Path, condition: &str) -> Result<ArrayDataset, DataError> {
    let options = FileOptions { condition: Some(condition.into()), ..FileOptions::default() };
    from_file(path, &options, Seed(0), Kind::Float, Device::Cpu)
}

/// The numbers of the rows that points were made of.
fn made_of(data: &ArrayDataset, x: &Tensor) -> Tensor {
    (data.denormalise(x).unwrap().select(1, 0) / 10.0).round().to_kind(Kind::Int64)
}

#[test]
fn rows_of_a_file_keep_their_own_condition_however_they_are_split() {
    let folder = tempfile::tempdir().unwrap();
    let class = |from: i64, n: i64| (rows(n) + from).remainder(3);
    let vector = |from: i64, n: i64| {
        let x = (rows(n) + from).to_kind(Kind::Double);
        Tensor::stack(&[&x, &(-&x)], 1)
    };
    let whole = [("data", points(0, 50)), ("labels", class(0, 50)), ("place", vector(0, 50))];
    let parts = [
        ("train", points(0, 40)),
        ("test", points(40, 10)),
        ("train_labels", class(0, 40)),
        ("y_test", class(40, 10)),
        ("train_place", vector(0, 40)),
        ("test_place", vector(40, 10)),
    ];
    for arrays in [&whole[..], &parts[..]] {
        let path = archive(&folder, arrays);
        for (name, kind) in [("labels", ConditionKind::Classes(3)), ("place", ConditionKind::Vector(2))] {
            let data = load(&path, name).unwrap();
            assert_eq!(data.condition(), Some((name, kind)));
            let minibatch = data.conditional_minibatch(16, 3, Seed(0).stream("data")).unwrap();
            let splits = SPLITS.map(|split| data.conditional_points(split, 4, &mut Seed(0).stream("p").at(1)).unwrap());
            for (x, conditions) in splits.into_iter().chain([minibatch]) {
                let (row, found) = (made_of(&data, &x), conditions.get(name).unwrap());
                match kind {
                    ConditionKind::Classes(_) => assert_eq!(*found, row.remainder(3)),
                    ConditionKind::Vector(_) => assert_eq!(found.select(1, 1), -row.to_kind(Kind::Float)),
                }
            }
        }
    }
}

#[test]
fn arrays_that_are_no_conditions_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let x = || ("data", points(0, 50));
    let refused = |arrays: &[(&str, Tensor)], condition: &str| {
        let line = load(&archive(&folder, arrays), condition).unwrap_err().to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    };
    for (line, words) in [
        (refused(&[x()], "labels"), "holds no array `labels`"),
        (refused(&[x(), ("labels", rows(50).remainder(3))], "place"), "holds no array `place`"),
        (
            refused(&[x(), ("place", points(0, 50))], "data"),
            "condition `data`: it is the array of the points themselves",
        ),
        (
            refused(&[x(), ("labels", rows(49).remainder(3))], "labels"),
            "condition `labels`: it has 49 rows for 50 points: it needs one for each",
        ),
        (refused(&[x(), ("labels", Tensor::from(3i64))], "labels"), "condition `labels`: it is a single number for 50"),
        (
            refused(&[x(), ("labels", rows(50).remainder(2) * 1_000_000)], "labels"),
            "has label 1000000, and there are at most 65536 classes: number the classes from 0",
        ),
        (
            refused(&[x(), ("labels", rows(50) - 1)], "labels"),
            "has label -1, and labels are whole numbers from 0 on: number the classes from 0",
        ),
        (refused(&[x(), ("place", points(0, 50).view([50, 1, 2]))], "place"), "a condition is (n,) or (n, k)"),
        (refused(&[x(), ("place", points(0, 50).log() * f64::NAN)], "place"), "`place` holds NaN"),
        (
            refused(
                &[("train", points(0, 40)), ("test", points(40, 10)), ("train_labels", rows(40).remainder(3))],
                "labels",
            ),
            "holds no array `test_labels`",
        ),
    ] {
        assert!(line.contains(words), "{line}");
    }
    let npy = folder.path().join("own.npy");
    strait_io::npy::write(&npy, &points(0, 50), Element::F32).unwrap();
    let line = load(&npy, "labels").unwrap_err().to_string();
    assert!(line.ends_with(
        "is a single array, and holds no `labels`: save its points and `labels` in one .npz with numpy.savez"
    ));
    // The row of the file, not of the part that it was split into.
    let vectors = rows(50).to_kind(Kind::Double);
    let _ = vectors.narrow(0, 17, 1).fill_(f64::INFINITY);
    let line = refused(&[x(), ("place", vectors)], "place");
    assert!(line.starts_with("array `place` holds an infinity in row 17 "), "{line}");
    // A class that no training point has.
    let all = Splits { train: points(0, 9), validation: points(9, 3), test: points(12, 3) };
    let data = ArrayDataset::new("mine", &all, Scaling::Overall, Kind::Float, Device::Cpu).unwrap();
    let labels = Splits { train: rows(9).remainder(3), validation: rows(3), test: rows(3) + 1 };
    let line = data.conditioned("group", &labels).unwrap_err().to_string();
    assert_eq!(line, "condition `group`: a test point has label 3, and those of the training points are 0 to 2");
}

/// A vector goes to the network as it is, in single precision.
#[test]
fn a_condition_that_single_precision_cannot_hold_is_refused_with_what_mends_it() {
    let place = tempfile::tempdir().unwrap();
    let spread = Seed(1).stream("spread").at(0).normal(&[60, 1], Kind::Double, Device::Cpu).unwrap();
    let load_of = |size: &Tensor| {
        let path = archive(&place, &[("data", points(0, 60)), ("size", size.shallow_clone())]);
        load(&path, "size")
    };
    for (size, problem) in [
        (&spread + 1e9, "too far from 0"),
        (&spread * 1e-300, "too small"),
        (&spread * 1e30, "too large"),
        (Tensor::cat(&[&spread, &(&spread * 1e-6 + 1.7e9)], 1), "column 1 (counted from 0) is too far from 0"),
    ] {
        let line = load_of(&size).err().unwrap().to_string();
        assert!(line.starts_with("condition `size`: column") && line.contains(problem), "{line}");
        assert!(line.contains("save (x ") && line.contains("`sample`"), "{line}");
    }
    // What it can hold and a network does not like is said.
    for (size, said) in [
        (&spread * 10.0 + 2007.0, Some("lies around 2.00")),
        (&spread * 1e6, Some("with a spread of")),
        (&spread * 1e-4, Some("with a spread of")),
        (&spread * 2.0 - 3.0, None),
        (Tensor::full([60, 1], 1e9, (Kind::Double, Device::Cpu)), None),
    ] {
        let data = load_of(&size).unwrap();
        let remarks = &data.remarks().condition;
        assert_eq!(remarks.len(), usize::from(said.is_some()), "{remarks:?}");
        assert!(said.is_none_or(|said| remarks[0].contains(said)), "{remarks:?}");
    }
}

#[test]
fn classes_without_points_and_classes_in_floats_are_said() {
    let place = tempfile::tempdir().unwrap();
    let load_of =
        |labels: Tensor| load(&archive(&place, &[("data", points(0, 60)), ("labels", labels)]), "labels").unwrap();
    let labels = rows(60).remainder(3);
    let data = load_of(labels.shallow_clone());
    assert!(data.remarks().condition.is_empty() && data.remarks().classes_without_points.is_empty());
    let data = load_of(&labels + 1);
    assert_eq!(data.remarks().classes_without_points, [0]);
    assert!(data.remarks().condition[0].contains("such as 0"), "{:?}", data.remarks().condition);
    let data = load_of(&labels * 5);
    assert_eq!(data.remarks().classes_without_points, [1, 2, 3, 4, 6, 7, 8, 9]);
    for (labels, said) in
        [(labels.to_kind(Kind::Double), "floating-point ones"), (labels.view([60, 1]), "of shape (n, 1)")]
    {
        let data = load_of(labels);
        assert_eq!(data.condition(), Some(("labels", ConditionKind::Vector(1))));
        let remark = &data.remarks().condition[0];
        assert!(remark.contains(said) && remark.contains(".astype(\"int64\").ravel()"), "{remark}");
    }
}

#[test]
fn arrays_that_are_not_used_are_found() {
    let place = tempfile::tempdir().unwrap();
    let unused = |names: &[&str], condition: Option<&str>| {
        let arrays: Vec<_> = names.iter().map(|&name| (name, points(0, 20))).collect();
        Arrays::default().passed_over(&archive(&place, &arrays), condition).unwrap()
    };
    assert_eq!(unused(&["data", "weights", "labels"], None), ["weights"]);
    assert_eq!(unused(&["data", "weights", "labels"], Some("weights")), ["labels"]);
    assert_eq!(unused(&["train", "test", "data", "train_labels"], None), ["data"]);
    assert!(unused(&["anything"], None).is_empty());
    // A single array has no name to be called by.
    let path = place.path().join("own.npy");
    strait_io::npy::write(&path, &points(0, 20), Element::F64).unwrap();
    for arrays in [
        Arrays { train: Some("x".into()), ..Arrays::default() },
        Arrays { test_labels: Some("x".into()), ..Arrays::default() },
    ] {
        let options = FileOptions { arrays: arrays.clone(), ..FileOptions::default() };
        let loaded = from_file(&path, &options, Seed(0), Kind::Float, Device::Cpu).err().unwrap();
        let looked = strait_data::inspect(&path, &arrays).unwrap_err();
        for error in [loaded, looked] {
            assert!(error.to_string().contains("holds no `x`"), "{error}");
        }
    }
}
