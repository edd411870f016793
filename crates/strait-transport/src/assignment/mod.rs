//! The linear assignment problem, exactly: $\min_\sigma \sum_i c_{i \sigma(i)}$ over permutations of $n$ columns.
//!
//! Six ideas, each in a module of its own:
//!
//! - Where an order of rows and columns makes the costs a Monge array (points on a line, products), sorting solves it; a
//!   few rows tell (`sorted`).
//! - Column potentials only ever fall, so a reduced cost $c_{ij} - v_j$ only ever rises. Each row therefore works on a
//!   short list of its cheapest columns with a floor under all others, exactly, and reads the whole row again only when
//!   the floor is passed (`candidates`).
//! - An auction whose increment falls eightfold from phase to phase finds an assignment that is nearly optimal
//!   (`auction`). Its first increment is the median range of the lists.
//! - Where rows bid for long, one shortest augmenting path does at once what bids do in steps of the increment: all
//!   columns of a crowded cluster fall together (`search`).
//! - Shortest paths in the residual graph (Bellman-Ford) then lower potentials until no reduced cost is negative, and
//!   take every negative cycle that they meet: what is left is optimal, and the potentials prove it, by the signs of exact
//!   sums (`repair`, `sums`).
//! - Where no potentials in double precision prove an optimum (costs whose ties round, or that span hundreds of orders of
//!   magnitude), shortest augmenting paths in whole numbers go on from there (`exact`, `wide`).
//!
//! Shortest augmenting paths alone, one row at a time (Jonker and Volgenant) on the same lists, also from the potentials
//! of a subsample, were as fast in 3,072 dimensions and two to ten times slower in the plane, where the last paths are
//! long.

mod auction;
mod candidates;
mod costs;
mod exact;
mod matching;
mod repair;
mod search;
mod sorted;
mod sums;
mod wide;

pub use crate::error::AssignmentError;
pub use costs::{Costs, Dense, SquaredEuclidean};

use candidates::Candidates;
use matching::Matching;
use repair::Repair;

/// Potentials in double precision stay below `f64::MAX` while no cost is larger than this; above, whole numbers alone
/// are used.
const LARGEST_COST: f64 = 1e280;

/// How many phases of the auction at most: the last increment is about $10^{-13}$ of the first.
const PHASES: u32 = 14;

/// Rows that a guess may take to prove, on average over the rows.
const GUESS: usize = 32;

/// The factor by which the increment of the auction falls from phase to phase.
const SCALING: f64 = 8.0;

/// An optimal assignment, with the potentials that prove it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// $\sigma(i)$, the column of each row: a permutation.
    pub columns: Vec<usize>,
    /// $u_i$, with $u_i + v_j \le c_{ij}$ everywhere and equality on the assignment.
    pub row_potentials: Vec<f64>,
    /// $v_j$.
    pub column_potentials: Vec<f64>,
    /// $\sum_i c_{i \sigma(i)} = \sum_i u_i + \sum_j v_j$.
    pub cost: f64,
}

impl Assignment {
    /// The largest amount by which the potentials fail to prove this assignment optimal for `costs`:
    ///
    /// $$\max\Bigl( \max_{ij} (u_i + v_j - c_{ij}), \max_i |c_{i \sigma(i)} - u_i - v_{\sigma(i)}| \Bigr).$$
    ///
    /// The cost is within $2n$ times this of the optimum, whatever algorithm found it. Each sum is exact and rounded
    /// once. Zero is a proof; what [`assign`] returns has the rounding of its largest potential at most.
    pub fn violation(&self, costs: &impl Costs) -> f64 {
        let mut buffer = vec![0.0; self.columns.len()];
        let mut worst: f64 = 0.0;
        for (i, (&column, &u)) in self.columns.iter().zip(&self.row_potentials).enumerate() {
            let row = costs.row(i, &mut buffer);
            let over = |(&cost, &v): (&f64, &f64)| sums::of_three(u, v, -cost);
            worst = row.iter().zip(&self.column_potentials).map(over).fold(worst, f64::max);
            worst = worst.max(sums::of_three(row[column], -u, -self.column_potentials[column]).abs());
        }
        worst
    }

    /// Whether no assignment costs less, in exact arithmetic and whatever the potentials are: these only decide how
    /// long the proof takes.
    ///
    /// ```
    /// use ndarray::array;
    /// use strait_transport::assignment::{Dense, assign};
    ///
    /// let costs = array![[4.0, 4.0, 1e30], [1.0, 0.0, 3.0], [2.0, 2.0, 8.0]];
    /// let mut best = assign(&Dense(costs.view()))?;
    /// assert!(best.cost == 9.0 && best.is_optimal(&Dense(costs.view())));
    /// best.columns = vec![0, 1, 2]; // costs 12
    /// assert!(!best.is_optimal(&Dense(costs.view())));
    /// # Ok::<(), strait_transport::assignment::AssignmentError>(())
    /// ```
    pub fn is_optimal(&self, costs: &impl Costs) -> bool {
        let n = self.columns.len();
        let mut buffer = vec![0.0; n];
        let mut matching = Matching::new(self.column_potentials.clone());
        for (i, &column) in self.columns.iter().enumerate() {
            let paid = costs.row(i, &mut buffer)[column];
            if matching.give(i as u32, column as u32, paid).is_some() {
                return false;
            }
        }
        let paid = matching.paid.clone();
        exact::solve(&mut matching, costs);
        exact::sum(paid.iter().chain(matching.paid.iter().map(|paid| -paid).collect::<Vec<_>>().iter()).copied()) <= 0.0
    }
}

