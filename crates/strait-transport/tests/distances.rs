//! Distances between clouds against closed forms and the properties of a distance.

use ndarray::{Array1, Array2, Axis, array};
use strait_core::{Draws, Seed};
use strait_transport::assignment::{SquaredEuclidean, assign};
use strait_transport::{
    Bandwidth, Cloud, PointsError, Sinkhorn, SinkhornError, TransportError, energy_distance, mmd, sliced_wasserstein2,
    wasserstein2,
};

fn draws(name: &str) -> Draws {
    Seed(1).stream(name).at(0)
}

/// Standard normal points, by Box and Muller.
fn normal(name: &str, n: usize, d: usize) -> Array2<f64> {
    let mut draws = draws(name);
    let mut uniform = move || ((draws.bits() >> 11) as f64 + 0.5) * (-53f64).exp2();
    Array2::from_shape_fn((n, d), |_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos())
}

#[test]
fn w2_of_a_translation_is_its_length() {
    for d in [1, 2, 8, 9, 300] {
        let x = normal("translation", 150, d);
        let shift: Array1<f64> = (0..d).map(|k| (k as f64 * 0.7).sin() + 0.1).collect();
        // In another order, so that the identity is not the answer.
        let mut y = &x + &shift;
        y.invert_axis(Axis(0));
        let w2 = wasserstein2(x.view(), y.view()).unwrap();
        let length = shift.dot(&shift).sqrt();
        assert!((w2 - length).abs() < 1e-12 * length, "{d} dimensions: {w2} for {length}");
        assert!(wasserstein2(x.view(), x.view()).unwrap() == 0.0);
    }
}

#[test]
fn w2_on_the_line_sorts() {
    let (x, y) = (normal("line x", 700, 1), normal("line y", 700, 1));
    let sorted = |points: &Array2<f64>| {
        let mut values = points.column(0).to_vec();
        values.sort_by(f64::total_cmp);
        Array1::from(values)
    };
    let exact = (sorted(&x) - sorted(&y)).mapv(|z| z * z).mean().unwrap().sqrt();
    assert!((wasserstein2(x.view(), y.view()).unwrap() - exact).abs() < 1e-12);
    assert!((sliced_wasserstein2(x.view(), y.view(), 3, &mut draws("line")).unwrap() - exact).abs() < 1e-12);
}

#[test]
fn w2_is_a_distance() {
    let clouds = [normal("a", 200, 3), 2.0 * normal("b", 200, 3), normal("c", 200, 3) + 1.0];
    let w = |i: usize, j: usize| wasserstein2(clouds[i].view(), clouds[j].view()).unwrap();
    assert!((w(0, 1) - w(1, 0)).abs() < 1e-12);
    assert!(w(0, 2) <= w(0, 1) + w(1, 2) && w(0, 1) <= w(0, 2) + w(2, 1) && w(1, 2) <= w(1, 0) + w(0, 2));
    let identity = (&clouds[0] - &clouds[1]).mapv(|z| z * z).sum() / 200.0;
    assert!(w(0, 1) < identity.sqrt());
}

/// $W_2^2 = |m|^2 + \sum_k (s_k - 1)^2$ between N(0, I) and N(m, diag(s^2)) (Bures). A sample of 2,000 in two
/// dimensions is about .1 above it (the sampling floor), and its mean and scale are off by a few per cent.
#[test]
fn w2_of_gaussians_is_near_the_bures_distance() {
    let x = normal("bures x", 2000, 2);
    let y = normal("bures y", 2000, 2) * &array![2.0, 0.5] + &array![3.0, -1.0];
    let exact = (10.0 + 1.0 + 0.25f64).sqrt();
    let w2 = wasserstein2(x.view(), y.view()).unwrap();
    assert!((w2 - exact).abs() < 0.1, "{w2} for {exact}");
}

