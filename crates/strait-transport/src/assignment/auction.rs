//! The auction algorithm (Bertsekas, 1979; with a falling increment, 1988), and the condition for its result to be
//! optimal.

use super::Costs;
use super::candidates::Candidates;
use super::matching::{Matching, NONE};
use super::repair::{Repair, repair};

/// The work of a phase, in units of $n \sqrt n$ bids: on costs without structure up to 2, of the first phase up to a third. Far
/// clusters bid as often as the increment goes into their distance.
struct Patience {
    first: f64,
    /// Of the first phase again, with a larger increment, and how often that is tried.
    climb: f64,
    climbs: u32,
    later: f64,
}

impl Patience {
    /// Where rows are few, paths over them are faster than larger increments.
    fn of(rows: usize) -> Self {
        match rows < MANY {
            true => Self { first: 3.0, climb: 0.0, climbs: 0, later: 3.0 },
            false => Self { first: 3.0, climb: 0.75, climbs: PHASES, later: 12.0 },
        }
    }
}

/// Rows from which far clusters are left to the auction.
const MANY: usize = 2048;

/// What a renewal costs beside a bid.
const RENEWAL: usize = 8;

/// How many phases at most: the last increment is about $10^{-13}$ of the first.
const PHASES: u32 = 14;

/// The factor by which the increment falls from phase to phase.
const SCALING: f64 = 8.0;

/// From a partial assignment and its potentials to one of all rows that is optimal, or nearly so; whether its potentials prove it, to
/// the last bit. None where bids lead nowhere: many costs are equal, or rows compete for long for columns of another kind.
pub(super) fn solve(matching: &mut Matching, costs: &impl Costs, mut free: Vec<u32>) -> Option<bool> {
    let n = matching.v.len();
    let mut candidates = Candidates::new(n);
    let mut gaps: Vec<f64> = (0..n).map(|row| candidates.renew(costs, row, &matching.v)).collect();
    let gap = *gaps.select_nth_unstable_by(n / 2, f64::total_cmp).1;
    if gap == 0.0 {
        return None; // bids would differ by the increment alone
    }
    // A power of two: of costs that are whole numbers, potentials are sums of few bits then, and do not round.
    let mut epsilon = gap.log2().floor().exp2();
    let patience = Patience::of(n);
    let (mut climbs, mut allowed) = (0, patience.first);
    while phase(matching, &mut candidates, costs, epsilon, &mut free, allowed).is_none() {
        if climbs == patience.climbs {
            return None;
        }
        climbs += 1;
        epsilon *= SCALING;
        allowed = patience.climb;
    }
    for number in 1..=PHASES + climbs {
        epsilon /= SCALING;
        free_dissatisfied(matching, &candidates, epsilon, &mut free);
        phase(matching, &mut candidates, costs, epsilon, &mut free, patience.later)?;
        // Two phases below the first increment leave too much to repair. Later a failed attempt is cheap beside a phase, and not lost.
        if number >= 2 + climbs {
            let rows = (0..n as u32).collect();
            match repair(matching, &mut candidates, costs, rows, n << (number - climbs - 1)) {
                Repair::Proved => return Some(true),
                Repair::Costless => return Some(false),
                Repair::Spent => {}
            }
        }
    }
    Some(false)
}

/// Frees the rows whose column costs them more than `epsilon` above their best.
fn free_dissatisfied(matching: &mut Matching, candidates: &Candidates, epsilon: f64, free: &mut Vec<u32>) {
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
/// None, with rows left over, where this takes more than `patience`, in units of $n \sqrt n$ bids.
fn phase(
    matching: &mut Matching,
    candidates: &mut Candidates,
    costs: &impl Costs,
    epsilon: f64,
    free: &mut Vec<u32>,
    patience: f64,
) -> Option<()> {
    let n = matching.v.len() as f64;
    let patience = (patience * n * n.sqrt()) as usize;
    let mut work = 0;
    while let Some(i) = free.pop() {
        let row = i as usize;
        if work > patience {
            free.push(i);
            return None;
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
    Some(())
}
