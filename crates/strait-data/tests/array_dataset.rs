//! Finite data: epochs, minibatches as pure functions, units, labels, and what is refused.

use std::collections::HashSet;
use strait_core::{BatchShare, Dataset, Seed, Split, Stream};
use strait_data::{ArrayDataset, DataError, Image, Scaling, Splits};
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Double, Device::Cpu);

/// Points that name themselves: training i is (i, -i), validation 1000 + i, test 2000 + i.
fn named(train: i64) -> Splits<Tensor> {
    let points = |from: i64, n: i64| {
        let x = Tensor::arange_start(from, from + n, CPU);
        Tensor::stack(&[&x, &-&x], 1)
    };
    Splits { train: points(0, train), validation: points(1000, 10), test: points(2000, 15) }
}

fn dataset(train: i64) -> ArrayDataset {
    ArrayDataset::new("named", &named(train), Scaling::Overall, CPU.0, CPU.1).unwrap()
}

fn stream() -> Stream {
    Seed(3).stream("data")
}

/// Which points of `named` these are.
fn names(data: &ArrayDataset, x: &Tensor) -> Vec<i64> {
    Vec::try_from(data.denormalise(x).unwrap().select(1, 0).round().to_kind(Kind::Int64)).unwrap()
}

#[test]
fn every_training_point_comes_once_an_epoch() {
    for n in [1, 7, 16, 50] {
        let data = dataset(50);
        // 50 batches of n hold n epochs, whatever n is.
        let drawn: Vec<i64> =
            (0..50).flat_map(|step| names(&data, &data.minibatch(n, step, stream()).unwrap())).collect();
        let mut orders = HashSet::new();
        for epoch in drawn.chunks(50) {
            assert_eq!(epoch.iter().copied().collect::<HashSet<_>>(), (0..50).collect(), "batches of {n}");
            assert!(orders.insert(epoch.to_vec()), "two epochs in one order");
            assert_ne!(epoch, (0..50).collect::<Vec<_>>());
        }
    }
}

#[test]
fn minibatches_are_pure_functions_of_step_and_stream() {
    let quantised = |_| ArrayDataset::quantised("q", &named(50), 1.0, Scaling::PerCoordinate, CPU.0, CPU.1).unwrap();
    let plain = |_| dataset(50);
    for make in [&plain as &dyn Fn(()) -> ArrayDataset, &quantised] {
        let data = make(());
        let once: Vec<Tensor> = (0..30).map(|step| data.minibatch(16, step, stream()).unwrap()).collect();
        // Backwards, interleaved with another stream and another batch size, and from a fresh data set.
        for step in (0..30).rev() {
            let _ = data.minibatch(16, 7 * step % 30, Seed(4).stream("data")).unwrap();
            let _ = data.minibatch(9, step, stream()).unwrap();
            assert_eq!(data.minibatch(16, step, stream()).unwrap(), once[step as usize]);
        }
        assert_eq!(make(()).minibatch(16, 29, stream()).unwrap(), once[29]);
        assert_ne!(data.minibatch(16, 0, Seed(4).stream("data")).unwrap(), once[0]);
        // The last step there is does not overflow.
        assert_eq!(data.minibatch(16, u64::MAX, stream()).unwrap().size(), [16, 2]);
    }
}

#[test]
fn rows_of_a_batch_are_those_of_the_whole() {
    let data = ArrayDataset::quantised("q", &named(50), 1.0, Scaling::PerCoordinate, CPU.0, CPU.1).unwrap();
    for step in 0..9 {
        let whole = data.minibatch(16, step, stream()).unwrap();
        for parts in [vec![0..8, 8..12], vec![8..16, 0..1], vec![2..4, 12..15]] {
            let rows = BatchShare::of(16, parts);
            let (some, conditions) = data.minibatch_rows(&rows, step, stream()).unwrap();
            assert_eq!(some, rows.select(&whole).unwrap());
            assert!(conditions.is_empty());
        }
    }
}

#[test]
fn a_batch_across_an_epochs_end_is_completed_from_the_next() {
    let data = dataset(10);
    let rows = |step| Vec::<i64>::try_from(data.rows(7, step, stream()).unwrap()).unwrap();
    let drawn: Vec<i64> = (0..10).flat_map(rows).collect();
    let crossing = rows(1);
    assert_eq!(crossing[..3], drawn[7..10]);
    assert_eq!(crossing[3..], drawn[10..14]);
    assert_eq!(drawn[10..20].iter().collect::<HashSet<_>>().len(), 10);
}

