//! Distances in features against closed forms and brute force, and a classifier on separable classes.

use strait_core::{Dataset, Error, Seed, Split};
use strait_data::{ArrayDataset, Scaling, Splits};
use strait_metrics::features::{Classifier, ClassifierShape, FeatureMap, Fit, feature_distances};
use strait_metrics::{MetricError, coverage, distances, frechet, kernel_distance, moments, nearest, nearest_rows};
use tch::{Device, Kind, Tensor};

fn normal(name: &str, shape: &[i64]) -> Tensor {
    Seed(8).stream(name).at(0).normal(shape, Kind::Double, Device::Cpu).unwrap()
}

fn sum(x: &Tensor) -> f64 {
    x.sum(Kind::Double).double_value(&[])
}

/// Points whose own mean and covariance are exactly these.
fn points_of(name: &str, n: i64, mean: &Tensor, factor: &Tensor) -> Tensor {
    let z = normal(name, &[n, mean.size()[0]]);
    let (m, s) = moments(&z).unwrap();
    let white = (z - m).matmul(&s.linalg_cholesky(false).inverse().tr());
    white.matmul(&factor.tr()) + mean
}

#[test]
fn the_frechet_distance_has_its_closed_form() {
    let (m1, m2) = (normal("m1", &[4]), normal("m2", &[4]));
    let (l1, l2) = (normal("l1", &[4, 4]), normal("l2", &[4, 4]));
    let (x, y) = (points_of("x", 60, &m1, &l1), points_of("y", 90, &m2, &l2));
    // tr (S1^(1/2) S2 S1^(1/2))^(1/2) = the nuclear norm of L1' L2: other roots, another decomposition.
    let (_, singular, _) = l1.tr().matmul(&l2).svd(true, false);
    let expected = sum(&(&m1 - &m2).square()) + sum(&l1.square()) + sum(&l2.square()) - 2.0 * sum(&singular);
    let found = frechet(&x, &y).unwrap();
    assert!((found - expected).abs() < 1e-9 * expected, "{found} against {expected}");
    assert!((frechet(&y, &x).unwrap() - found).abs() < 1e-9 * expected);
    assert!(frechet(&x, &x).unwrap().abs() < 1e-9);
    // Fewer points than features: singular covariances, against the roots of symmetric matrices.
    let (few, others) = (normal("few", &[5, 30]), normal("others", &[6, 30]));
    let ((m1, s1), (m2, s2)) = (moments(&few).unwrap(), moments(&others).unwrap());
    let root = |s: &Tensor| {
        let (values, vectors) = s.linalg_eigh("L");
        (&vectors * values.clamp_min(0.0).sqrt()).matmul(&vectors.tr())
    };
    let middle = root(&(root(&s1).matmul(&s2).matmul(&root(&s1))));
    let expected = sum(&(m1 - m2).square()) + sum(&s1.trace()) + sum(&s2.trace()) - 2.0 * sum(&middle.trace());
    assert!((frechet(&few, &others).unwrap() - expected).abs() < 1e-6 * expected);
    // Samples of one law: the bias that the documentation states, of the means alone a lower bound.
    let of_one_law: f64 = (0..20)
        .map(|i| frechet(&normal(&format!("a{i}"), &[50, 6]), &normal(&format!("b{i}"), &[50, 6])).unwrap())
        .sum();
    let bias = of_one_law / 20.0;
    assert!(bias > 6.0 * 2.0 / 50.0 && bias < 3.0 * 6.0 * 2.0 / 50.0, "{bias}");
    assert!(frechet(&few, &x).unwrap_err().to_string().contains("[60, 4]"));
    assert!(frechet(&few.narrow(0, 0, 1), &others).is_err());
    // The covariance is the unbiased one: of two points, half the square of their difference.
    let (_, s) = moments(&Tensor::from_slice(&[1.0, 4.0]).view([2, 1])).unwrap();
    assert!((sum(&s) - 4.5).abs() < 1e-12);
    assert!(frechet(&(few * f64::NAN), &others).unwrap_err().to_string().contains("finite"));
}

