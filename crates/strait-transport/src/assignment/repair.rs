//! From a nearly optimal assignment to an optimal one with its potentials: shortest paths in the residual graph.

use super::Costs;
use super::candidates::Candidates;
use super::exact::sum;
use super::matching::{Matching, NONE};
use super::sums::{at_most, rounding};
use crate::exact_sum::two_sum;
use std::collections::VecDeque;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// No reduced cost is negative, in exact arithmetic.
    Proved,
    /// Potentials went on falling around cycles that are no cheaper: no doubles prove this optimum, or none nearby.
    Costless,
    /// The budget is spent.
    Spent,
}

/// What a row costs to renew, in rows looked at.
const RENEWAL: usize = 8;

/// Lowers column potentials until every reduced cost $c_{ij} - u_i - v_j$ is non-negative, which proves the assignment
/// optimal (Bellman-Ford with a queue). A cycle among the arcs that were lowered is a cheaper assignment: it is taken.
///
/// The potential of a row is the number $c_{i \sigma(i)} - v_{\sigma(i)}$ itself, not its rounding, and signs are those of
/// exact sums: what is proved here is proved of the costs as they are. Potentials are doubles, rounded downwards; where
/// no doubles prove the optimum, costless cycles are lowered for ever, and are seen to be no improvement.
///
/// `rows` are those to begin with: all that may have a negative reduced cost. Gives up where cycles cost nothing, or after `budget` rows; the matching is then still complete and no dearer than it was.
pub(super) fn repair(
    matching: &mut Matching,
    candidates: &mut Candidates,
    costs: &impl Costs,
    rows: Vec<u32>,
    budget: usize,
) -> Repair {
    let n = matching.v.len();
    let mut arcs = Arcs { row: vec![NONE; n], cost: vec![0.0; n] };
    let mut queue = Queue { rows: VecDeque::new(), queued: vec![false; n] };
    rows.into_iter().for_each(|row| queue.push(row));
    let (mut lowered, mut spent) = (0, 0);
    while let Some(i) = queue.pop() {
        let row = i as usize;
        let own = matching.column_of[row] as usize;
        let (paid, v_own, u) = (matching.paid[row], matching.v[own], matching.u(row));
        // What lies beyond the list is looked at when its floor may be below u, until a fresh list, or the whole row,
        // holds nothing to lower.
        let mut fresh = false;
        loop {
            let before = lowered;
            let mut lower = |j: u32, cost: f64| {
                let column = j as usize;
                let v = matching.v[column];
                let is_lower = is_below((cost, v), (paid, v_own)) && column != own;
                if is_lower {
                    matching.v[column] = at_most([cost, v_own, -paid]);
                    (arcs.row[column], arcs.cost[column]) = (i, cost);
                    queue.push(matching.row_of[column]);
                }
                usize::from(is_lower)
            };
            let (columns, prices) = candidates.row(row);
            lowered += columns.iter().zip(prices).map(|(&j, &cost)| lower(j, cost)).sum::<usize>();
            let floor = candidates.floor(row);
            if floor == f64::INFINITY || floor - u > rounding(floor, u) {
                break;
            }
            spent += RENEWAL;
            if fresh && lowered == before || floor - u > -rounding(floor, u) {
                // The floor is equal to u but for rounding, as ties are: each column beyond the list by itself.
                let whole = candidates.whole(costs, row);
                lowered += whole.iter().zip(0..).map(|(&cost, j)| lower(j, cost)).sum::<usize>();
                break;
            }
            candidates.renew(costs, row, &matching.v);
            fresh = true;
        }
        spent += 1;
        if lowered >= n {
            lowered = 0;
            if !arcs.cancel_cycles(matching, &mut queue) {
                return Repair::Costless;
            }
        }
        if spent > budget {
            return Repair::Spent;
        }
    }
    Repair::Proved
}

/// Whether $c_{ij} - v_j < c_{ik} - v_k$, exactly: rounding keeps the order, and where rounded numbers are equal the errors decide.
#[inline]
fn is_below((cost, v): (f64, f64), (paid, v_own): (f64, f64)) -> bool {
    two_sum(cost, -v) < two_sum(paid, -v_own)
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
    /// Gives every column on a cycle to the row that lowered it; if there was any, all arcs are forgotten. False where
    /// a cycle is no cheaper than what it would replace.
    ///
    /// The potential of such a row falls back to what it was when it lowered its new column, or as far above as that
    /// column was rounded downwards: it is looked at again.
    fn cancel_cycles(&mut self, matching: &mut Matching, queue: &mut Queue) -> bool {
        let n = self.row.len();
        let mut seen = vec![n; n];
        let (mut found, mut cheaper) = (false, true);
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
            found = true;
            let change = |&j: &usize| [self.cost[j], -matching.paid[self.row[j] as usize]];
            if sum(cycle.iter().flat_map(change)) >= 0.0 {
                cheaper = false;
                continue;
            }
            for j in cycle {
                let row = self.row[j];
                matching.row_of[j] = row;
                matching.column_of[row as usize] = j as u32;
                matching.paid[row as usize] = self.cost[j];
                queue.push(row);
            }
        }
        if found {
            // What is left may pass through rows that changed columns, and would mislead a later walk.
            self.row.fill(NONE);
        }
        cheaper
    }

    /// The column of the row that lowered column `j`.
    fn before(&self, j: usize, matching: &Matching) -> usize {
        matching.column_of[self.row[j] as usize] as usize
    }
}
