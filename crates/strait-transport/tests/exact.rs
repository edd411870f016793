//! The assignment solver against sums in integers: any finite costs, and certificates that do not round.

use ndarray::{Array2, array};
use num_bigint::BigInt;
use strait_core::{Draws, Seed};
use strait_transport::assignment::{Assignment, Dense, assign};

/// A double in units of 2^-1074.
fn whole(x: f64) -> BigInt {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as u32, bits & ((1 << 52) - 1));
    let magnitude = match exponent {
        0 => BigInt::from(fraction),
        _ => BigInt::from(fraction | 1 << 52) << (exponent - 1),
    };
    if x < 0.0 { -magnitude } else { magnitude }
}

/// The least sum of an assignment, by dynamic programming over sets of columns.
fn least(costs: &Array2<f64>) -> BigInt {
    let n = costs.nrows();
    let mut best: Vec<Option<BigInt>> = vec![None; 1 << n];
    best[0] = Some(BigInt::ZERO);
    for set in 0..(1usize << n) - 1 {
        let Some(sum) = best[set].clone() else { continue };
        let row = set.count_ones() as usize;
        for column in (0..n).filter(|column| set >> column & 1 == 0) {
            let next = &sum + whole(costs[[row, column]]);
            let place = &mut best[set | 1 << column];
            if place.as_ref().is_none_or(|old| next < *old) {
                *place = Some(next);
            }
        }
    }
    best.pop().flatten().unwrap()
}

fn paid(assignment: &Assignment, costs: &Array2<f64>) -> BigInt {
    assignment.columns.iter().enumerate().map(|(i, &j)| whole(costs[[i, j]])).sum()
}

fn check(costs: &Array2<f64>) {
    let found = assign(&Dense(costs.view())).unwrap();
    let least = least(costs);
    assert_eq!(paid(&found, costs), least, "{costs:?} gave {found:?}");
    assert!(found.is_optimal(&Dense(costs.view())));
    // A claim that costs more is seen, whatever potentials come with it.
    let mut other = found.clone();
    other.columns.rotate_left(1);
    assert_eq!(other.is_optimal(&Dense(costs.view())), paid(&other, costs) == least, "{costs:?}");
}

/// Entries of one kind: small whole numbers, halves of doubles around one, all exponents, ties that round, and a few
/// huge ones among small.
fn entry(kind: usize, draws: &mut Draws) -> f64 {
    let uniform = |draws: &mut Draws| (draws.bits() >> 11) as f64 * (-53f64).exp2();
    let sign = if draws.bits().is_multiple_of(2) { 1.0 } else { -1.0 };
    match kind {
        0 => (draws.bits() % 4) as f64,
        1 => sign * (draws.bits() % 1000) as f64,
        2 => 0.1 * (draws.bits() % 20) as f64,
        3 => 1.0 + f64::EPSILON * (draws.bits() % 5) as f64,
        4 => sign * (600.0 * uniform(draws) - 300.0).exp2(),
        5 if draws.bits().is_multiple_of(4) => 1e30 * uniform(draws),
        5 => 10.0 * uniform(draws),
        6 => sign * f64::from_bits(draws.bits() % 1000),
        _ => sign * f64::MAX * uniform(draws),
    }
}

#[test]
fn ten_thousand_small_problems_are_solved_to_the_last_bit() {
    for case in 0..10_000u64 {
        let mut draws = Seed(case).stream("exact").at(0);
        let (n, kind) = (1 + (case / 8 % 7) as usize, (case % 8) as usize);
        check(&Array2::from_shape_fn((n, n), |_| entry(kind, &mut draws)));
    }
}

#[test]
fn huge_entries_that_an_optimum_does_not_use_do_not_hide_errors() {
    let costs = array![[4.0, 4.0, 1e30], [1.0, 0.0, 3.0], [2.0, 2.0, 8.0]];
    let found = assign(&Dense(costs.view())).unwrap();
    assert_eq!(found.cost, 9.0);
    assert!(found.violation(&Dense(costs.view())) <= 1e-14);
    // The identity costs 12; potentials that prove it to rounding of the largest entry do not.
    let claim = Assignment {
        columns: vec![0, 1, 2],
        row_potentials: vec![4.0, 0.0, 8.0 - 1e30],
        column_potentials: vec![0.0, 0.0, 1e30],
        cost: 12.0,
    };
    assert!(claim.violation(&Dense(costs.view())) >= 1.0 && !claim.is_optimal(&Dense(costs.view())));
    // Huge entries that must be used, beside small ones that must be right; and costs whose sum overflows.
    let forced = array![[1e300, 1e300, 1e300], [1e300, 3.0, 1.0], [1e300, 1.0, 2.0]];
    assert_eq!(assign(&Dense(forced.view())).unwrap().columns, [0, 2, 1]);
    let top = array![[f64::MAX, 1.0], [2.0, f64::MAX]];
    assert_eq!(assign(&Dense(top.view())).unwrap().columns, [1, 0]);
    assert_eq!(assign(&Dense(array![[f64::MAX, 0.0], [0.0, -f64::MAX]].view())).unwrap().cost, 0.0);
}