#[test]
fn rows_and_labels_go_with_the_points() {
    let labels = |from: i64, n: i64| Tensor::arange_start(from, from + n, (Kind::Int64, Device::Cpu));
    let splits = Splits { train: labels(0, 50), validation: labels(1000, 10), test: labels(2000, 15) };
    let data = dataset(50).with_labels(&splits).unwrap();
    let x = data.minibatch(16, 5, stream()).unwrap();
    let chosen = data.labels(Split::Train).unwrap().index_select(0, &data.rows(16, 5, stream()).unwrap());
    assert_eq!(names(&data, &x), Vec::<i64>::try_from(chosen).unwrap());
    let all = data.in_order(Split::Test, &mut stream().at(0)).unwrap();
    assert_eq!(names(&data, &all), Vec::<i64>::try_from(data.labels(Split::Test).unwrap()).unwrap());
}

#[test]
fn points_are_distinct_and_of_their_split() {
    let data = dataset(50);
    for (split, from, of) in [(Split::Train, 0, 50), (Split::Validation, 1000, 10), (Split::Test, 2000, 15)] {
        assert_eq!(data.len(split), Some(of));
        let own: HashSet<i64> = (from..from + of).collect();
        let all = names(&data, &data.points(split, of, &mut stream().at(1)).unwrap());
        assert_ne!(all, (from..from + of).collect::<Vec<_>>(), "all are in the order of the array");
        for n in [1, 9, of, of + 1, 1000] {
            let drawn = names(&data, &data.points(split, n, &mut stream().at(1)).unwrap());
            assert_eq!(drawn.len() as i64, n.min(of));
            let distinct: HashSet<i64> = drawn.iter().copied().collect();
            assert_eq!(distinct.len(), drawn.len());
            assert!(distinct.is_subset(&own), "{split:?}: {drawn:?}");
            assert_eq!(drawn, all[..drawn.len()], "{n} are not the first of all");
        }
        let some = |step| names(&data, &data.points(split, 9, &mut stream().at(step)).unwrap());
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
    }
}

#[test]
fn points_are_the_callers_to_change() {
    let data = dataset(50);
    for (split, of) in [(Split::Train, 50), (Split::Test, 15)] {
        let points = |n| data.points(split, n, &mut stream().at(0)).unwrap();
        let before = points(of).copy();
        for n in [3, of, of + 1] {
            let _ = points(n).zero_();
        }
        assert_eq!(points(of), before);
    }
}

