//! The linear assignment problem, exactly: $\min_\sigma \sum_i c_{i \sigma(i)}$ over permutations of $n$ columns.
//!
//! Three ideas, each in a module of its own:
//!
//! - Column potentials only ever fall, so a reduced cost $c_{ij} - v_j$ only ever rises. Each row therefore works on a
//!   short list of its cheapest columns with a floor under all others, exactly, and reads the whole row again only when
//!   the floor is passed (`candidates`).
//! - An auction whose increment falls eightfold from phase to phase finds an assignment that is nearly optimal
//!   (`auction`). Its first increment is the median range of the lists, and doubles while rows compete for long.
//! - Shortest paths in the residual graph (Bellman-Ford) then lower potentials until no reduced cost is negative, and
//!   take every negative cycle that they meet: what is left is optimal, and the potentials prove it (`repair`).
//!
//! Shortest augmenting paths one row at a time (Jonker and Volgenant) on the same lists, also from the potentials of a
//! subsample, were as fast in 3,072 dimensions and two to ten times slower in the plane, where the last paths are long.

mod auction;
mod candidates;
mod costs;
mod matching;
mod repair;

pub use costs::{Costs, Dense, SquaredEuclidean};

use candidates::Candidates;
use matching::Matching;

/// Every potential stays below `f64::MAX` while no cost is larger than this.
const LARGEST_COST: f64 = 1e280;

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

/// Why an assignment problem is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AssignmentError {
    /// There is nothing to assign.
    #[error("an assignment needs at least one row and one column")]
    Empty,
    /// Rows and columns differ in number.
    #[error("an assignment needs as many columns as rows: {rows} rows, {columns} columns")]
    NotSquare {
        /// The rows of the cost matrix, or the source points.
        rows: usize,
        /// The columns of the cost matrix, or the target points.
        columns: usize,
    },
    /// A cost is NaN or infinite.
    #[error("cost ({row}, {column}) is {value}")]
    NonFinite {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The cost.
        value: f64,
    },
    /// A cost is so large that sums of costs would overflow.
    #[error("cost ({row}, {column}) is {value:e}; magnitudes above {LARGEST_COST:e} overflow: scale the costs down")]
    TooLarge {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The cost.
        value: f64,
    },
}

impl Assignment {
    /// The largest amount by which the potentials fail to prove this assignment optimal for `costs`:
    ///
    /// $$\max\Bigl( \max_{ij} (u_i + v_j - c_{ij}), \max_i |c_{i \sigma(i)} - u_i - v_{\sigma(i)}| \Bigr).$$
    ///
    /// The cost is within $2n$ times this of the optimum, whatever algorithm found it. It is rounding: about
    /// $10^{-15}$ of the largest cost.
    pub fn violation(&self, costs: &impl Costs) -> f64 {
        let mut buffer = vec![0.0; self.columns.len()];
        let mut worst: f64 = 0.0;
        for (i, (&column, u)) in self.columns.iter().zip(&self.row_potentials).enumerate() {
            let row = costs.row(i, &mut buffer);
            let over = row.iter().zip(&self.column_potentials).map(|(cost, v)| u + v - cost).fold(0.0, f64::max);
            worst = worst.max(over).max((row[column] - u - self.column_potentials[column]).abs());
        }
        worst
    }
}

/// Solves the assignment problem exactly, up to the rounding of double precision.
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
/// `Empty`, `NotSquare`; `NonFinite` and `TooLarge` name the entry.
pub fn assign(costs: &impl Costs) -> Result<Assignment, AssignmentError> {
    let (column_minima, largest) = survey(costs)?;
    let n = column_minima.len();
    let mut matching = Matching::new(column_minima);
    let mut candidates = Candidates::new(n);
    let mut gaps: Vec<f64> = (0..n).map(|row| candidates.renew(costs, row, &matching.v)).collect();

    // The increment starts at the scale of the candidates' costs, and ends before it would be lost in rounding.
    let smallest = |matching: &Matching| {
        let largest = matching.v.iter().fold(largest, |largest, v| largest.max(v.abs()));
        (64.0 * f64::EPSILON * largest).max(f64::from_bits(1))
    };
    let gap = *gaps.select_nth_unstable_by(n / 2, f64::total_cmp).1;
    let mut epsilon = gap.max(smallest(&matching));

    let mut free: Vec<u32> = (0..n as u32).rev().collect();
    epsilon = auction::phase(&mut matching, &mut candidates, costs, epsilon, true, &mut free);
    for phase in 1u32.. {
        epsilon = (epsilon / SCALING).max(smallest(&matching));
        auction::free_dissatisfied(&mut matching, &candidates, epsilon, &mut free);
        auction::phase(&mut matching, &mut candidates, costs, epsilon, false, &mut free);
        // Two phases leave too much to repair. Later a failed attempt is cheap beside a phase, and not lost.
        let last = epsilon <= smallest(&matching);
        let budget = if last { usize::MAX } else { n << (phase - 1).min(16) };
        if (phase >= 2 || last) && repair::repair(&mut matching, &mut candidates, costs, budget) {
            break;
        }
    }
    Ok(Assignment {
        columns: matching.column_of.iter().map(|&j| j as usize).collect(),
        row_potentials: (0..n).map(|i| matching.u(i)).collect(),
        cost: matching.paid.iter().sum(),
        column_potentials: matching.v,
    })
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
            sound &= magnitude <= LARGEST_COST; // false for NaN
            largest = if magnitude > largest { magnitude } else { largest };
            *minimum = if cost < *minimum { cost } else { *minimum };
        }
        if !sound {
            let (column, value) = row
                .iter()
                .copied()
                .enumerate()
                .find(|(_, cost)| cost.is_nan() || cost.abs() > LARGEST_COST)
                .unwrap_or((0, f64::NAN));
            return Err(if value.is_finite() {
                AssignmentError::TooLarge { row: i, column, value }
            } else {
                AssignmentError::NonFinite { row: i, column, value }
            });
        }
    }
    Ok((minima, largest))
}
