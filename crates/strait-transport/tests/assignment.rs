//! The assignment solver against brute force, against its own certificate, and against closed forms.

use ndarray::{Array2, array};
use proptest::prelude::*;
use strait_core::Seed;
use strait_transport::assignment::{Assignment, AssignmentError, Costs, Dense, SquaredEuclidean, assign};
use strait_transport::{Cloud, PointsError};

fn brute_force(costs: &Array2<f64>) -> f64 {
    fn search(costs: &Array2<f64>, row: usize, used: &mut Vec<bool>, sum: f64, best: &mut f64) {
        if row == costs.nrows() {
            *best = best.min(sum);
            return;
        }
        for column in 0..costs.ncols() {
            if !used[column] {
                used[column] = true;
                search(costs, row + 1, used, sum + costs[[row, column]], best);
                used[column] = false;
            }
        }
    }
    let mut best = f64::INFINITY;
    search(costs, 0, &mut vec![false; costs.ncols()], 0.0, &mut best);
    best
}

/// A permutation; potentials that prove it optimal to rounding; a cost that is what it says.
fn check(assignment: &Assignment, costs: &impl Costs) {
    let n = costs.shape().0;
    let mut used = vec![false; n];
    for &column in &assignment.columns {
        assert!(!std::mem::replace(&mut used[column], true), "column {column} is used twice");
    }
    let mut buffer = vec![0.0; n];
    let (mut scale, mut cost): (f64, f64) = (0.0, 0.0);
    for i in 0..n {
        let row = costs.row(i, &mut buffer);
        scale = row.iter().fold(scale, |scale, c| scale.max(c.abs()));
        cost += row[assignment.columns[i]];
    }
    let violation = assignment.violation(costs);
    assert!(violation <= 1e-13 * scale, "violation {violation:e} at costs up to {scale:e}");
    assert!((assignment.cost - cost).abs() <= 1e-12 * n as f64 * scale);
    let dual: f64 = assignment.row_potentials.iter().chain(&assignment.column_potentials).sum();
    assert!((assignment.cost - dual).abs() <= 1e-12 * n as f64 * scale, "primal {} dual {dual}", assignment.cost);
}

/// Costs of very different characters: few values and many ties; the real line; many orders of magnitude.
fn entry(kind: u8) -> BoxedStrategy<f64> {
    match kind % 4 {
        0 => (0..3i32).prop_map(f64::from).boxed(),
        1 => (-5..6i32).prop_map(f64::from).boxed(),
        2 => (-1e3..1e3f64).boxed(),
        _ => (any::<bool>(), -300.0..300.0f64)
            .prop_map(|(negative, e)| if negative { -e.exp2() } else { e.exp2() })
            .boxed(),
    }
}

