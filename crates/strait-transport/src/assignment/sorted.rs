//! The assignment that sorting gives: points on a line, products, and all other costs that are a Monge array in some
//! order.

use super::Costs;
use super::matching::Matching;

/// If rows and columns can be ordered so that $c_{ij} + c_{i+1,j+1} \le c_{i,j+1} + c_{i+1,j}$ of neighbours on the diagonal,
/// gives the $k$-th row the $k$-th column, with the potentials that prove this optimal if the costs are so everywhere (a
/// Monge array; Hoffman, 1963). They are a guess, to be proved.
///
/// In such an order differences of two columns rise with the rows, and differences of two rows with the columns. Most
/// costs are found not to be so from a few rows.
pub(super) fn guess(costs: &impl Costs, v: &[f64]) -> Option<Matching> {
    let n = v.len();
    let mut buffer = vec![0.0; n];
    let (first, last) = extremes(costs, &mut buffer, n)?;
    let mut differences = vec![0.0; n];
    for (i, difference) in differences.iter_mut().enumerate() {
        let row = costs.row(i, &mut buffer);
        *difference = row[first] - row[last];
    }
    let rows = order(&differences);
    differences.copy_from_slice(costs.row(rows[0], &mut buffer));
    let lowest = costs.row(rows[n - 1], &mut buffer);
    differences.iter_mut().zip(lowest).for_each(|(a, b)| *a -= b);
    let columns = order(&differences);

    let mut matching = Matching::new(vec![0.0; n]);
    let (mut own, mut next) = (0.0, 0.0);
    for k in 0..n {
        let (i, j) = (rows[k], columns[k]);
        let row = costs.row(i, &mut buffer);
        matching.give(i as u32, j as u32, row[j]);
        if k > 0 {
            // Between what the row before allows the step of the potentials to be, and what this one asks for.
            let (least, most) = (row[j] - row[columns[k - 1]], next - own);
            if !(least <= most || least - most <= f64::EPSILON * (least.abs() + most.abs())) {
                return None;
            }
            matching.v[j] = matching.v[columns[k - 1]] + 0.5 * (least + most);
        }
        (own, next) = (row[j], columns.get(k + 1).map_or(0.0, |&j| row[j]));
    }
    Some(matching)
}

/// Two columns that are far from each other.
fn extremes(costs: &impl Costs, buffer: &mut [f64], n: usize) -> Option<(usize, usize)> {
    let place = |row: &[f64], sign: f64| (0..row.len()).max_by(|&a, &b| (sign * row[a]).total_cmp(&(sign * row[b])));
    for i in [n - 1, n / 2, 0] {
        let row = costs.row(i, buffer);
        let (near, far) = (place(row, -1.0)?, place(row, 1.0)?);
        if near != far && row[near] < row[far] {
            return Some((near, far));
        }
    }
    None
}

fn order(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    order
}
