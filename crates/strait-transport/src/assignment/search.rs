//! One shortest augmenting path: what an auction needs long for where rows compete for columns of another kind.

use super::Costs;
use super::candidates::Candidates;
use super::matching::{Matching, NONE};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives row `start` a column and keeps one for every row that has one: a shortest alternating path from it to a column
/// that is free, over lengths $\max(0, c_{ij} - u_i - v_j)$ (Dijkstra). Potentials fall along it, and every row is as close
/// to its best column as it was, or as the rounding of the potentials.
///
/// All columns that many rows compete for fall at once here, and by bids in steps of the increment. Rows are followed
/// on their lists; what lies beyond a list is looked at when the path is as long as the floor says that it might be.
pub(super) fn augment(start: u32, matching: &mut Matching, candidates: &mut Candidates, costs: &impl Costs) {
    let n = matching.v.len();
    let mut tree = Tree {
        distance: vec![f64::INFINITY; n],
        paths: vec![(NONE, 0.0); n],
        queue: BinaryHeap::new(),
        end: NONE,
        shortest: f64::INFINITY,
    };
    // The distance of each row of the tree, and its potential.
    let mut rows = vec![(0.0, 0.0); n];
    let mut closed = vec![];
    candidates.renew(costs, start as usize, &matching.v);
    let (columns, prices) = candidates.row(start as usize);
    let reduced = columns.iter().zip(prices).map(|(&j, &cost)| cost - matching.v[j as usize]);
    rows[start as usize] = (0.0, reduced.fold(candidates.floor(start as usize), f64::min));
    tree.follow(start, rows[start as usize], matching, candidates);
    while let Some(Reverse((bits, tag))) = tree.queue.pop() {
        let distance = f64::from_bits(bits);
        if distance >= tree.shortest {
            break;
        }
        if let Some(j) = (tag as usize).checked_sub(n) {
            if distance == tree.distance[j] {
                tree.distance[j] = distance.next_down(); // each column once
                closed.push((j, distance));
                let i = matching.row_of[j];
                rows[i as usize] = (distance, matching.u(i as usize));
                tree.follow(i, rows[i as usize], matching, candidates);
            }
        } else {
            let (base, u) = rows[tag as usize];
            if candidates.floor(tag as usize) < u {
                candidates.renew(costs, tag as usize, &matching.v);
                if candidates.floor(tag as usize) > u {
                    tree.follow(tag, (base, u), matching, candidates);
                    continue;
                }
            }
            let whole = candidates.whole(costs, tag as usize);
            whole.iter().zip(0..).for_each(|(&cost, j)| tree.reach(tag, (base, u), j, cost, matching));
        }
    }
    for (j, distance) in closed {
        matching.v[j] += distance - tree.shortest;
    }
    let mut column = tree.end;
    while column != NONE {
        let (row, cost) = tree.paths[column as usize];
        let next = std::mem::replace(&mut matching.column_of[row as usize], column);
        matching.row_of[column as usize] = row;
        matching.paid[row as usize] = cost;
        column = if row == start { NONE } else { next };
    }
}

/// The shortest paths that are known.
struct Tree {
    distance: Vec<f64>,
    /// The row before each column, and its cost there.
    paths: Vec<(u32, f64)>,
    /// Lengths, as bits (which are in the order of numbers that are not negative), with a row whose list ends there or,
    /// counted on from the rows, a column. Rows come first: their free columns may be as near.
    queue: BinaryHeap<Reverse<(u64, u32)>>,
    /// The closest free column.
    end: u32,
    shortest: f64,
}

impl Tree {
    /// Reaches the columns on the list of row `i`, and remembers where the list ends.
    fn follow(&mut self, i: u32, (base, u): (f64, f64), matching: &Matching, candidates: &Candidates) {
        let (columns, prices) = candidates.row(i as usize);
        columns.iter().zip(prices).for_each(|(&j, &cost)| self.reach(i, (base, u), j, cost, matching));
        let beyond = base + (candidates.floor(i as usize) - u).max(0.0);
        if beyond < self.shortest {
            self.queue.push(Reverse((beyond.to_bits(), i)));
        }
    }

    #[inline]
    fn reach(&mut self, i: u32, (base, u): (f64, f64), j: u32, cost: f64, matching: &Matching) {
        let column = j as usize;
        let length = cost - matching.v[column] - u;
        let through = base + if length > 0.0 { length } else { 0.0 };
        if through < self.distance[column] && through < self.shortest {
            (self.distance[column], self.paths[column]) = (through, (i, cost));
            if matching.row_of[column] == NONE {
                (self.end, self.shortest) = (j, through);
            } else {
                self.queue.push(Reverse((through.to_bits(), matching.v.len() as u32 + j)));
            }
        }
    }
}