#[test]
fn units_are_those_of_the_training_split_alone() {
    let data = dataset(50);
    let z = data.points(Split::Train, 50, &mut stream().at(0)).unwrap();
    assert!(z.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
    assert!((z.square().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 1e-12);
    // Mean 24.5, variance (50^2 - 1) / 12.
    let scale = data.units().scale().double_value(&[]);
    assert!((scale - (2499f64 / 12.0).sqrt()).abs() < 1e-12);
    let test = data.in_order(Split::Test, &mut stream().at(0)).unwrap();
    assert!((test.double_value(&[0, 0]) - (2000.0 - 24.5) / scale).abs() < 1e-9);
    assert!(data.denormalise(&test).unwrap().allclose(&named(50).test, 0.0, 1e-9, false));
}

#[test]
fn dequantisation_is_uniform_within_the_bin_and_in_the_statistics() {
    let levels = Tensor::randint(3, [4000, 2], (Kind::Double, Device::Cpu)) * 0.5;
    let part = |from, n| levels.narrow(0, from, n);
    let arrays = || Splits { train: part(0, 3000), validation: part(3000, 500), test: part(3500, 500) };
    let data = ArrayDataset::quantised("levels", &arrays(), 0.5, Scaling::Overall, CPU.0, CPU.1).unwrap();
    let z = data.in_order(Split::Train, &mut stream().at(0)).unwrap();
    assert!(z.mean(Kind::Double).double_value(&[]).abs() < 0.02);
    assert!((z.square().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.03);
    let noise = data.denormalise(&z).unwrap() - arrays().train;
    assert!(noise.min().double_value(&[]) > -1e-9 && noise.max().double_value(&[]) < 0.5 + 1e-9);
    assert!((noise.mean(Kind::Double).double_value(&[]) - 0.25).abs() < 0.01);
    assert!((noise.var(true).double_value(&[]) - 0.25 / 12.0).abs() < 0.001);
    assert_ne!(z, data.in_order(Split::Train, &mut stream().at(1)).unwrap(), "fresh noise for other draws");
    let noise = |step| {
        let x = data.denormalise(&data.minibatch(9, step, stream()).unwrap()).unwrap();
        x - arrays().train.index_select(0, &data.rows(9, step, stream()).unwrap())
    };
    assert!(!noise(0).allclose(&noise(1), 0.0, 1e-6, false), "fresh noise for every step");
}

#[test]
fn arrays_of_integers_images_and_single_precision() {
    let arrays = |n| Tensor::randint(256, [n, 3, 4, 4], (Kind::Uint8, Device::Cpu));
    let splits = Splits { train: arrays(9000), validation: arrays(3), test: arrays(3) };
    let data = ArrayDataset::new("images", &splits, Scaling::PerCoordinate, Kind::Float, Device::Cpu).unwrap();
    let data = data.with_image(Image { channels: 3, height: 4, width: 4 }).unwrap();
    assert_eq!(data.event_shape(), [3, 4, 4]);
    let test = data.in_order(Split::Test, &mut stream().at(0)).unwrap();
    assert_eq!(test.kind(), Kind::Float);
    assert!(data.denormalise(&test).unwrap().allclose(&splits.test.to_kind(Kind::Float), 1e-5, 1e-3, false));
}

#[test]
fn what_is_refused_and_how() {
    let make = |change: &dyn Fn(&mut Splits<Tensor>)| {
        let mut splits = named(50);
        change(&mut splits);
        ArrayDataset::new("named", &splits, Scaling::Overall, CPU.0, CPU.1).map(drop).unwrap_err().to_string()
    };
    let not_a_number = |splits: &mut Splits<Tensor>| drop(splits.train.get(7).get(1).fill_(f64::NAN));
    assert_eq!(make(&not_a_number), "array `train` holds NaN in row 7 (counted from 0): remove or repair that sample");
    let infinite = |splits: &mut Splits<Tensor>| drop(splits.test.get(14).get(0).fill_(f64::NEG_INFINITY));
    assert_eq!(
        make(&infinite),
        "array `test` holds an infinity in row 14 (counted from 0): remove or repair that sample"
    );
    assert_eq!(
        make(&|splits| splits.validation = Tensor::zeros([10, 3], CPU)),
        "samples of `train` have shape [2], those of `validation` [3]: they must agree"
    );
    assert_eq!(
        make(&|splits| splits.test = Tensor::zeros([0, 2], CPU)),
        "array `test` has 0 rows, and at least 1 are needed"
    );
    assert_eq!(
        make(&|splits| splits.test = Tensor::zeros([4], CPU)),
        "array `test` has shape [4]: the first axis is the sample, and it needs another of at least one coordinate \
         (for single numbers, reshape it to (n, 1))"
    );
    for n in [51, 0, -1] {
        let error = dataset(50).minibatch(n, 0, stream()).unwrap_err().to_string();
        assert_eq!(error, format!("a minibatch of {n} from 50 training points of named: it must be between 1 and 50"));
        assert!(matches!(dataset(50).rows(n, 0, stream()), Err(DataError::Minibatch { of: 50, .. })));
    }
    let labels = Splits { train: Tensor::zeros([50], CPU), validation: Tensor::zeros([10], CPU), test: named(1).test };
    let error = dataset(50).with_labels(&labels).unwrap_err().to_string();
    assert_eq!(error, "labels: shape [15, 2], expected [15], one for each test point");
    let error = dataset(50).with_image(Image { channels: 1, height: 2, width: 2 }).unwrap_err().to_string();
    assert_eq!(error, "a sample: shape [2], expected Image { channels: 1, height: 2, width: 2 }");
    let error = ArrayDataset::quantised("q", &named(9), 0.0, Scaling::Overall, CPU.0, CPU.1).unwrap_err().to_string();
    assert_eq!(error, "a quantised array: bin is 0, and must be positive");
}