/// Right values: 0 for equal sets, in any order, at any scale and rank; small distances keep their digits.
#[test]
fn the_frechet_distance_is_never_below_zero() {
    for (n, f, scale) in [(10, 2048, 1.0), (10, 300, 5e3), (60, 7, 5e3), (40, 40, 1e-6), (2, 50, 1e8)] {
        let x = normal("equal", &[n, f]) * scale;
        assert!(frechet(&x, &x).unwrap() >= 0.0 && frechet(&x, &x).unwrap() <= 1e-24 * scale * scale);
        let found = frechet(&x, &x.flip([0])).unwrap();
        assert!((0.0..=1e-24 * scale * scale).contains(&found), "{n} of {f} at {scale}: {found:e}");
        // S_2 = (1 + h)^2 S_1: h^2 tr S_1, and the means as far as h times their length.
        let h = 1e-6;
        let (mean, s) = moments(&x).unwrap();
        let expected = h * h * (sum(&mean.square()) + sum(&s.trace()));
        let found = frechet(&x, &(&x * (1.0 + h))).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-6, "{n} of {f} at {scale}: {found:e} for {expected:e}");
    }
    // Duplicated points and constant features: rank one.
    let flat =
        Tensor::from_slice(&[1.0, 2.0, 2.0, 2.0]).view([4, 1]) * Tensor::ones([1, 30], (Kind::Double, Device::Cpu));
    assert!(frechet(&flat, &flat.flip([0])).unwrap() < 1e-24);
}

/// A set has density 1 and coverage 1 against itself, whatever its ties are: ten values each 100 times (20 by the
/// definition of Naeem et al.), two equal points (2), points without ties (k + 1 over k), and points of a lattice.
#[test]
fn a_set_has_density_one_against_itself() {
    let ten = Tensor::arange(10, (Kind::Double, Device::Cpu)).repeat([100]).view([1000, 1]);
    let lattice = Tensor::arange(12, (Kind::Double, Device::Cpu)).view([12, 1]);
    let half = Tensor::cat(&[&normal("half", &[30, 2]), &Tensor::zeros([30, 2], (Kind::Double, Device::Cpu))], 0);
    let pair = Tensor::ones([2, 1], (Kind::Double, Device::Cpu));
    for (set, k) in [(&ten, 5), (&pair, 1), (&normal("untied", &[200, 3]), 5), (&lattice, 2), (&half, 5)] {
        for copies in [1, 3] {
            let found = coverage(set, &set.repeat([copies, 1]), k).unwrap();
            assert!((found.density - 1.0).abs() < 1e-12 && found.coverage == 1.0, "{:?}: {found:?}", set.size());
        }
    }
    // Another sample of the ten values, each as often as it comes.
    let rows = Seed(3).stream("rows").at(0).integers(1000, &[400], Device::Cpu).unwrap();
    assert!((coverage(&ten, &ten.index_select(0, &rows), 5).unwrap().density - 1.0).abs() < 1e-12);
}

