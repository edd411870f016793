//! The last digits: reduced costs as integers that doubles represent exactly, and the assignment problem of those.

use super::costs::{Costs, STORED};
use super::matching::{Matching, NONE};
use super::paths::Paths;
use super::proof;
use super::wide::bits;
use crate::exact_sum::two_sum;
use std::cell::RefCell;

/// Reduced costs from here on are taken to be this: a lower bound, which an optimal assignment must not use. Sums of such
/// numbers are exact.
const CAP: f64 = (1u64 << 50) as f64;

/// $(c_{ij} - u_i - v_j) / 2^\text{unit}$, exactly, or [`CAP`] where it is more.
struct Residual<'a, C> {
    costs: &'a C,
    u: Vec<f64>,
    v: Vec<f64>,
    scale: f64,
    buffer: RefCell<Vec<f64>>,
    stored: Vec<f64>,
}

impl<C: Costs> Costs for Residual<'_, C> {
    fn shape(&self) -> (usize, usize) {
        self.costs.shape()
    }

    fn row<'a>(&'a self, i: usize, buffer: &'a mut [f64]) -> &'a [f64] {
        let n = self.v.len();
        if let Some(row) = self.stored.get(i * n..(i + 1) * n) {
            return row;
        }
        let mut own = self.buffer.borrow_mut();
        let (row, u) = (self.costs.row(i, &mut own), self.u[i]);
        for ((out, &cost), &v) in buffer.iter_mut().zip(row).zip(&self.v) {
            let (difference, first) = two_sum(cost, -v);
            let (difference, second) = two_sum(difference, -u);
            let whole = (difference + (first + second)) * self.scale;
            *out = if whole < CAP { whole } else { CAP };
        }
        buffer
    }
}

/// From an assignment that is optimal but for rounding to an optimal one; false where reduced costs are no whole
/// numbers of less than fifty bits, and then nothing is changed.
///
/// Every cost is a multiple of one power of two. In that unit, and less potentials that are multiples of it as well, costs
/// near the optimum are small whole numbers: paths over them do not round, and are as fast as any.
pub(super) fn solve(matching: &mut Matching, costs: &impl Costs) -> bool {
    let n = matching.v.len();
    let mut buffer = vec![0.0; n];
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    for i in 0..n {
        for (l, h) in costs.row(i, &mut buffer).iter().filter_map(|&cost| bits(cost)) {
            (low, high) = (low.min(l), high.max(h));
        }
    }
    // Sums of three costs keep their last bit in a double and an error, and the unit has an inverse.
    let potentials = matching.v.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    if low > high || low < -900 || high > 900 || high.max(bits(potentials).map_or(low, |(_, h)| h)) - low > 100 {
        return false;
    }
    let (unit, scale) = (f64::from(low).exp2(), f64::from(-low).exp2());
    let v: Vec<f64> = matching.v.iter().map(|v| (v * scale).round() * unit).collect();
    let u = (0..n).map(|i| matching.paid[i] - v[matching.column_of[i] as usize]).collect();
    let mut residual = Residual { costs, u, v, scale, buffer: RefCell::new(vec![0.0; n]), stored: vec![] };
    if n * n <= STORED {
        let mut stored = vec![0.0; n * n];
        stored.chunks_exact_mut(n).enumerate().for_each(|(i, row)| _ = residual.row(i, row));
        residual.stored = stored;
    }

    let mut refined = Matching::new(vec![0.0; n]);
    for i in 0..n {
        let (row, own) = (residual.row(i, &mut buffer), matching.column_of[i]);
        let least = row.iter().fold(f64::INFINITY, |least, &cost| least.min(cost));
        if least < -CAP {
            return false;
        }
        if row[own as usize] == least {
            refined.give(i as u32, own, least);
        }
    }
    let mut paths = Paths::new(n);
    let mut free: Vec<u32> = (0..n as u32).filter(|&i| refined.column_of[i as usize] == NONE).collect();
    paths.augment_all(&mut free, &mut refined, &residual, usize::MAX);
    if refined.paid.iter().any(|&paid| paid >= CAP) || !proof::violated(&refined, &residual).is_empty() {
        return false;
    }
    for ((v, base), step) in matching.v.iter_mut().zip(&residual.v).zip(&refined.v) {
        *v = base + step * unit;
    }
    for i in 0..n {
        matching.paid[i] = costs.row(i, &mut buffer)[refined.column_of[i] as usize];
    }
    (matching.column_of, matching.row_of) = (refined.column_of, refined.row_of);
    true
}
