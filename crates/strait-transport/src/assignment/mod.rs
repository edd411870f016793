//! The linear assignment problem, exactly: $\min_\sigma \sum_i c_{i \sigma(i)}$ over permutations of $n$ columns.
//!
//! The solver combines nine methods, each in its own module:
//!
//! - Costs $u_i + v_j$ but for rounding leave the last digits alone to decide (`separable`, `residual`).
//! - If an order of rows and columns makes the costs a Monge array (points on a line, products), sorting solves the
//!   problem; a few rows show whether this is so (`sorted`).
//! - Each row takes its cheapest column if it is free, and shortest augmenting paths give the other rows one, row by
//!   row (`paths`). Whole rows are read in vector instructions, and tied columns are closed at once. This is best where
//!   few rows are left over, or where rows compete for long: ties, duplicates, clusters of unequal size, small
//!   problems.
//! - Where many rows are left over, those paths begin with the potentials of every second row and column, solved likewise
//!   (`halves`): rows that compete for long are settled at a quarter of the price.
//! - Otherwise an auction whose increment falls eightfold from phase to phase finds an assignment that is nearly
//!   optimal (`auction`). Where bidding takes too long the increment is raised first, if rows are many; else, and where
//!   that does not help, paths take over.
//! - In the auction column potentials only fall, so a reduced cost $c_{ij} - v_j$ only rises. Each row therefore bids
//!   on a short list of its cheapest columns, with a lower bound for all others. It reads the whole row again only when
//!   a cost reaches the bound (`candidates`). The result is the same.
//! - Shortest paths in the residual graph (Bellman-Ford) then lower potentials until no reduced cost is negative, and
//!   take every negative cycle that they meet (`repair`).
//! - Potentials that hold but for rounding prove an optimum if no cycle of pairs is nearly tight; else potentials prove it by
//!   exact sums (`proof`, `sums`). Where rounding leaves some rows unproved, reduced
//!   costs are small multiples of one power of two, and paths over those do not round (`residual`).
//! - If doubles cannot represent them (costs that span many orders of magnitude), shortest augmenting paths in integers
//!   continue from there (`exact`, `wide`).

mod auction;
mod candidates;
mod costs;
mod exact;
mod halves;
mod matching;
mod paths;
mod proof;
mod repair;
mod residual;
mod separable;
mod sorted;
mod sums;
mod wide;

pub use crate::error::AssignmentError;
pub use costs::{Costs, Dense, SquaredEuclidean};

use candidates::Candidates;
use costs::{LANES, STORED};
use matching::Matching;
use ndarray::{Array2, ArrayView1};
use paths::Paths;
use repair::Repair;

/// Potentials in double precision stay below `f64::MAX` while no cost is larger than this; above, whole numbers alone
/// are used.
const LARGEST_COST: f64 = 1e280;

/// Rows that a repair of rounding errors may take, on average over the rows.
const REPAIRS: usize = 16;

/// Up to here paths alone are as fast as an auction on any costs.
const SMALL: usize = 320;

/// Rows that are read for paths before an auction is tried, where few rows are left over.
const READ: usize = 1 << 17;

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
    /// once. Zero is a proof; what [`assign`] returns has a hundred roundings of its largest
    /// cost or potential at most.
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
/// is about 1 KiB a row, and 32 MiB at most for costs that do not lie in memory row by row in double precision. Deterministic; one
/// thread.
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
    let (rows, columns) = costs.shape();
    if rows == columns && (1..=STORED).contains(&(rows * columns)) && !are_lent(costs) {
        let mut stored = Array2::zeros((rows, columns));
        let mut buffer = vec![0.0; columns];
        for (i, mut row) in stored.rows_mut().into_iter().enumerate() {
            row.assign(&ArrayView1::from(costs.row(i, &mut buffer)));
        }
        return solve(&Dense(stored.view()));
    }
    solve(costs)
}

/// Whether rows are read where they lie: each is read many times.
fn are_lent(costs: &impl Costs) -> bool {
    let mut buffer = vec![0.0; costs.shape().1];
    let own = buffer.as_ptr();
    costs.row(0, &mut buffer).as_ptr() != own
}

fn solve(costs: &impl Costs) -> Result<Assignment, AssignmentError> {
    let (minima, largest) = survey(costs)?;
    let mut matching = Matching::new(minima);
    let n = matching.v.len();
    let proved = largest <= LARGEST_COST && nearly_optimal(&mut matching, costs, largest);
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
fn nearly_optimal(matching: &mut Matching, costs: &impl Costs, largest: f64) -> bool {
    let n = matching.v.len();
    if let Some((mut guess, is_exact)) = separable::guess(costs, largest)
        && (is_exact && proof::violated(&guess, costs).is_empty() || residual::solve(&mut guess, costs))
    {
        *matching = guess;
        return true;
    }
    if let Some(mut guess) = sorted::guess(costs, &matching.v)
        && certify(&mut guess, costs, n / 8)
    {
        *matching = guess;
        return true;
    }
    let minima = matching.v.clone();
    let mut tried = None;
    if n > SMALL {
        let mut paths = Paths::new(n);
        let mut free = paths.greedy(matching, costs);
        let budget = if free.len() <= n / 2 { READ } else { 0 };
        paths.augment_all(&mut free, matching, costs, budget);
        tried = if free.is_empty() { Some(false) } else { auction::solve(matching, costs, free) };
    }
    if tried.is_none() {
        *matching = halves::solve(costs, minima);
    }
    tried == Some(true)
        || proof::none_is_better(matching, costs, largest)
        || certify(matching, costs, n)
        || residual::solve(matching, costs)
}

/// Whether potentials prove a complete assignment, once up to `most` rows are repaired.
fn certify(matching: &mut Matching, costs: &impl Costs, most: usize) -> bool {
    let n = matching.v.len();
    let rows = proof::violated(matching, costs);
    rows.is_empty()
        || rows.len() <= most
            && repair::repair(matching, &mut Candidates::new(n), costs, rows, REPAIRS * n) == Repair::Proved
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
    let mut largest = [0.0; LANES];
    let mut buffer = vec![0.0; columns];
    for i in 0..rows {
        let row = costs.row(i, &mut buffer);
        let mut unsound = [0.0; LANES];
        let mut look = |minima: &mut [f64], row: &[f64]| {
            for (((minimum, &cost), largest), unsound) in minima.iter_mut().zip(row).zip(&mut largest).zip(&mut unsound)
            {
                let magnitude = cost.abs();
                *unsound += 0.0 * cost; // stays zero of finite numbers
                *largest = if magnitude > *largest { magnitude } else { *largest };
                *minimum = if cost < *minimum { cost } else { *minimum };
            }
        };
        let (blocks, rest) = minima.as_chunks_mut::<LANES>();
        let (row_blocks, row_rest) = row.as_chunks::<LANES>();
        blocks.iter_mut().zip(row_blocks).for_each(|(minima, row)| look(minima, row));
        look(rest, row_rest);
        if unsound.iter().any(|zero| *zero != 0.0) {
            let (column, value) =
                row.iter().copied().enumerate().find(|(_, x)| !x.is_finite()).unwrap_or((0, f64::NAN));
            return Err(AssignmentError::NonFinite { row: i, column, value });
        }
    }
    let largest = largest.into_iter().fold(0.0, f64::max);
    Ok((minima, largest))
}