/// Solves the assignment problem exactly: no other assignment has a smaller sum of these costs, in exact arithmetic and
/// for any finite numbers. Potentials and the cost are rounded.
///
/// `costs` is a matrix ([`Dense`]) or two clouds of points ([`SquaredEuclidean`]). Memory beyond the costs themselves
/// is about 1 KiB a row. Deterministic; one thread.
///
/// ```
/// use ndarray::array;
/// use strait_transport::assignment::{Dense, assign};
///
/// let costs = array![[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]];
/// let best = assign(&Dense(costs.view()))?;
/// assert_eq!(best.columns, [1, 0, 2]);
/// assert_eq!(best.cost, 5.0);
/// assert_eq!(best.violation(&Dense(costs.view())), 0.0);
/// # Ok::<(), strait_transport::assignment::AssignmentError>(())
/// ```
///
/// # Errors
/// `Empty`, `NotSquare`; `NonFinite` names the entry.
pub fn assign(costs: &impl Costs) -> Result<Assignment, AssignmentError> {
    let (minima, largest) = survey(costs)?;
    let mut matching = Matching::new(minima);
    let n = matching.v.len();
    let proved = largest <= LARGEST_COST && nearly_optimal(&mut matching, costs);
    let row_potentials = match proved {
        true => (0..n).map(|i| matching.u(i)).collect(),
        false => exact::solve(&mut matching, costs),
    };
    Ok(Assignment {
        columns: matching.column_of.iter().map(|&j| j as usize).collect(),
        row_potentials,
        cost: exact::sum(matching.paid.iter().copied()),
        column_potentials: matching.v,
    })
}

/// An assignment that is optimal, or nearly so; whether its potentials prove it, to the last bit.
fn nearly_optimal(matching: &mut Matching, costs: &impl Costs) -> bool {
    let n = matching.v.len();
    let mut candidates = Candidates::new(n);
    if let Some(guess) = sorted::guess(costs, &matching.v) {
        let minima = std::mem::replace(matching, guess);
        (0..n).for_each(|row| _ = candidates.renew(costs, row, &matching.v));
        if repair::repair(matching, &mut candidates, costs, GUESS * n) == Repair::Proved {
            return true;
        }
        *matching = Matching::new(minima.v);
    }
    let mut gaps: Vec<f64> = (0..n).map(|row| candidates.renew(costs, row, &matching.v)).collect();
    let gap = *gaps.select_nth_unstable_by(n / 2, f64::total_cmp).1;
    let mut free = greedy(matching, &candidates);
    if gap == 0.0 || free.is_empty() {
        // So many ties that bids, which differ by the increment alone, would say nothing.
        free.into_iter().for_each(|row| search::augment(row, matching, &mut candidates, costs));
        return repair::repair(matching, &mut candidates, costs, usize::MAX) == Repair::Proved;
    }
    // A power of two: of costs that are whole numbers, potentials are sums of few bits then, and do not round.
    let mut epsilon = gap.log2().floor().exp2();
    *matching = Matching::new(std::mem::take(&mut matching.v));
    free = (0..n as u32).rev().collect();
    auction::phase(matching, &mut candidates, costs, epsilon, &mut free);
    for phase in 1..=PHASES {
        epsilon /= SCALING;
        auction::free_dissatisfied(matching, &candidates, epsilon, &mut free);
        auction::phase(matching, &mut candidates, costs, epsilon, &mut free);
        // Two phases leave too much to repair. Later a failed attempt is cheap beside a phase, and not lost.
        if phase >= 2 {
            match repair::repair(matching, &mut candidates, costs, n << (phase - 1)) {
                Repair::Proved => return true,
                Repair::Costless => return false,
                Repair::Spent => {}
            }
        }
    }
    false
}

/// Gives rows a column that is their cheapest, one after the other, where it is free; returns the rest.
fn greedy(matching: &mut Matching, candidates: &Candidates) -> Vec<u32> {
    let mut free = vec![];
    for i in 0..matching.v.len() {
        let (columns, costs) = candidates.row(i);
        let reduced = |k: usize| costs[k] - matching.v[columns[k] as usize];
        let least = (0..costs.len()).map(reduced).fold(f64::INFINITY, f64::min);
        let tight = |&k: &usize| reduced(k) == least && matching.row_of[columns[k] as usize] == matching::NONE;
        match (0..costs.len()).find(tight) {
            Some(k) => _ = matching.give(i as u32, columns[k], costs[k]),
            None => free.push(i as u32),
        }
    }
    free
}
/// Checks all costs; returns the minimum of each column, and the largest magnitude.
fn survey(costs: &impl Costs) -> Result<(Vec<f64>, f64), AssignmentError> {
    let (rows, columns) = costs.shape();
    if rows != columns {
        return Err(AssignmentError::NotSquare { rows, columns });
    }
    if rows == 0 {
        return Err(AssignmentError::Empty);
    }
    let mut minima = vec![f64::INFINITY; columns];
    let mut largest: f64 = 0.0;
    let mut buffer = vec![0.0; columns];
    for i in 0..rows {
        let row = costs.row(i, &mut buffer);
        let mut sound = true;
        for (minimum, &cost) in minima.iter_mut().zip(row) {
            let magnitude = cost.abs();
            sound &= magnitude <= f64::MAX; // false for NaN
            largest = if magnitude > largest { magnitude } else { largest };
            *minimum = if cost < *minimum { cost } else { *minimum };
        }
        if !sound {
            let (column, value) =
                row.iter().copied().enumerate().find(|(_, x)| !x.is_finite()).unwrap_or((0, f64::NAN));
            return Err(AssignmentError::NonFinite { row: i, column, value });
        }
    }
    Ok((minima, largest))
}
