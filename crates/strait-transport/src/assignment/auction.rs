//! One phase of the auction algorithm (Bertsekas, 1979; with a falling increment, 1988).

use super::Costs;
use super::candidates::Candidates;
use super::matching::{Matching, NONE};
use super::search;

/// Rows that bid before a search is made, on average over the rows.
const PATIENCE: usize = 8;

/// What a renewal costs beside a bid.
const RENEWAL: usize = 8;

/// Frees the rows whose column costs them more than `epsilon` above their best.
pub(super) fn free_dissatisfied(matching: &mut Matching, candidates: &Candidates, epsilon: f64, free: &mut Vec<u32>) {
    for i in 0..matching.v.len() {
        let (columns, costs) = candidates.row(i);
        let mut best = candidates.floor(i);
        for (&j, &cost) in columns.iter().zip(costs) {
            let reduced = cost - matching.v[j as usize];
            best = if reduced < best { reduced } else { best };
        }
        if matching.u(i) > best + epsilon {
            let column = std::mem::replace(&mut matching.column_of[i], NONE);
            matching.row_of[column as usize] = NONE;
            free.push(i as u32);
        }
    }
}

/// Free rows bid, one at a time, for the column that is cheapest to them, and lower its potential until it is
/// `epsilon` worse than their second choice; the row that is outbid bids next. At the end each row has a column that
/// is within `epsilon` of its best. Where the second choice lies beyond the candidates, their floor stands in: a
/// smaller bid, and as valid.
///
/// Whenever rows have worked as much as a search costs, the next one takes a shortest augmenting path instead of a bid.
/// Bids never leave fewer rows with a column, so that the phase ends after as many searches as there are rows at the
/// latest, whatever the costs are and whether `epsilon` is lost in the rounding of the potentials.
pub(super) fn phase(
    matching: &mut Matching,
    candidates: &mut Candidates,
    costs: &impl Costs,
    epsilon: f64,
    free: &mut Vec<u32>,
) {
    let patience = PATIENCE * matching.v.len();
    let mut work = 0;
    while let Some(i) = free.pop() {
        let row = i as usize;
        if work > patience {
            search::augment(i, matching, candidates, costs);
            work = 0;
            continue;
        }
        let (mut first, mut second, mut choice, mut price) = (f64::INFINITY, f64::INFINITY, NONE, 0.0);
        let (columns, prices) = candidates.row(row);
        for (&j, &cost) in columns.iter().zip(prices) {
            let reduced = cost - matching.v[j as usize];
            if reduced < second {
                if reduced < first {
                    (second, first, choice, price) = (first, reduced, j, cost);
                } else {
                    second = reduced;
                }
            }
        }
        work += 1;
        let floor = candidates.floor(row);
        if first > floor {
            candidates.renew(costs, row, &matching.v);
            work += RENEWAL;
            free.push(i);
            continue;
        }
        let advantage = second.min(floor) - first;
        if advantage.is_finite() {
            matching.v[choice as usize] -= advantage + epsilon; // infinite only where there is one column
        }
        free.extend(matching.give(i, choice, price));
    }
}