/// Larger problems than dynamic programming takes: proved anew in whole numbers, from no potentials at all.
#[test]
fn larger_problems_of_every_character_are_optimal() {
    let n = 150;
    let mut draws = Seed(5).stream("large").at(0);
    let mut uniform = move || (draws.bits() >> 11) as f64 * (-53f64).exp2();
    let x: Vec<f64> = (0..4 * n).map(|_| uniform()).collect();
    let square = |a: f64, b: f64| (a - b) * (a - b);
    let kinds: [&dyn Fn(usize, usize) -> f64; 8] = [
        &|i, j| square(x[i], x[n + j]),
        &|i, j| (x[i] - x[n + j]).abs(),
        &|i, j| (i * j) as f64,
        &|i, j| {
            square(x[i] + 1e3 * (i % 2) as f64, x[n + j] + 1e3 * (j % 3 / 2) as f64)
                + square(x[2 * n + i], x[3 * n + j])
        },
        &|i, j| (10.0 * x[i] + 3.0 * x[n + j]).floor() * 0.1 + (7.0 * x[(i * 7 + j * 11) % (4 * n)]).floor() * 0.1,
        &|i, j| square(x[i % 15], x[n + j % 15]) + square(x[2 * n + i % 15], x[3 * n + j % 15]),
        &|i, j| (7.0 * x[(i * 13 + j * 17) % (4 * n)]).floor(),
        &|i, j| (400.0 * x[(i * 13 + j * 17) % (4 * n)] - 200.0).exp2(),
    ];
    for (kind, cost) in kinds.into_iter().enumerate() {
        let costs = Array2::from_shape_fn((n, n), |(i, j)| cost(i, j));
        let mut found = assign(&Dense(costs.view())).unwrap();
        found.column_potentials.fill(0.0);
        assert!(found.is_optimal(&Dense(costs.view())), "kind {kind}");
    }
}

/// Problems that take each way through the solver: paths alone, an auction, an auction that is given up before paths and after, one whose
/// increment is raised first, and last digits that only whole numbers tell apart.
#[test]
fn every_way_through_the_solver_ends_at_an_optimum() {
    let mut draws = Seed(6).stream("ways").at(0);
    let mut uniform = move || (draws.bits() >> 11) as f64 * (-53f64).exp2();
    let x: Vec<f64> = (0..8 * 1024).map(|_| uniform()).collect();
    let square = |a: f64, b: f64| (a - b) * (a - b);
    let plane = |i: usize, j: usize| square(x[i], x[1024 + j]) + square(x[2048 + i], x[3072 + j]);
    type Problem<'a> = (usize, &'a dyn Fn(usize, usize) -> f64);
    let kinds: [Problem<'_>; 9] = [
        (1024, &|i, j| plane(i, j) + 1e6 * square(f64::from(x[4096 + i] < 0.5), f64::from(x[5120 + j] < 0.3))),
        (2048, &|i, j| {
            square(x[i], x[2048 + j]) + 1e4 * square((x[4096 + i] * 3.0).floor(), (x[6144 + j] * 3.0).floor())
        }),
        (400, &|i, j| square(x[i], 5.0 * x[1024 + j]) + square(x[2048 + i], 5.0 * x[3072 + j])),
        (400, &|i, j| plane(i, j) + 1e4 * square((16.0 * x[i]).floor(), 5.0 + (16.0 * x[1024 + j]).floor())),
        (400, &|i, j| plane(i % 40, j % 40)),
        (400, &|i, j| x[i] + x[1024 + j]),
        (400, &|i, j| x[i] + x[1024 + j] + 1e-9 * x[(i * 13 + j * 17) % 4096]),
        (400, &|i, j| (3.0 * x[(i * 13 + j * 17) % 4096]).floor()),
        (400, &|i, j| (x[i] - x[1024 + j]).abs()),
    ];
    for (kind, (n, cost)) in kinds.into_iter().enumerate() {
        let costs = Array2::from_shape_fn((n, n), |(i, j)| cost(i, j));
        let found = assign(&Dense(costs.view())).unwrap();
        let mut columns = found.columns.clone();
        columns.sort_unstable();
        assert!(columns.into_iter().eq(0..n), "kind {kind}");
        let largest = costs.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()));
        assert!(found.violation(&Dense(costs.view())) <= 1e-14 * largest, "kind {kind}");
        assert!(found.is_optimal(&Dense(costs.view())), "kind {kind}");
    }
}
