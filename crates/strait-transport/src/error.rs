//! The errors of points, of costs, and of stored pairs.

use std::fmt;
use std::path::PathBuf;

/// One of the two clouds of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// The first, $x$.
    Source,
    /// The second, $y$.
    Target,
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why two clouds of points are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PointsError {
    /// A cloud has too few points for what is asked.
    #[error("the {cloud} cloud has {count} points, {needed} are needed")]
    TooFew {
        /// Which cloud.
        cloud: Cloud,
        /// How many points it has.
        count: usize,
        /// How many it must have.
        needed: usize,
    },
    /// The two clouds have different dimensions.
    #[error("source points have {source_dimension} dimensions, target points {target_dimension}")]
    Dimensions {
        /// The dimension of the source points.
        source_dimension: usize,
        /// The dimension of the target points.
        target_dimension: usize,
    },
    /// Points have no coordinates.
    #[error("points have no coordinates")]
    NoCoordinates,
    /// A point has a coordinate that is NaN or infinite.
    #[error("row {row} of the {cloud} cloud is not finite")]
    NonFinite {
        /// Which cloud.
        cloud: Cloud,
        /// Its row.
        row: usize,
    },
    /// The matrix of their costs would take more memory than is allowed.
    #[error(
        "the costs of {source_count} by {target_count} points take {:.1} GiB, and at most {:.1} are taken; use fewer points",
        gib(*bytes), gib(*limit)
    )]
    Memory {
        /// The number of source points.
        source_count: usize,
        /// The number of target points.
        target_count: usize,
        /// What the matrix would take.
        bytes: u64,
        /// What it may.
        limit: u64,
    },
    /// A distance that pairs points one to one was asked of clouds of different sizes.
    #[error("an exact assignment needs as many target points as source points: {source_count} and {target_count}")]
    Counts {
        /// The number of source points.
        source_count: usize,
        /// The number of target points.
        target_count: usize,
    },
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
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
}

/// Why the Sinkhorn iteration gave no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SinkhornError {
    /// The regularisation is not a positive number.
    #[error("the regularisation is {0:e}, and must be positive")]
    Epsilon(f64),
    /// There are no costs.
    #[error("entropic transport needs at least one row and one column")]
    Empty,
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
    /// The marginals were still off after the last iteration.
    #[error(
        "Sinkhorn did not converge: marginal error {marginal_error:.2e} after {iterations} iterations at epsilon \
         {epsilon:e}, tolerance {tolerance:e}; raise epsilon, the tolerance or the iterations"
    )]
    NotConverged {
        /// How many iterations were made.
        iterations: usize,
        /// What the rows' sums were off by.
        marginal_error: f64,
        /// What was allowed.
        tolerance: f64,
        /// The regularisation.
        epsilon: f64,
    },
}

/// Why a distance between two clouds could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The points.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// Their costs.
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
    /// The Sinkhorn iteration.
    #[error(transparent)]
    Sinkhorn(#[from] SinkhornError),
    /// All points that the median heuristic looks at coincide.
    #[error("all points coincide, and have no median distance: give a bandwidth")]
    ZeroBandwidth,
    /// A kernel bandwidth is not a positive number.
    #[error("the bandwidth is {0:e}, and must be positive")]
    Bandwidth(f64),
    /// The draws of a semidiscrete coupling did not suffice.
    #[error(
        "after {draws} draws chi^2 of the data's marginal is {found:.3} at the scale where it is greatest, and {tolerance:e} was \
         asked for: allow more draws, or raise the tolerance"
    )]
    Marginal {
        /// What it is.
        found: f64,
        /// What it should be at most.
        tolerance: f64,
        /// How many source points were drawn.
        draws: i64,
    },
    /// A mean over no projections.
    #[error("a sliced distance needs at least one projection")]
    NoProjections,
}

/// Why stored pairs could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairsError {
    /// A file is missing, or could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file is not what was written there.
    #[error("{} is damaged: {problem}; delete it, and it is made again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The pairs themselves.
    #[error(transparent)]
    Core(#[from] strait_core::Error),
}
