//! Whether potentials prove an assignment optimal, in one pass over the costs.

use super::Costs;
use super::costs::LANES;
use super::matching::Matching;
use crate::exact_sum::two_sum;

/// What the potentials may fail by, in units of the rounding of the largest cost or potential.
const SLACK: f64 = 100.0;

/// Nearly tight pairs that are looked at, on average over the rows.
const NEAR: usize = 8;

/// Whether no other assignment costs less, in exact arithmetic, by potentials that hold but for rounding; false where these do
/// not show it, as where assignments are tied otherwise than by equal rows or equal columns.
///
/// With reduced costs $r_{ij} = c_{ij} - u_i - v_j$ of at least $-\delta$, and of at most $\delta$ on the assignment, another
/// assignment differs from it by cycles, and a cycle of k rows costs $\sum r_{i\tau(i)} - \sum r_{i\sigma(i)}$ more. Where one of
/// its pairs has more than $2 n \delta$, that is above zero. So it suffices that no cycle is made of nearly tight pairs alone.
/// Rows that are equal, or whose columns are, exchange these for nothing, and count as one row.
pub(super) fn none_is_better(matching: &Matching, costs: &impl Costs, largest: f64) -> bool {
    let n = matching.v.len();
    let Some(near) = Near::of(matching, costs, largest) else { return false };
    let class = near.classes(matching, costs);
    // Whether the classes can be put in an order in which each nearly tight pair leads to a later one.
    let mut into = vec![0u32; n];
    let mut members = vec![vec![]; n];
    for i in 0..n {
        members[class[i]].push(i);
        near.after(i).iter().filter(|&&k| class[k as usize] != class[i]).for_each(|&k| into[class[k as usize]] += 1);
    }
    let mut order: Vec<usize> = (0..n).filter(|&i| class[i] == i && into[i] == 0).collect();
    let mut done = 0;
    while let Some(&first) = order.get(done) {
        done += 1;
        for &k in members[first].iter().flat_map(|&i| near.after(i)) {
            let later = class[k as usize];
            if later != first {
                into[later] -= 1;
                if into[later] == 0 {
                    order.push(later);
                }
            }
        }
    }
    done == (0..n).filter(|&i| class[i] == i).count()
}