#[test]
fn coverage_and_the_nearest_point_by_brute_force() {
    // The last are more than are compared at a time.
    for (n, m, k) in [(40, 25, 1), (40, 25, 4), (2100, 2050, 4)] {
        let (real, samples) = (normal("real", &[n, 3]), normal("samples", &[m, 3]) * 0.7 + 0.2);
        let rows = |x: &Tensor| -> Vec<Vec<f64>> { Vec::<Vec<f64>>::try_from(x).unwrap() };
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let (r, s) = (rows(&real), rows(&samples));
        // How far each reaches: its own distance of 0 comes first.
        let radii = |points: &[Vec<f64>]| -> Vec<f64> {
            let radius = |point: &Vec<f64>| {
                let mut all: Vec<f64> = points.iter().map(|other| distance(point, other)).collect();
                *all.select_nth_unstable_by(k, f64::total_cmp).1
            };
            points.iter().map(radius).collect()
        };
        let (of_real, of_samples) = (radii(&r), radii(&s));
        let held: Vec<usize> = r
            .iter()
            .zip(&of_real)
            .map(|(point, radius)| s.iter().filter(|sample| distance(point, sample) <= *radius).count())
            .collect();
        let found = coverage(&real, &samples, k as i64).unwrap();
        let (inside, covered) = (held.iter().sum::<usize>(), held.iter().filter(|held| **held > 0).count());
        assert!((found.density - inside as f64 / (k as i64 * m) as f64).abs() < 1e-12, "k = {k}: {found:?}");
        assert!((found.coverage - covered as f64 / n as f64).abs() < 1e-12, "k = {k}: {found:?}");
        // Which points of one set lie in a ball of the other.
        let share = |points: &[Vec<f64>], balls: &[Vec<f64>], radii: &[f64]| {
            let held =
                |point: &&Vec<f64>| balls.iter().zip(radii).any(|(ball, radius)| distance(point, ball) <= *radius);
            points.iter().filter(held).count() as f64 / points.len() as f64
        };
        assert!((found.precision - share(&s, &r, &of_real)).abs() < 1e-12, "k = {k}: {found:?}");
        assert!((found.recall - share(&r, &s, &of_samples)).abs() < 1e-12, "k = {k}: {found:?}");
        let found: Vec<f64> = nearest(&samples, &real).unwrap().try_into().unwrap();
        for (sample, found) in s.iter().zip(found) {
            let expected = r.iter().map(|point| distance(sample, point)).fold(f64::INFINITY, f64::min);
            assert!((found - expected).abs() < 1e-12);
        }
        assert_eq!(sum(&nearest(&real.narrow(0, 3, 9), &real).unwrap()), 0.0);
        assert!(coverage(&real, &samples, n).is_err());
    }
}

/// Sums of powers of one coordinate, over more points than are compared at a time.
#[test]
fn the_kernel_distance_of_many_points_is_its_sums_of_powers() {
    let (x, y) = (normal("many x", &[2300, 1]), normal("many y", &[2100, 1]) * 0.5 + 1.0);
    let power = |x: &Tensor, p: i64| sum(&x.pow_tensor_scalar(p));
    let all = |x: &Tensor, y: &Tensor, is_one: bool| {
        let of = |p: i64| power(x, p) * power(y, p) - if is_one { power(x, 2 * p) } else { 0.0 };
        of(0) + 3.0 * of(1) + 3.0 * of(2) + of(3)
    };
    let (n, m) = (2300.0, 2100.0);
    let within = all(&x, &x, true) / (n * (n - 1.0)) + all(&y, &y, true) / (m * (m - 1.0));
    let expected = within - 2.0 * all(&x, &y, false) / (n * m);
    let found = kernel_distance(&x, &y).unwrap();
    assert!((found / expected - 1.0).abs() < 1e-10, "{found} for {expected}");
}

/// Without bias: over many pairs of samples of one law its mean is nothing; and it is what its sums say.
/// Wherever the points lie, whatever their size, and however many are equally near.
#[test]
fn the_nearest_point_is_the_nearest_far_from_zero_and_in_any_unit() {
    let (n, m) = (40, 300);
    for d in [1, 2, 12] {
        let (x, y) = (normal("near", &[n, d]).to_kind(Kind::Double), normal("others", &[m, d]).to_kind(Kind::Double));
        let far = Tensor::full([1, d], 1e12, (Kind::Double, Device::Cpu));
        let cases = [
            ("at 0", x.shallow_clone(), y.shallow_clone()),
            ("far from 0", &x + 1e9, &y + 1e9),
            ("beside one far point", Tensor::cat(&[&far, &x], 0), Tensor::cat(&[&y, &(&far + 1.0)], 0)),
            ("in two clouds far apart", Tensor::cat(&[&x, &(&x + 1e9)], 0), Tensor::cat(&[&y, &(&y + 1e9)], 0)),
            ("many times", x.shallow_clone(), Tensor::cat(&[&y, &y, &x, &x], 0)),
            ("tiny", &x * 1e-200, &y * 1e-200),
            ("huge", &x * 1e200, &y * 1e200),
        ];
        for (what, x, y) in cases {
            let scale = x.abs().max().double_value(&[]).max(y.abs().max().double_value(&[]));
            let scale = if (1e-100..1e100).contains(&scale) { 1.0 } else { scale };
            let apart = (x.unsqueeze(1) - y.unsqueeze(0)) / scale;
            let all = apart.square().sum_dim_intlist([2i64].as_slice(), false, Kind::Double).sqrt() * scale;
            let (least, _) = all.min_dim(1, false);
            let (found, rows) = nearest_rows(&x, &y).unwrap();
            // Coordinates that stand next to each other 1e9 from 0 differ by the rounding of their middle.
            assert!(((&found - &least).abs() / scale).max().double_value(&[]) < 1e-6, "{what}, {d}: {found} {least}");
            let own = all.gather(1, &rows.unsqueeze(1), false).squeeze_dim(1);
            assert_eq!(own, least, "{what}, {d}");
        }
    }
}

