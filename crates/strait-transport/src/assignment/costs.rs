//! The costs: a matrix, or the distances between two clouds of points.

use crate::distances::Distances;
use crate::error::PointsError;
use ndarray::{Array2, ArrayView2};

/// Up to this many costs are stored where they are made row by row, or lie otherwise.
pub(super) const STORED: usize = 1 << 22;

/// Costs that are looked at together.
pub(super) const LANES: usize = 8;

/// A table of costs, row by row.
pub trait Costs {
    /// The numbers of rows and of columns.
    fn shape(&self) -> (usize, usize);

    /// Row `i`, either lent as it is stored, or written to `buffer` (as long as a row) and lent from there. Must give
    /// the same numbers at every call.
    fn row<'a>(&'a self, i: usize, buffer: &'a mut [f64]) -> &'a [f64];
}

/// A cost matrix in single or double precision, of any sign.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a, T>(pub ArrayView2<'a, T>);

impl Costs for Dense<'_, f64> {
    fn shape(&self) -> (usize, usize) {
        self.0.dim()
    }

    fn row<'a>(&'a self, i: usize, buffer: &'a mut [f64]) -> &'a [f64] {
        let row = self.0.row(i);
        if let Some(row) = row.to_slice() {
            return row;
        }
        buffer.iter_mut().zip(row).for_each(|(out, &cost)| *out = cost);
        buffer
    }
}

impl Costs for Dense<'_, f32> {
    fn shape(&self) -> (usize, usize) {
        self.0.dim()
    }

    fn row<'a>(&'a self, i: usize, buffer: &'a mut [f64]) -> &'a [f64] {
        let row = self.0.row(i);
        match row.to_slice() {
            Some(row) => buffer.iter_mut().zip(row).for_each(|(out, &cost)| *out = cost.into()),
            None => buffer.iter_mut().zip(row).for_each(|(out, &cost)| *out = cost.into()),
        }
        buffer
    }
}

/// $c_{ij} = |x_i - y_j|^2$ for two clouds of points. In low dimension rows are computed as they are asked for, and
/// the matrix is never stored; else it is, in double precision.
pub struct SquaredEuclidean(Table);

enum Table {
    Direct(Distances),
    Stored(Array2<f64>),
}

impl SquaredEuclidean {
    /// The costs between the rows of `x`, (n, d), and the rows of `y`, (m, d).
    ///
    /// ```
    /// use ndarray::array;
    /// use strait_transport::assignment::{SquaredEuclidean, assign};
    ///
    /// let x = array![[0.0f32, 0.0], [1.0, 0.0]];
    /// let y = array![[1.0f32, 0.5], [0.0, 0.5]];
    /// assert_eq!(assign(&SquaredEuclidean::new(x.view(), y.view())?)?.columns, [1, 0]);
    /// # Ok::<(), strait_transport::TransportError>(())
    /// ```
    ///
    /// # Errors
    /// `TooFew`, `Dimensions`, `NoCoordinates`, `NonFinite`; `Memory` where the matrix would be larger than
    /// [`MATRIX_BYTES`](crate::MATRIX_BYTES).
    pub fn new<T: Copy + Into<f64>>(x: ArrayView2<'_, T>, y: ArrayView2<'_, T>) -> Result<Self, PointsError> {
        let distances = Distances::new(x, y, 1)?;
        Ok(Self(if distances.is_direct() { Table::Direct(distances) } else { Table::Stored(distances.matrix()?) }))
    }
}

impl Costs for SquaredEuclidean {
    fn shape(&self) -> (usize, usize) {
        match &self.0 {
            Table::Direct(distances) => distances.shape(),
            Table::Stored(matrix) => matrix.dim(),
        }
    }

    fn row<'a>(&'a self, i: usize, buffer: &'a mut [f64]) -> &'a [f64] {
        match &self.0 {
            Table::Direct(distances) => {
                distances.row(i, buffer);
                buffer
            }
            Table::Stored(matrix) => matrix.row(i).to_slice().unwrap_or(buffer),
        }
    }
}