/// From each row, the rows that have a column which costs it nearly nothing more than its own.
struct Near {
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Near {
    /// None where potentials fail by more than rounding, or too many pairs are nearly tight.
    fn of(matching: &Matching, costs: &impl Costs, largest: f64) -> Option<Self> {
        let n = matching.v.len();
        let u: Vec<f64> = (0..n).map(|i| matching.u(i)).collect();
        let most = |of: &[f64]| of.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let rounding = f64::EPSILON * (largest + most(&matching.v) + most(&u));
        // Each computed reduced cost is within two roundings of the exact one.
        let (least, near) = ((2.0 - SLACK) * rounding, (2.0 * n as f64 * SLACK + 2.0) * rounding);
        let mut buffer = vec![0.0; n];
        let mut found = Self { starts: vec![0], rows: Vec::with_capacity(2 * n) };
        for (i, u) in u.into_iter().enumerate() {
            let row = costs.row(i, &mut buffer);
            let mut holds = true;
            for ((block, v), first) in row.chunks(LANES).zip(matching.v.chunks(LANES)).zip((0..).step_by(LANES)) {
                let mut reduced = [f64::INFINITY; LANES];
                for ((reduced, cost), v) in reduced.iter_mut().zip(block).zip(v) {
                    *reduced = cost - v - u;
                }
                if !reduced.iter().fold(false, |any, reduced| any | (*reduced <= near)) {
                    continue;
                }
                for (&reduced, j) in reduced.iter().zip(first..) {
                    holds &= reduced >= least;
                    if reduced <= near && matching.column_of[i] as usize != j {
                        found.rows.push(matching.row_of[j]);
                    }
                }
            }
            if !holds || found.rows.len() > NEAR * n {
                return None;
            }
            found.starts.push(found.rows.len());
        }
        Some(found)
    }

    fn after(&self, i: usize) -> &[u32] {
        &self.rows[self.starts[i]..self.starts[i + 1]]
    }

    /// The first row of each row's class: rows that are equal, or whose columns are, among those that are near each other.
    fn classes(&self, matching: &Matching, costs: &impl Costs) -> Vec<usize> {
        let n = matching.v.len();
        let mut class: Vec<usize> = (0..n).collect();
        let later = |i: usize| self.after(i).iter().map(move |&k| (i, k as usize)).filter(|(i, k)| i < k);
        let mutual = |&(i, k): &(usize, usize)| self.after(k).contains(&(i as u32));
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(later).filter(mutual).collect();
        if pairs.is_empty() {
            return class;
        }
        let (mut buffer, mut other) = (vec![0.0; n], vec![0.0; n]);
        let equal_rows: Vec<bool> =
            pairs.iter().map(|&(i, k)| costs.row(i, &mut buffer) == costs.row(k, &mut other)).collect();
        let mut equal_columns = vec![true; pairs.len()];
        for i in 0..n {
            let row = costs.row(i, &mut buffer);
            let cost = |row_of: usize| row[matching.column_of[row_of] as usize];
            equal_columns.iter_mut().zip(&pairs).for_each(|(equal, &(i, k))| *equal &= cost(i) == cost(k));
        }
        for ((i, k), _) in pairs.into_iter().zip(equal_rows.iter().zip(&equal_columns)).filter(|(_, (a, b))| **a || **b)
        {
            let (a, b) = (class[i].min(class[k]), class[i].max(class[k]));
            class.iter_mut().filter(|c| **c == b).for_each(|c| *c = a);
        }
        class
    }
}

/// Rows with a column that costs them less than their own, in exact arithmetic: none, and the assignment is optimal.
///
/// A difference $c_{ij} - v_j$ is a rounded number and an error that [`two_sum`] gives. Rounding keeps the order of numbers, so
/// the rounded ones decide unless they are equal, and then the errors do.
pub(super) fn violated(matching: &Matching, costs: &impl Costs) -> Vec<u32> {
    let n = matching.v.len();
    let mut buffer = vec![0.0; n];
    let is_violated = |&i: &u32| {
        let row = costs.row(i as usize, &mut buffer);
        let own = matching.column_of[i as usize] as usize;
        let (u, rest) = two_sum(matching.paid[i as usize], -matching.v[own]);
        let below = |(&cost, &v): (&f64, &f64)| {
            let (reduced, error) = two_sum(cost, -v);
            (reduced < u) | ((reduced == u) & (error < rest))
        };
        row.iter().zip(&matching.v).map(below).fold(false, |any, one| any | one)
    };
    (0..n as u32).filter(is_violated).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Dense;
    use super::*;
    use ndarray::{Array2, array};

    /// Of the assignment of each row to its own column.
    fn shown(costs: &Array2<f64>, v: &[f64]) -> bool {
        let mut matching = Matching::new(v.to_vec());
        (0..v.len()).for_each(|i| _ = matching.give(i as u32, i as u32, costs[(i, i)]));
        none_is_better(&matching, &Dense(costs.view()), costs.iter().fold(0.0f64, |most, c| most.max(c.abs())))
    }

    #[test]
    fn the_only_best_is_shown() {
        assert!(shown(&array![[0.0, 10.0], [10.0, 0.0]], &[0.0, 0.0]));
        // A tight pair that leads nowhere, and potentials that are off by a rounding.
        assert!(shown(&array![[1.0, 1.0], [5.0, 1.0]], &[0.0, 0.0]));
        assert!(shown(&array![[1.0, 1.0 - f64::EPSILON], [5.0, 1.0]], &[0.0, 0.0]));
    }

    #[test]
    fn a_better_one_by_a_rounding_is_not_denied() {
        let below = 1.0 - f64::EPSILON / 2.0;
        assert!(!shown(&array![[1.0, 1.0], [below, 1.0]], &[0.0, 0.0]));
        assert!(!shown(&array![[1.0, 1.0, 9.0], [9.0, 1.0, below], [1.0, 9.0, 1.0]], &[0.0; 3]));
        // By much: the potentials fail.
        assert!(!shown(&array![[1.0, 0.5], [1.0, 1.0]], &[0.0, 0.0]));
    }

    /// A cycle through equal columns that gains: rows 0 and 1 are of one class, and it is entered at the one and left at the other.
    #[test]
    fn equal_rows_and_columns_are_one() {
        assert!(shown(&array![[1.0, 1.0, 5.0], [2.0, 2.0, 5.0], [5.0, 5.0, 3.0]], &[0.0; 3]));
        assert!(shown(&array![[1.0, 2.0], [1.0, 2.0]], &[0.0, 1.0]));
        assert!(!shown(&array![[1.0, 2.0], [1.0, 2.0 - f64::EPSILON]], &[0.0, 1.0]));
        let below = 1.0 - f64::EPSILON / 2.0;
        assert!(!shown(&array![[1.0, 1.0, 1.0], [1.0, 1.0, 9.0], [below, below, 1.0]], &[0.0; 3]));
    }
}