/// Coverage knows neighbours, and no unit.
#[test]
fn one_point_far_away_hides_no_distance() {
    let (x, y) = (normal("hidden", &[30, 2]).to_kind(Kind::Double), normal("others", &[50, 2]).to_kind(Kind::Double));
    let (right, rows) = nearest_rows(&x, &y).unwrap();
    let without = coverage(&y, &x, 3).unwrap();
    for far in [1e120, 1e140, 1e200] {
        let with = Tensor::cat(&[&y, &Tensor::full([1, 2], far, (Kind::Double, Device::Cpu))], 0);
        let (found, at) = nearest_rows(&x, &with).unwrap();
        assert_eq!(at, rows, "beside {far:e}");
        assert!(found.allclose(&right, 1e-12, 0.0, false), "beside {far:e}");
        let found = coverage(&with, &x, 3).unwrap();
        // Every sample is as near to the far point as its neighbours are, and none reaches to it.
        assert_eq!(found.precision, 1.0, "beside {far:e}: {found:?}");
        assert!((found.recall * 51.0 - without.recall * 50.0).abs() < 1e-9, "beside {far:e}: {found:?}");
        assert!((found.coverage * 51.0 - without.coverage * 50.0 - 1.0).abs() < 1e-9, "beside {far:e}: {found:?}");
    }
}

#[test]
fn coverage_is_the_same_in_any_unit() {
    let (real, samples) = (normal("real", &[60, 3]).to_kind(Kind::Double), normal("s", &[50, 3]).to_kind(Kind::Double));
    let found = coverage(&real, &samples, 5).unwrap();
    for power in [-900, -600, 600, 900] {
        let unit = f64::from(power).exp2();
        assert_eq!(coverage(&(&real * unit), &(&samples * unit), 5).unwrap(), found, "2^{power}");
    }
}

/// An overflow is an error, and no number.
#[test]
fn distances_of_features_that_overflow_are_refused() {
    let (x, y) = (normal("x", &[20, 3]).to_kind(Kind::Double), normal("y", &[20, 3]).to_kind(Kind::Double));
    for scale in [1e60, 1e160, 1e300] {
        let (x, y) = (&x * scale, &y * scale);
        assert!(matches!(kernel_distance(&x, &y), Err(MetricError::Core(Error::NonFinite { .. }))), "{scale}");
        let frechet = frechet(&x, &y);
        assert_eq!(frechet.is_ok(), scale < 1e100, "{scale}: {frechet:?}");
    }
}

