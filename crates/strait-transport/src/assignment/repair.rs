//! From a nearly optimal assignment to an optimal one with its potentials: shortest paths in the residual graph.

use super::Costs;
use super::candidates::Candidates;
use super::matching::{Matching, NONE};
use std::collections::VecDeque;

/// Lowers column potentials until every reduced cost $c_{ij} - u_i - v_j$ is non-negative, which proves the assignment
/// optimal (Bellman-Ford with a queue). A cycle among the arcs that were lowered is a cheaper assignment: it is taken.
///
/// Gives up after `budget` rows and returns false; the matching is then still complete and no dearer than it was.
pub(super) fn repair(matching: &mut Matching, candidates: &mut Candidates, costs: &impl Costs, budget: usize) -> bool {
    let n = matching.v.len();
    let mut arcs = Arcs { row: vec![NONE; n], cost: vec![0.0; n] };
    let mut queue = Queue { rows: (0..n as u32).collect(), queued: vec![true; n] };
    let mut lowered = 0;
    for _ in 0..budget {
        let Some(i) = queue.pop() else {
            return true;
        };
        let row = i as usize;
        let u = matching.u(row);
        // What lies beyond the list is looked at when its floor is below u, until a fresh list holds nothing to lower.
        let mut fresh = false;
        loop {
            let before = lowered;
            let (columns, prices) = candidates.row(row);
            for (&j, &cost) in columns.iter().zip(prices) {
                let column = j as usize;
                let v = matching.v[column];
                if cost - u < v - rounding(u, v) {
                    matching.v[column] = cost - u;
                    (arcs.row[column], arcs.cost[column]) = (i, cost);
                    lowered += 1;
                    queue.push(matching.row_of[column]);
                }
            }
            if candidates.floor(row) >= u || (fresh && lowered == before) {
                break;
            }
            candidates.renew(costs, row, &matching.v);
            fresh = true;
        }
        if lowered >= n {
            lowered = 0;
            arcs.cancel_cycles(matching);
        }
    }
    queue.rows.is_empty()
}

/// The error of the sum of two potentials, with a margin. To ask for more than this of an improvement is what makes
/// the search end: a cycle of zero cost cannot go on for ever on rounding.
#[inline]
fn rounding(u: f64, v: f64) -> f64 {
    4.0 * f64::EPSILON * (u.abs() + v.abs())
}

/// Rows to look at, each at most once in the queue.
struct Queue {
    rows: VecDeque<u32>,
    queued: Vec<bool>,
}

impl Queue {
    #[inline]
    fn push(&mut self, row: u32) {
        if !std::mem::replace(&mut self.queued[row as usize], true) {
            self.rows.push_back(row);
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<u32> {
        let row = self.rows.pop_front()?;
        self.queued[row as usize] = false;
        Some(row)
    }
}

/// For each column the row that last lowered it, and at which cost.
struct Arcs {
    row: Vec<u32>,
    cost: Vec<f64>,
}

impl Arcs {
    /// Gives every column on a cycle to the row that lowered it; if there was any, all arcs are forgotten.
    ///
    /// Nothing needs to be looked at again: the potential of such a row falls back to what it was when it lowered its
    /// new column, and then it had lowered all that it could.
    fn cancel_cycles(&mut self, matching: &mut Matching) {
        let n = self.row.len();
        let mut seen = vec![n; n];
        let mut found = false;
        for start in 0..n {
            let mut j = start;
            while seen[j] == n && self.row[j] != NONE {
                seen[j] = start;
                j = self.before(j, matching);
            }
            if self.row[j] == NONE || seen[j] != start {
                continue;
            }
            // Gathered before any column changes hands: the walk reads who has what.
            let mut cycle = vec![j];
            loop {
                j = self.before(j, matching);
                if j == cycle[0] {
                    break;
                }
                cycle.push(j);
            }
            for j in cycle {
                let row = self.row[j];
                matching.row_of[j] = row;
                matching.column_of[row as usize] = j as u32;
                matching.paid[row as usize] = self.cost[j];
                found = true;
            }
        }
        if found {
            // What is left may pass through rows that changed columns, and would mislead a later walk.
            self.row.fill(NONE);
        }
    }

    /// The column of the row that lowered column `j`.
    fn before(&self, j: usize, matching: &Matching) -> usize {
        matching.column_of[self.row[j] as usize] as usize
    }
}