fn square(n: std::ops::Range<usize>) -> impl Strategy<Value = Array2<f64>> {
    (n, any::<u8>()).prop_flat_map(|(n, kind)| {
        prop::collection::vec(entry(kind), n * n)
            .prop_map(move |values| Array2::from_shape_vec((n, n), values).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn equals_brute_force(costs in square(1..8)) {
        let assignment = assign(&Dense(costs.view())).unwrap();
        check(&assignment, &Dense(costs.view()));
        let scale = costs.iter().fold(0.0, |scale: f64, c| scale.max(c.abs()));
        prop_assert!((assignment.cost - brute_force(&costs)).abs() <= 1e-13 * scale);
    }

    #[test]
    fn does_not_care_about_scale_offset_or_layout(costs in square(2..8)) {
        let assignment = assign(&Dense(costs.view())).unwrap();
        let scale = costs.iter().fold(0.0, |scale: f64, c| scale.max(c.abs()));
        let transposed = assign(&Dense(costs.t())).unwrap();
        prop_assert!((assignment.cost - transposed.cost).abs() <= 1e-13 * scale);
        let halved = assign(&Dense(costs.mapv(|c| 0.5 * c).view())).unwrap();
        prop_assert!((0.5 * assignment.cost - halved.cost).abs() <= 1e-13 * scale);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn proves_itself_on_larger_problems(costs in square(100..200)) {
        check(&assign(&Dense(costs.view())).unwrap(), &Dense(costs.view()));
    }
}

/// Numbers in [0, 1), the same at every run.
fn uniform(name: &str) -> impl FnMut() -> f64 {
    let mut draws = Seed(0).stream(name).at(0);
    move || (draws.bits() >> 11) as f64 * (-53f64).exp2()
}

fn cloud(name: &str, n: usize, d: usize) -> Array2<f64> {
    let mut next = uniform(name);
    Array2::from_shape_fn((n, d), |_| next() + next() + next() - 1.5)
}

#[test]
fn proves_itself_on_point_clouds() {
    for (n, d) in [(129, 2), (400, 2), (300, 7), (300, 9), (200, 300)] {
        let x = cloud("x", n, d);
        let mut y = cloud("y", n, d);
        y.column_mut(0).iter_mut().enumerate().for_each(|(i, y)| *y += if i % 3 == 0 { 4.0 } else { -1.0 });
        let costs = SquaredEuclidean::new(x.view(), y.view()).unwrap();
        let assignment = assign(&costs).unwrap();
        check(&assignment, &costs);
        let direct = |i: usize, j: usize| (&x.row(i) - &y.row(j)).mapv(|z| z * z).sum();
        let matrix = Array2::from_shape_fn((n, n), |(i, j)| direct(i, j));
        assert!((assignment.cost - assign(&Dense(matrix.view())).unwrap().cost).abs() < 1e-9 * assignment.cost);
    }
}

#[test]
fn degenerate_problems_end() {
    let n = 300;
    let mut next = uniform("degenerate");
    let mut few = |count: u64| (next() * count as f64).floor();
    let bits = Array2::from_shape_fn((n, n), |_| few(2));
    let places: Vec<(f64, f64)> = (0..n).map(|_| (few(10), few(10))).collect();
    let duplicates = Array2::from_shape_fn((n, n), |(i, j)| (places[i].0 - places[j].1).powi(2));
    let sparse = Array2::from_shape_fn((n, n), |(i, j)| if i == j || few(80) == 0.0 { few(9) } else { 1e12 });
    let shifted = Array2::from_shape_fn((n, n), |(i, j)| (n + j) as f64 - i as f64);
    let product = Array2::from_shape_fn((n, n), |(i, j)| (i * j) as f64);
    let far = Array2::from_shape_fn((n, n), |(i, j)| {
        (places[i].0 + 1e6 * (i % 2) as f64 - places[j].1 - 1e6 * f64::from(j % 7 == 0)).powi(2)
    });
    let constant = Array2::from_elem((n, n), -3.0);
    let zero = Array2::zeros((n, n));
    let denormal = bits.mapv(|bit: f64| bit * 1e-310);
    for costs in [bits, duplicates, sparse, shifted, product, far, constant, zero, denormal] {
        check(&assign(&Dense(costs.view())).unwrap(), &Dense(costs.view()));
    }
}

#[test]
fn is_the_sorted_pairing_on_the_line() {
    let (x, y) = (cloud("line x", 500, 1), cloud("line y", 500, 1));
    let rank = |points: &Array2<f64>| {
        let mut order: Vec<usize> = (0..500).collect();
        order.sort_by(|&a, &b| points[[a, 0]].total_cmp(&points[[b, 0]]));
        order
    };
    let columns = assign(&SquaredEuclidean::new(x.view(), y.view()).unwrap()).unwrap().columns;
    for (i, j) in rank(&x).into_iter().zip(rank(&y)) {
        assert_eq!(columns[i], j);
    }
}

#[test]
fn single_precision_costs_give_the_same_as_their_double() {
    let costs = cloud("single", 150, 150).mapv(|c| c as f32);
    let double = costs.mapv(f64::from);
    assert_eq!(assign(&Dense(costs.view())).unwrap(), assign(&Dense(double.view())).unwrap());
    assert_eq!(assign(&Dense(costs.t())).unwrap(), assign(&Dense(double.t())).unwrap());
}

#[test]
fn the_certificate_can_fail() {
    let costs = array![[0.0, 1.0], [1.0, 0.0]];
    let claim = |columns: [usize; 2], u: [f64; 2]| {
        let (row_potentials, column_potentials) = (u.to_vec(), vec![0.0; 2]);
        Assignment { columns: columns.to_vec(), row_potentials, column_potentials, cost: 0.0 }
            .violation(&Dense(costs.view()))
    };
    assert_eq!(claim([0, 1], [0.0, 0.0]), 0.0);
    assert_eq!(claim([1, 0], [0.0, 0.0]), 1.0); // feasible, not tight
    assert_eq!(claim([0, 1], [0.0, -0.5]), 0.5); // feasible, not tight
    assert_eq!(claim([1, 0], [1.0, 1.0]), 1.0); // tight, not feasible
}

#[test]
fn refuses_what_it_cannot_solve() {
    let refuse = |costs: Array2<f64>| assign(&Dense(costs.view())).unwrap_err();
    assert_eq!(refuse(Array2::zeros((0, 0))), AssignmentError::Empty);
    assert_eq!(refuse(Array2::zeros((2, 3))), AssignmentError::NotSquare { rows: 2, columns: 3 });
    let infinite = array![[0.0, 0.0], [f64::INFINITY, 0.0]];
    assert_eq!(refuse(infinite), AssignmentError::NonFinite { row: 1, column: 0, value: f64::INFINITY });
    assert!(matches!(
        refuse(array![[0.0, f64::NAN], [1.0, 1.0]]),
        AssignmentError::NonFinite { row: 0, column: 1, .. }
    ));
    let points = |x: Array2<f32>, y: Array2<f32>| SquaredEuclidean::new(x.view(), y.view()).err().unwrap();
    assert_eq!(
        points(Array2::zeros((2, 3)), Array2::zeros((2, 2))),
        PointsError::Dimensions { source_dimension: 3, target_dimension: 2 }
    );
    assert_eq!(points(Array2::zeros((2, 0)), Array2::zeros((2, 0))), PointsError::NoCoordinates);
    assert_eq!(
        points(array![[0.0], [f32::NAN]], Array2::zeros((2, 1))),
        PointsError::NonFinite { cloud: Cloud::Source, row: 1 }
    );
}