#[test]
fn sliced_w2_of_a_translation_is_its_length_over_root_d() {
    let x = normal("sliced", 300, 4);
    let y = &x + &array![3.0, 0.0, 4.0, 0.0];
    let value = sliced_wasserstein2(x.view(), y.view(), 4000, &mut draws("sliced")).unwrap();
    assert!((value - 2.5).abs() < 0.05, "{value}");
    let again = sliced_wasserstein2(x.view(), y.view(), 4000, &mut draws("sliced")).unwrap();
    assert_eq!(value, again);
    let mut other = draws("other");
    assert_ne!(value, sliced_wasserstein2(x.view(), y.view(), 4000, &mut other).unwrap());
}

#[test]
fn sliced_w2_takes_unequal_counts() {
    // Quantiles 0, 0, 1 against 0, 2 over thirds and halves: (1/6)(0-2)^2 + (1/3)(1-2)^2.
    let (x, y) = (array![[1.0], [0.0], [0.0]], array![[2.0], [0.0]]);
    let exact = (4.0 / 6.0 + 1.0 / 3.0f64).sqrt();
    let value = sliced_wasserstein2(x.view(), y.view(), 2, &mut draws("unequal")).unwrap();
    assert!((value - exact).abs() < 1e-12, "{value} for {exact}");
}

/// In one dimension $D^2 = 2 \int (F - G)^2$.
#[test]
fn energy_distance_on_the_line_is_an_integral() {
    let (x, y) = (normal("energy x", 60, 1), normal("energy y", 80, 1) + 0.5);
    let mut grid: Vec<f64> = x.iter().chain(&y).copied().collect();
    grid.sort_by(f64::total_cmp);
    let cdf = |points: &Array2<f64>, z: f64| points.iter().filter(|&&p| p <= z).count() as f64 / points.len() as f64;
    let step = |pair: &[f64]| 2.0 * (pair[1] - pair[0]) * (cdf(&x, pair[0]) - cdf(&y, pair[0])).powi(2);
    let exact: f64 = grid.windows(2).map(step).sum();
    assert!((energy_distance(x.view(), y.view()).unwrap() - exact).abs() < 1e-12);
    assert!(energy_distance(x.view(), x.view()).unwrap().abs() < 1e-12);
}

/// The distances through a matrix product (nine dimensions and more) are those through differences.
#[test]
fn products_and_differences_agree() {
    let (x, y) = (normal("few x", 150, 8) + 50.0, normal("few y", 130, 8) + 50.0);
    let wide =
        |points: &Array2<f64>| ndarray::concatenate![Axis(1), *points, Array2::from_elem((points.nrows(), 4), 7.0)];
    let (wide_x, wide_y) = (wide(&x), wide(&y));
    let energy = |a: &Array2<f64>, b: &Array2<f64>| energy_distance(a.view(), b.view()).unwrap();
    assert!((energy(&x, &y) - energy(&wide_x, &wide_y)).abs() < 1e-9);
    let kernel = |a: &Array2<f64>, b: &Array2<f64>| mmd(a.view(), b.view(), Bandwidth::Median).unwrap();
    assert!((kernel(&x, &y).squared - kernel(&wide_x, &wide_y).squared).abs() < 1e-9);
}

/// Between N(0, I) and N(m, I): $2 (\sigma^2 / (\sigma^2 + 2))^{d/2} (1 - e^{-|m|^2 / 2 (\sigma^2 + 2)})$.
#[test]
fn mmd_of_gaussians_has_its_closed_form() {
    let (x, y) = (normal("mmd x", 1500, 2), normal("mmd y", 1200, 2) + &array![1.0, 0.0]);
    let exact = 2.0 * (1.0 / 3.0) * (1.0 - (-1.0f64 / 6.0).exp());
    let found = mmd(x.view(), y.view(), Bandwidth::Fixed(1.0)).unwrap();
    assert!((found.squared - exact).abs() < 0.02, "{found:?} for {exact}");
    let null = mmd(x.view(), normal("mmd z", 1500, 2).view(), Bandwidth::Median).unwrap();
    assert!(null.squared.abs() < 2e-3, "{null:?}");
    // The median distance in the plane between points of variance 1, here a little wider.
    assert!((1.5..2.0).contains(&null.bandwidth), "{null:?}");
}