#[test]
fn the_kernel_distance_has_no_bias_and_is_its_sums() {
    let (x, y) = (normal("kx", &[7, 3]), normal("ky", &[5, 3]) + 0.5);
    let rows = |x: &Tensor| -> Vec<Vec<f64>> { Vec::<Vec<f64>>::try_from(x).unwrap() };
    let (a, b) = (rows(&x), rows(&y));
    let kernel = |p: &[f64], q: &[f64]| (p.iter().zip(q).map(|(p, q)| p * q).sum::<f64>() / 3.0 + 1.0).powi(3);
    let mean = |a: &[Vec<f64>], b: &[Vec<f64>], same: bool| {
        let pairs = (0..a.len()).flat_map(|i| (0..b.len()).map(move |j| (i, j))).filter(|(i, j)| !same || i != j);
        let values: Vec<f64> = pairs.map(|(i, j)| kernel(&a[i], &b[j])).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let expected = mean(&a, &a, true) + mean(&b, &b, true) - 2.0 * mean(&a, &b, false);
    assert!((kernel_distance(&x, &y).unwrap() - expected).abs() < 1e-12);
    let of_one_law: Vec<f64> = (0..200)
        .map(|i| kernel_distance(&normal(&format!("c{i}"), &[20, 2]), &normal(&format!("d{i}"), &[30, 2])).unwrap())
        .collect();
    let mean = of_one_law.iter().sum::<f64>() / 200.0;
    let sd = (of_one_law.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
    assert!(mean.abs() < 3.0 * sd / 200f64.sqrt(), "{mean} of {sd}");
    assert!(of_one_law.iter().any(|value| *value < 0.0));
    assert!(kernel_distance(&x, &normal("kz", &[5, 4])).is_err());
}

/// Whole numbers, so that the sums are exact in 128 bits: far from 0, where cubes of products are larger than what is left of them
/// by all digits of a double, and beside one far point.
#[test]
fn the_kernel_distance_has_its_digits_far_from_zero_and_beside_a_far_point() {
    let (n, f) = (8i64, 4i64);
    let rows = |name: &str, offset: i64, far: i64| -> Vec<Vec<i64>> {
        let mut x: Vec<Vec<i64>> = Vec::<Vec<f64>>::try_from(normal(name, &[n, f]) * 5.0)
            .unwrap()
            .into_iter()
            .map(|row| row.into_iter().map(|x| x.round() as i64 + offset).collect())
            .collect();
        x[3][1] += far;
        x
    };
    for (offset, far) in [(0, 0), (100, 0), (10_000, 0), (-200_000, 0), (0, 10_000), (1000, 100_000)] {
        let (x, y) = (rows("far x", offset, far), rows("far y", offset, 0));
        let sum = |a: &[Vec<i64>], b: &[Vec<i64>], same: bool| -> i128 {
            let pairs = (0..a.len()).flat_map(|i| (0..b.len()).map(move |j| (i, j))).filter(|(i, j)| !same || i != j);
            let product = |(i, j): (usize, usize)| a[i].iter().zip(&b[j]).map(|(p, q)| i128::from(p * q)).sum::<i128>();
            pairs.map(|pair| (product(pair) + i128::from(f)).pow(3)).sum()
        };
        let whole =
            i128::from(n) * (sum(&x, &x, true) + sum(&y, &y, true)) - 2 * i128::from(n - 1) * sum(&x, &y, false);
        let right = whole as f64 / (n * n * (n - 1) * f.pow(3)) as f64;
        let tensor = |x: &[Vec<i64>]| Tensor::from_slice2(x).to_kind(Kind::Double);
        let found = kernel_distance(&tensor(&x), &tensor(&y)).unwrap();
        assert!((found / right - 1.0).abs() < 1e-10, "{offset}, {far}: {found} for {right}");
    }
}

/// What theory keeps at 0: a set against itself in another order.
#[test]
fn the_frechet_distance_of_a_set_in_another_order_is_zero() {
    for (n, f) in [(9, 40), (64, 8), (300, 3)] {
        let x = normal("order", &[n, f]);
        for (scale, offset) in [(1.0, 0.0), (5e3, 0.0), (1e-3, 1e6), (1e30, 0.0), (1e-30, 0.0)] {
            let x = &x * scale + offset;
            let found = frechet(&x, &x.flip([0])).unwrap();
            // But for the rounding of a mean.
            let most = 1e-20 * scale * scale + 40.0 * f as f64 * (f64::EPSILON * offset).powi(2);
            assert!((0.0..most).contains(&found), "{n} of {f}, {scale}, {offset}: {found:e}");
        }
    }
}

#[test]
fn sets_without_points_and_points_without_coordinates_are_refused() {
    let (points, none, numbers) = (normal("points", &[6, 3]), normal("none", &[0, 3]), normal("numbers", &[6]));
    let refused = [
        nearest(&points, &none).map(drop),
        nearest(&points, &numbers).map(drop),
        nearest(&numbers.get(0), &points).map(drop),
        coverage(&points, &none, 2).map(drop),
        coverage(&numbers, &points, 2).map(drop),
        coverage(&numbers.get(0), &points, 2).map(drop),
        distances(&numbers, &numbers).map(drop),
    ];
    for (i, found) in refused.into_iter().enumerate() {
        assert!(matches!(found, Err(MetricError::Core(Error::Shape { .. }))), "{i}: {found:?}");
    }
    assert!(matches!(distances(&none, &none), Err(MetricError::Transport(_))));
    assert_eq!(nearest(&none, &points).unwrap().size(), [0]);
}

/// Three classes of 12 numbers in [0, 1], told apart by which third of them is large.
fn thirds(name: &str, n: i64) -> (Tensor, Tensor) {
    let mut draws = Seed(2).stream(name).at(0);
    let classes = draws.integers(3, &[n], Device::Cpu).unwrap();
    let third = Tensor::arange(12, (Kind::Int64, Device::Cpu)).divide_scalar_mode(4, "floor");
    let bright = third.unsqueeze(0).eq_tensor(&classes.unsqueeze(1)).to_kind(Kind::Float);
    let x = draws.uniform(&[n, 12], Kind::Float, Device::Cpu).unwrap() * 0.5 + bright * 0.5;
    (x, classes)
}

fn data(test_classes: impl Fn(Tensor) -> Tensor) -> ArrayDataset {
    let [(train, a), (validation, b), (test, c)] = [thirds("train", 400), thirds("v", 60), thirds("test", 300)];
    let labels = Splits { train: a, validation: b, test: test_classes(c) };
    let points = Splits { train, validation, test };
    ArrayDataset::new("thirds", &points, Scaling::Overall, Kind::Float, Device::Cpu)
        .unwrap()
        .with_labels(&labels)
        .unwrap()
}

fn fitted(data: &ArrayDataset, seed: u64) -> Classifier {
    let shape = ClassifierShape { convolutions: None, input: 12, hidden: vec![24], features: 8, classes: 3 };
    let classifier = Classifier::new("thirds", &shape, Seed(seed)).unwrap();
    let fit = Fit { steps: 200, batch: 64, rate: 5e-3, weight_decay: 1e-2 };
    classifier.fit(data, &fit, Seed(seed)).unwrap();
    classifier
}

#[test]
fn a_classifier_learns_from_the_training_split_alone_and_its_features_tell_laws_apart() {
    let data = data(|classes| classes);
    let classifier = fitted(&data, 5);
    assert!(classifier.accuracy(&data, Split::Test).unwrap() > 0.95);
    let weights = |of: &Classifier| -> Vec<Tensor> { of.parameters().tensors().iter().map(Tensor::copy).collect() };
    // Other classes in the test split change the accuracy and not one weight; another seed changes the weights.
    let moved = self::data(|classes| (classes + 1).remainder(3));
    let again = fitted(&moved, 5);
    assert_eq!(weights(&classifier), weights(&again));
    assert!(again.accuracy(&moved, Split::Test).unwrap() < 0.1);
    assert_ne!(weights(&classifier), weights(&fitted(&data, 6)));

    // What is saved gives the same features.
    let shape = ClassifierShape { convolutions: None, input: 12, hidden: vec![24], features: 8, classes: 3 };
    let copy = Classifier::new("thirds", &shape, Seed(99)).unwrap();
    copy.parameters().assign(&classifier.parameters().named()).unwrap();
    let of = |x: &Tensor| classifier.features(x).unwrap();
    let test = data.denormalise(&data.points(Split::Test, 300, &mut Seed(0).stream("t").at(0)).unwrap()).unwrap();
    assert_eq!(of(&test).size(), [300, 8]);
    assert_eq!(of(&test), copy.features(&test).unwrap());

    let train = data.denormalise(&data.points(Split::Train, 300, &mut Seed(0).stream("t").at(0)).unwrap()).unwrap();
    let floor = feature_distances(&of(&train), &of(&test)).unwrap();
    // One class only: every number is in the range of the data.
    let (x, classes) = thirds("other", 600);
    let one = x.index_select(0, &classes.eq(1).nonzero().squeeze_dim(1));
    let found = feature_distances(&of(&one), &of(&test)).unwrap();
    assert!(found.frechet > 10.0 * floor.frechet, "{found:?} against {floor:?}");
    assert!(found.energy_distance > 10.0 * floor.energy_distance, "{found:?} against {floor:?}");
    assert!(found.coverage < 0.5 && floor.coverage > 0.9, "{found:?} against {floor:?}");
}
