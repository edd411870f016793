//! Whether potentials prove an assignment optimal, in exact arithmetic and one pass over the costs.

use super::Costs;
use super::matching::Matching;
use super::sums::two_sum;

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
