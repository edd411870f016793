//! Shortest augmenting paths from the potentials of a problem of half the size.

use super::Costs;
use super::costs::{Dense, STORED};
use super::matching::Matching;
use super::paths::Paths;
use ndarray::Array2;

/// Where more than this share of the rows find their cheapest column taken, paths are long.
const CROWDED: f64 = 0.45;

/// Fewer rows are not worth a smaller problem.
const FEWEST: usize = 32;

/// An assignment of all rows by paths alone, optimal but for rounding; `minima` are those of the columns.
///
/// Rows that compete for long, such as those of a cluster that lacks columns, are settled among every second row and
/// column first, where a path looks at a quarter of the costs.
pub(super) fn solve(costs: &impl Costs, minima: Vec<f64>) -> Matching {
    let n = minima.len();
    let mut paths = Paths::new(n);
    let mut matching = Matching::new(minima);
    let mut free = paths.greedy(&mut matching, costs);
    if free.len() as f64 > CROWDED * n as f64 && n >= FEWEST {
        matching = Matching::new(potentials(costs));
        free = paths.greedy(&mut matching, costs);
    }
    paths.augment_all(&mut free, &mut matching, costs, usize::MAX);
    matching
}

/// $v_j = \min_i (c_{ij} - u_i)$ over every second row, with the potentials $u$ of these rows and every second column; every
/// third and so on where the smaller problem would not be stored.
fn potentials(costs: &impl Costs) -> Vec<f64> {
    let n = costs.shape().0;
    let stride = (2..).find(|stride| (n / stride).pow(2) <= STORED).unwrap_or(n);
    let count = n / stride;
    let mut buffer = vec![0.0; n];
    let mut stored = Array2::zeros((count, count));
    for (i, mut row) in stored.rows_mut().into_iter().enumerate() {
        row.iter_mut()
            .zip(costs.row(i * stride, &mut buffer).iter().step_by(stride))
            .for_each(|(to, &from)| *to = from);
    }
    let smaller = Dense(stored.view());
    let minima = (0..count).map(|j| stored.column(j).fold(f64::INFINITY, |least, &cost| least.min(cost))).collect();
    let matching = solve(&smaller, minima);
    let mut v = vec![f64::INFINITY; n];
    for i in 0..count {
        let u = matching.u(i);
        for (v, &cost) in v.iter_mut().zip(costs.row(i * stride, &mut buffer)) {
            let reduced = cost - u;
            *v = if reduced < *v { reduced } else { *v };
        }
    }
    v
}
