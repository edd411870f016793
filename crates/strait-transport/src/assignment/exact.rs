//! The last resort: shortest augmenting paths (Jonker and Volgenant, 1987) in integers, in which no cost rounds.

use super::Costs;
use super::matching::{Matching, NONE};
use super::wide::{Total, UNIT, Wide, bits};

/// Makes an assignment optimal, whatever the state and the potentials that it comes with: these decide how long it
/// takes. Every cost is a multiple of one power of two, and every potential is a sum of at most $2n$ of them. Returns
/// the row potentials, rounded once, as those of the columns are in `matching`.
pub(super) fn solve(matching: &mut Matching, costs: &impl Costs) -> Vec<f64> {
    let n = matching.v.len();
    let mut buffer = vec![0.0; n];
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    for i in 0..n {
        for (l, h) in costs.row(i, &mut buffer).iter().filter_map(|&cost| bits(cost)) {
            (low, high) = (low.min(l), high.max(h));
        }
    }
    let (low, high) = if low > high { (0, 1) } else { (low, high) };
    // A sum of 4n costs and its sign.
    let width = (high - low) as u32 + (4 * n).ilog2() + 3;
    match width {
        0..=128 => run::<2>(matching, costs, low, high),
        129..=512 => run::<8>(matching, costs, low, high),
        _ => run::<36>(matching, costs, low, high),
    }
}

/// $\sum_i$ of doubles, rounded once.
pub(super) fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut total = Total::new();
    terms.for_each(|term| total.add(term));
    total.whole().to_f64(UNIT)
}

struct Solver<'a, C, const W: usize> {
    costs: &'a C,
    unit: i32,
    v: Vec<Wide<W>>,
    buffer: Vec<f64>,
}

impl<C: Costs, const W: usize> Solver<'_, C, W> {
    /// Reduced costs of row `i`.
    fn reduced(&mut self, i: usize) -> impl Iterator<Item = Wide<W>> {
        let unit = self.unit;
        self.costs.row(i, &mut self.buffer).iter().zip(&self.v).map(move |(&cost, &v)| Wide::new(cost, unit) - v)
    }
}

fn run<const W: usize>(matching: &mut Matching, costs: &impl Costs, unit: i32, high: i32) -> Vec<f64> {
    let n = matching.v.len();
    // What the potentials cannot be is not begun with.
    let limit = f64::from(high.min(1000)).exp2() * n as f64;
    let start = |&v: &f64| Wide::new(if v.is_finite() { v.clamp(-limit, limit) } else { 0.0 }, unit);
    let mut solver = Solver::<_, W> { costs, unit, v: matching.v.iter().map(start).collect(), buffer: vec![0.0; n] };
    let mut free = vec![];
    for i in 0..n {
        let own = matching.column_of[i];
        let (mut least, mut at_own) = (None, None);
        for (reduced, j) in solver.reduced(i).zip(0..) {
            if least.is_none_or(|least| reduced < least) {
                least = Some(reduced);
            }
            if j == own {
                at_own = Some(reduced);
            }
        }
        if at_own.is_none() || at_own != least {
            if own != NONE {
                matching.row_of[own as usize] = NONE;
                matching.column_of[i] = NONE;
            }
            free.push(i);
        }
    }
    free.into_iter().for_each(|i| solver.augment(i, matching));
    matching.v = solver.v.iter().map(|v| v.to_f64(unit)).collect();
    let mut buffer = vec![0.0; n];
    let potential = |i: usize| {
        let j = matching.column_of[i] as usize;
        matching.paid[i] = costs.row(i, &mut buffer)[j];
        (Wide::new(matching.paid[i], unit) - solver.v[j]).to_f64(unit)
    };
    (0..n).map(potential).collect()
}

impl<C: Costs, const W: usize> Solver<'_, C, W> {
    /// A shortest alternating path from row `start` to a free column: potentials fall along it, and it is taken.
    fn augment(&mut self, start: usize, matching: &mut Matching) {
        let n = self.v.len();
        let mut distance: Vec<Wide<W>> = self.reduced(start).collect();
        let mut before = vec![start; n];
        let mut open: Vec<usize> = (0..n).collect();
        let mut closed = vec![];
        let (end, shortest) = loop {
            let closest = |&a: &usize, &b: &usize| {
                let taken = |j: usize| matching.row_of[j] != NONE;
                distance[a].cmp(&distance[b]).then(taken(a).cmp(&taken(b)))
            };
            let Some(place) = (0..open.len()).min_by(|&a, &b| closest(&open[a], &open[b])) else { return };
            let j = open.swap_remove(place);
            if matching.row_of[j] == NONE {
                break (j, distance[j]);
            }
            closed.push(j);
            let row = matching.row_of[j] as usize;
            let costs = self.costs.row(row, &mut self.buffer);
            let offset = distance[j] - (Wide::new(costs[j], self.unit) - self.v[j]);
            for &k in &open {
                let through = Wide::new(costs[k], self.unit) - self.v[k] + offset;
                if through < distance[k] {
                    distance[k] = through;
                    before[k] = row;
                }
            }
        };
        for j in closed {
            self.v[j] = self.v[j] + distance[j] - shortest;
        }
        let mut column = end as u32;
        loop {
            let row = before[column as usize];
            matching.row_of[column as usize] = row as u32;
            let next = std::mem::replace(&mut matching.column_of[row], column);
            if row == start {
                return;
            }
            column = next;
        }
    }
}
