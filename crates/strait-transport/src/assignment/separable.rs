//! Costs that are a number of the row and one of the column, but for rounding: every assignment is nearly optimal.

use super::Costs;
use super::matching::Matching;

/// Roundings that a cost may differ by from $u_i + v_j$, in units of the largest.
const ROUNDINGS: f64 = 8.0;

/// The assignment on the diagonal with the potentials of the first row and column, if costs are $u_i + v_j$ but for rounding.
/// What is left to decide is in the last digits, if anything: whether they are so with no rounding at all is said, too, and is to be
/// proved. Other costs are found not to be so from their second row.
pub(super) fn guess(costs: &impl Costs, largest: f64) -> Option<(Matching, bool)> {
    let n = costs.shape().0;
    let mut buffer = vec![0.0; n];
    let mut matching = Matching::new(costs.row(0, &mut buffer).to_vec());
    let first = matching.v[0];
    let (most, mut worst) = (ROUNDINGS * f64::EPSILON * largest, 0.0);
    for i in 0..n {
        let row = costs.row(i, &mut buffer);
        let u = row[0] - first;
        let off = row.iter().zip(&matching.v).fold(0.0f64, |most, (cost, v)| {
            let off = (cost - v - u).abs();
            if off > most { off } else { most }
        });
        if off > most {
            return None;
        }
        worst = off.max(worst);
        matching.give(i as u32, i as u32, row[i]);
    }
    Some((matching, worst == 0.0))
}

#[cfg(test)]
mod tests {
    use super::super::costs::Dense;
    use super::*;
    use ndarray::Array2;

    #[test]
    fn sums_of_a_row_and_a_column_are_found_and_others_are_not() {
        let found = |cost: &dyn Fn(f64, f64) -> f64| {
            let costs = Array2::from_shape_fn((40, 40), |(i, j)| cost(i as f64, j as f64));
            let largest = costs.iter().fold(0.0f64, |most, cost: &f64| most.max(cost.abs()));
            guess(&Dense(costs.view()), largest).map(|(_, is_exact)| is_exact)
        };
        assert_eq!(found(&|_, _| 3.0), Some(true));
        assert_eq!(found(&|i, j| 7.0 * i - j), Some(true));
        assert_eq!(found(&|i, j| i.sin() + 1e3 * j.cos()), Some(false));
        assert_eq!(found(&|i, j| i.sin() + j.cos() + 1e-12 * (i * j).sin()), None);
        assert_eq!(found(&|i, j| i * j), None);
        assert_eq!(found(&|i, j| f64::from(u8::from(i == 39.0 && j == 39.0))), None);
    }
}