#[test]
fn mmd_leaves_the_diagonal_out() {
    let (x, y) = (array![[0.0], [1.0]], array![[0.0], [2.0], [3.0]]);
    let k = |distance: f64| (-0.5 * distance * distance).exp();
    let across = k(0.0) + k(2.0) + k(3.0) + k(1.0) + k(1.0) + k(2.0);
    let exact = k(1.0) + (k(2.0) + k(3.0) + k(1.0)) / 3.0 - across / 3.0;
    let found = mmd(x.view(), y.view(), Bandwidth::Fixed(1.0)).unwrap().squared;
    assert!((found - exact).abs() < 1e-14, "{found} for {exact}");
}

#[test]
fn sinkhorn_keeps_the_marginals() {
    let (x, y) = (normal("plan x", 40, 2), normal("plan y", 60, 2));
    let costs = Array2::from_shape_fn((40, 60), |(i, j)| (&x.row(i) - &y.row(j)).mapv(|z| z * z).sum());
    let sinkhorn = Sinkhorn { epsilon: 0.05, tolerance: 1e-8, max_iterations: 20_000 };
    let plan = sinkhorn.plan(costs.view()).unwrap();
    let weight = |(i, j): (usize, usize)| {
        ((plan.row_potentials[i] + plan.column_potentials[j] - costs[[i, j]]) / plan.epsilon).exp() / 2400.0
    };
    let coupling = Array2::from_shape_fn((40, 60), weight);
    assert!(coupling.sum_axis(Axis(0)).iter().all(|sum| (sum * 60.0 - 1.0).abs() < 1e-9));
    let error: f64 = coupling.sum_axis(Axis(1)).iter().map(|sum| (sum - 1.0 / 40.0).abs()).sum();
    assert!(error <= 1e-8 && (error - plan.marginal_error).abs() < 1e-12, "{error:e}, said {:e}", plan.marginal_error);
    // The dual value is the primal one: cost plus epsilon times the divergence from the product.
    let entropy: f64 = coupling.iter().map(|p| p * (p * 2400.0).ln()).sum();
    let primal = (&coupling * &costs).sum() + plan.epsilon * entropy;
    assert!((plan.value() - primal).abs() < 1e-8);
    let conditional = plan.conditional(3, costs.row(3));
    assert!((conditional.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!((conditional[5] - coupling[[3, 5]] * 40.0).abs() < 1e-8);
}

#[test]
fn sinkhorn_tends_to_the_exact_cost() {
    let (x, y) = (normal("limit x", 100, 2), normal("limit y", 100, 2) * 2.0);
    let costs = Array2::from_shape_fn((100, 100), |(i, j)| (&x.row(i) - &y.row(j)).mapv(|z| z * z).sum());
    let exact = assign(&SquaredEuclidean::new(x.view(), y.view()).unwrap()).unwrap().cost / 100.0;
    let mut last = f64::INFINITY;
    for epsilon in [1.0, 0.1, 0.01] {
        let sinkhorn = Sinkhorn { epsilon, tolerance: 1e-4, max_iterations: 50_000 };
        let gap = sinkhorn.plan(costs.view()).unwrap().value() - exact;
        // 0 <= gap <= epsilon log n, to the tolerance.
        assert!(gap > -1e-3 && gap <= epsilon * 100f64.ln() && gap < last, "epsilon {epsilon}: {gap}");
        last = gap;
    }
    assert!(last < 0.05 * exact);
    let divergence = Sinkhorn::new(0.01).divergence(x.view(), y.view()).unwrap();
    assert!((divergence - exact).abs() < 0.02 * exact, "{divergence} for {exact}");
    assert!(Sinkhorn::new(0.01).divergence(x.view(), x.view()).unwrap().abs() < 1e-4);
}

#[test]
fn sinkhorn_says_why_it_gives_up() {
    let costs = array![[0.0, 1.0], [0.9, 0.0], [0.5, 0.4]];
    let hasty = Sinkhorn { epsilon: 1e-3, tolerance: 1e-12, max_iterations: 12 };
    match hasty.plan(costs.view()).unwrap_err() {
        SinkhornError::NotConverged { iterations: 12, marginal_error, tolerance, epsilon } => {
            assert!(marginal_error > tolerance && epsilon == 1e-3);
        }
        other => panic!("{other}"),
    }
    assert_eq!(Sinkhorn::new(0.0).plan(costs.view()).unwrap_err(), SinkhornError::Epsilon(0.0));
    assert!(matches!(Sinkhorn::new(f64::NAN).plan(costs.view()).unwrap_err(), SinkhornError::Epsilon(_)));
    assert_eq!(Sinkhorn::new(1.0).plan(Array2::zeros((0, 2)).view()).unwrap_err(), SinkhornError::Empty);
    let nan = Sinkhorn::new(1.0).plan(array![[0.0, f64::NAN]].view()).unwrap_err();
    assert!(matches!(nan, SinkhornError::NonFinite { row: 0, column: 1, .. }));
}

#[test]
fn points_are_refused_by_row() {
    let x = array![[0.0, 1.0], [0.0, f64::INFINITY], [1.0, 1.0]];
    let y = Array2::zeros((3, 2));
    let bad = TransportError::Points(PointsError::NonFinite { cloud: Cloud::Target, row: 1 });
    assert_eq!(wasserstein2(y.view(), x.view()).unwrap_err(), bad);
    assert_eq!(energy_distance(y.view(), x.view()).unwrap_err(), bad);
    assert_eq!(mmd(y.view(), x.view(), Bandwidth::Median).unwrap_err(), bad);
    assert_eq!(sliced_wasserstein2(y.view(), x.view(), 1, &mut draws("bad")).unwrap_err(), bad);
    assert_eq!(Sinkhorn::new(1.0).divergence(y.view(), x.view()).unwrap_err(), bad);

    let counts = TransportError::Points(PointsError::Counts { source_count: 3, target_count: 2 });
    assert_eq!(wasserstein2(y.view(), y.slice(ndarray::s![..2, ..])).unwrap_err(), counts);
    let few = TransportError::Points(PointsError::TooFew { cloud: Cloud::Source, count: 1, needed: 2 });
    assert_eq!(mmd(y.slice(ndarray::s![..1, ..]), y.view(), Bandwidth::Median).unwrap_err(), few);
    assert_eq!(mmd(y.view(), y.view(), Bandwidth::Median).unwrap_err(), TransportError::ZeroBandwidth);
    assert_eq!(mmd(y.view(), y.view(), Bandwidth::Fixed(-1.0)).unwrap_err(), TransportError::Bandwidth(-1.0));
    assert_eq!(
        sliced_wasserstein2(y.view(), y.view(), 0, &mut draws("none")).unwrap_err(),
        TransportError::NoProjections
    );
    let empty = Array2::<f64>::zeros((0, 2));
    assert!(matches!(
        wasserstein2(empty.view(), empty.view()).unwrap_err(),
        TransportError::Points(PointsError::TooFew { .. })
    ));
}

#[test]
fn points_far_from_the_others_change_nothing() {
    // Five points on a line with themselves, one at 1e6; 100 points in the plane and in 20 dimensions, one at 1e8.
    let line = array![[0.1], [0.2], [1e6], [0.3], [0.7]];
    let mut backwards = line.clone();
    backwards.invert_axis(Axis(0));
    assert_eq!(wasserstein2(line.view(), backwards.view()).unwrap(), 0.0);
    for d in [2, 20] {
        let mut x = normal("far", 100, d);
        x[[17, 0]] = 1e8;
        let mut y = x.clone();
        y.invert_axis(Axis(0));
        assert_eq!(wasserstein2(x.view(), y.view()).unwrap(), 0.0, "{d} dimensions");
        // All others moved by a little: the root of its mean square, to many digits.
        y.rows_mut().into_iter().for_each(|mut row| row[1] += 1e-3);
        let found = wasserstein2(x.view(), y.view()).unwrap();
        assert!((found / 1e-3 - 1.0).abs() < 1e-9, "{d} dimensions: {found:e}");
    }
    // Two clouds 1e8 apart, each with itself.
    let mut x = normal("apart", 60, 12);
    x.rows_mut().into_iter().step_by(2).for_each(|mut row| row[3] += 1e8);
    let mut y = x.clone();
    y.invert_axis(Axis(0));
    assert_eq!(wasserstein2(x.view(), y.view()).unwrap(), 0.0);
}

#[test]
fn distances_that_theory_keeps_above_zero_are() {
    // Between 0 and 1e-5; equal points in another order; points and the same moved by a millionth.
    let near =
        |x: &Array2<f64>, y: &Array2<f64>, epsilon: f64| Sinkhorn::new(epsilon).divergence(x.view(), y.view()).unwrap();
    for epsilon in [0.1, 1.0, 10.0] {
        let found = near(&array![[0.0]], &array![[1e-5]], epsilon);
        assert!((found - 1e-10).abs() < 1e-12, "{found:e}");
        let x = normal("near", 50, 2);
        let mut y = x.clone();
        y.invert_axis(Axis(0));
        for y in [y.clone(), &x + 1e-6, y * (1.0 + 1e-7)] {
            let found = near(&x, &y, epsilon);
            assert!((0.0..1e-5 * epsilon).contains(&found), "{found:e} at {epsilon}");
        }
        assert_eq!(near(&x, &x, epsilon), 0.0);
        // A translation moves the divergence by its squared length, whatever epsilon is.
        let found = near(&x, &(&x + 0.5), epsilon);
        assert!((found - 0.5).abs() < 1e-4 * epsilon.max(1.0), "{found} at {epsilon}");
    }
    let x = normal("energy zero", 80, 3) * 1e5;
    let mut y = x.clone();
    y.invert_axis(Axis(0));
    assert!((0.0..1e-8).contains(&energy_distance(x.view(), y.view()).unwrap()));
    assert_eq!(energy_distance(x.view(), x.view()).unwrap(), 0.0);
}

#[test]
fn a_small_sinkhorn_divergence_has_its_digits() {
    // A translation moves the divergence by its squared length, however short it is, at every regularisation.
    for (n, epsilon) in [(10, 0.01), (10, 0.1), (60, 0.1), (60, 1.0)] {
        let x = normal("translated", n, 2);
        let divergence = |y: &Array2<f64>| Sinkhorn::new(epsilon).divergence(x.view(), y.view()).unwrap();
        for shift in [1e-5, 1e-3, 1e-2, 0.1, 1.0] {
            let found = divergence(&(&x + &array![[shift, 0.0]]));
            assert!((found / (shift * shift) - 1.0).abs() < 0.01, "{n} points by {shift} at {epsilon}: {found:e}");
        }
        // Each point twice is the same law.
        let twice = ndarray::concatenate![Axis(0), x, x];
        assert!(divergence(&twice) < 1e-12 * epsilon.max(1.0), "{:e}", divergence(&twice));
    }
    // A regularisation far above all costs leaves the square of the distance of the means.
    let (x, y) = (normal("far below", 20, 2), normal("far below too", 30, 2));
    let means = x.mean_axis(Axis(0)).unwrap() - y.mean_axis(Axis(0)).unwrap();
    for (scale, epsilon) in [(1.0, 1e6), (1.0, 1e12), (1.0, 1e300), (1e-8, 1.0), (1e-100, 0.1), (1e100, 1e290)] {
        let (x, y) = (&x * scale, &y * scale);
        let found = Sinkhorn::new(epsilon).divergence(x.view(), y.view()).unwrap() / scale / scale;
        assert!((found / means.dot(&means) - 1.0).abs() < 1e-3, "{found:e} at {epsilon:e}");
    }
}

#[test]
fn small_differences_beside_one_far_point_keep_their_digits() {
    for d in [2, 8] {
        let x = normal("beside far", 60, d);
        let mut moved = x.clone();
        moved[[3, 1]] += 1e-3;
        moved.invert_axis(Axis(0));
        let all = |far: f64| {
            let with = |points: &Array2<f64>| {
                let mut points = points.clone();
                points.push_row(Array2::from_elem((1, d), far).row(0)).unwrap();
                points
            };
            let (x, y) = (with(&x), with(&moved));
            [wasserstein2(x.view(), y.view()).unwrap(), energy_distance(x.view(), y.view()).unwrap()]
        };
        let near = all(100.0);
        assert!((near[0] * 61f64.sqrt() / 1e-3 - 1.0).abs() < 1e-9, "{near:?}");
        for far in [1e6, 1e9, 1e130, 1e200] {
            let found = all(far);
            assert!((found[0] / near[0] - 1.0).abs() < 1e-9, "W2 beside {far:e}: {found:?} for {near:?}");
        }
        // The distances to a point at 1e9 are known to 1e-7 themselves.
        for (far, digits) in [(1e6, 1e-4), (1e9, 1e-2)] {
            let found = all(far);
            assert!((found[1] / near[1] - 1.0).abs() < digits, "energy beside {far:e}: {found:?} for {near:?}");
        }
    }
    // The same points in another order, one at 1e200.
    let mut x = normal("permuted", 40, 3);
    x[[5, 2]] = 1e200;
    let mut y = x.clone();
    y.invert_axis(Axis(0));
    assert_eq!(energy_distance(x.view(), y.view()).unwrap(), 0.0);
    assert_eq!(wasserstein2(x.view(), y.view()).unwrap(), 0.0);
}

/// What theory keeps at 0: a cloud against itself in another order, whatever its unit and wherever it lies.
#[test]
fn a_cloud_in_another_order_is_at_no_distance() {
    for (n, d) in [(7, 1), (40, 3), (60, 20)] {
        let x = normal("order", n, d);
        for (scale, offset) in [(1.0, 0.0), (5e3, 0.0), (1e-3, 1e6), (1e-150, 0.0), (1e150, 0.0)] {
            let x = &x * scale + offset;
            let back: Vec<usize> = (0..n).rev().collect();
            let y = x.select(ndarray::Axis(0), &back);
            let (x, y) = (x.view(), y.view());
            assert_eq!(wasserstein2(x, y).unwrap(), 0.0, "{scale}, {offset}");
            let sliced = sliced_wasserstein2(x, y, 16, &mut draws("slices")).unwrap();
            assert!(sliced <= 1e-14 * scale, "{scale}, {offset}: {sliced:e}");
            let energy = energy_distance(x, y).unwrap();
            assert!((0.0..=1e-12 * scale).contains(&energy), "{scale}, {offset}: {energy:e}");
            if (1e-3..=5e3).contains(&scale) {
                let divergence = Sinkhorn::new(0.1 * scale * scale).divergence(x, y).unwrap();
                assert!((0.0..=1e-12 * scale * scale).contains(&divergence), "{scale}, {offset}: {divergence:e}");
            }
        }
    }
}

#[test]
fn a_sliced_distance_is_the_same_far_from_zero() {
    let (x, y) = (normal("sliced x", 50, 3), normal("sliced y", 50, 3) * 1.5);
    let far = 2f64.powi(40);
    // The points as they are at 2^40, and moved back.
    let (there_x, there_y) = (&x + far, &y + far);
    let (x, y) = (&there_x - far, &there_y - far);
    let sliced = |x: &Array2<f64>, y: &Array2<f64>| {
        sliced_wasserstein2(x.view(), y.view(), 16, &mut draws("far from zero")).unwrap()
    };
    let (near, there) = (sliced(&x, &y), sliced(&there_x, &there_y));
    assert!((there / near - 1.0).abs() < 1e-12, "{there} for {near}");
}

/// A narrow kernel sees equal points alone, a wide one no difference, at any scale that doubles have.
/// Squares of 1e-170 are 0 and those of 1e160 are infinite; the distances are neither.
#[test]
fn distances_have_the_scale_of_their_points() {
    let (x, y) = (normal("scale x", 60, 2), 1.3 * normal("scale y", 60, 2) + 0.2);
    let measure = |s: f64| {
        let (x, y) = (&x * s, &y * s);
        let [median, fixed] = [Bandwidth::Median, Bandwidth::Fixed(s)].map(|of| mmd(x.view(), y.view(), of).unwrap());
        assert_eq!(fixed.bandwidth, s);
        let sliced = sliced_wasserstein2(x.view(), y.view(), 8, &mut draws("scale")).unwrap();
        let (w2, energy) = (wasserstein2(x.view(), y.view()).unwrap(), energy_distance(x.view(), y.view()).unwrap());
        ([w2, sliced, energy, median.bandwidth], [median.squared, fixed.squared])
    };
    let (lengths, kernels) = measure(1.0);
    for power in [-1060, -1000, -700, -560, -400, 400, 530, 700, 1019] {
        let s = f64::from(power).exp2();
        let (found, same) = measure(s);
        // The last of them are of a dozen bits.
        let digits = if power < -1000 { 0.01 } else { 1e-13 };
        for (found, length) in found.into_iter().zip(lengths) {
            assert!((found / s / length - 1.0).abs() < digits, "2^{power}: {found} for {length}");
        }
        for (found, kernel) in same.into_iter().zip(kernels) {
            assert!((found - kernel).abs() < digits, "2^{power}: {found} for {kernel}");
        }
    }
    // At both ends of a double at once.
    let ends = array![[1.7e308, 1.0], [-1.7e308, 2.0]];
    assert_eq!(wasserstein2(ends.view(), ends.view()).unwrap(), 0.0);
    let one = array![[1e-200], [3e-200]];
    let moved = wasserstein2(one.view(), (&one + 1e-200).view()).unwrap();
    assert!((moved / 1e-200 - 1.0).abs() < 1e-12, "{moved}");
}

#[test]
fn mmd_takes_every_bandwidth() {
    let (x, y) = (array![[0.0], [0.0]], array![[9.0], [8.0]]);
    for (sigma, exact) in [(1e-161, 1.0), (1e-300, 1.0), (5e-324, 1.0), (1e200, 0.0), (f64::MAX, 0.0)] {
        let found = mmd(x.view(), y.view(), Bandwidth::Fixed(sigma)).unwrap().squared;
        assert!((found - exact).abs() < 1e-12, "{sigma:e}: {found}");
    }
    // Half of the points coincide: the median of the distances that are not zero.
    for half in [4, 20] {
        let x = Array2::from_shape_fn((half, 1), |_| 5.0);
        let y = Array2::from_shape_fn((3, 1), |(i, _)| 5.0 + (i + 1) as f64);
        let found = mmd(x.view(), y.view(), Bandwidth::Median).unwrap();
        assert_eq!(found.bandwidth, 2.0, "{half}");
        assert!(found.squared > 0.5);
    }
}

#[test]
fn a_matrix_that_is_too_large_is_refused_before_it_is_made() {
    let x = Array2::<f32>::zeros((40_000, 9));
    match wasserstein2(x.view(), x.view()).unwrap_err() {
        error @ TransportError::Points(PointsError::Memory { source_count: 40_000, bytes: 12_800_000_000, .. }) => {
            assert!(error.to_string().contains("11.9 GiB") && error.to_string().contains("fewer points"), "{error}");
        }
        other => panic!("{other}"),
    }
}
