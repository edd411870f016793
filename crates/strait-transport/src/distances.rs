//! Squared Euclidean distances between two clouds, in blocks of rows.

use crate::error::{Cloud, PointsError};
use crate::exact_sum::Sum;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use std::ops::Range;

/// Up to this dimension differences are squared and added as they are, one coordinate after the other: as fast as
/// reading a stored matrix. Above, $|x - y|^2 = |x|^2 + |y|^2 - 2 x \cdot y$ goes through a matrix product.
pub(crate) const DIRECT: usize = 8;

/// Coordinates that are added in one pass over a row.
const TOGETHER: usize = 4;

/// Rows that are computed at once where a caller takes them one by one.
const BLOCK: usize = 128;

/// Multiplications from which a second thread pays.
const WORTH_THREADS: usize = 1 << 25;

/// A squared distance from a matrix product that is smaller than this share of the squared norms has lost digits, and
/// is computed again from differences.
const CANCELLED: f64 = 1e-6;

/// About as many points have their median as the origin of a matrix product.
const CENTRE: usize = 15;

/// The largest matrix of costs that is stored, in bytes: of 23,000 points with as many.
pub const MATRIX_BYTES: u64 = 4 << 30;

/// Two clouds in double precision. Above `DIRECT` dimensions they are moved so that the origin is in the middle of most
/// points, wherever a few of them are, which keeps the rounding of products small.
pub(crate) struct Distances {
    x: Array2<f64>,
    /// (d, m): one coordinate of all targets is contiguous.
    y: Array2<f64>,
    x_norms: Array1<f64>,
    y_norms: Array1<f64>,
}

impl Distances {
    /// Checks and converts two clouds, (n, d) and (m, d), with at least `needed` points each.
    pub(crate) fn new<T: Copy + Into<f64>>(
        x: ArrayView2<'_, T>,
        y: ArrayView2<'_, T>,
        needed: usize,
    ) -> Result<Self, PointsError> {
        Self::check(x, y)?;
        let mut x = convert(x, Cloud::Source, needed)?;
        let mut y = convert(y, Cloud::Target, needed)?;
        if x.ncols() > DIRECT {
            let centre = centre(&x, &y);
            x -= &centre;
            y -= &centre;
        }
        let norms = |points: &Array2<f64>| points.map_axis(Axis(1), |point| point.dot(&point));
        let (x_norms, y_norms) = (norms(&x), norms(&y));
        let y = y.reversed_axes().as_standard_layout().into_owned();
        Ok(Self { x, y, x_norms, y_norms })
    }

    /// Refuses clouds of different dimensions.
    pub(crate) fn check<T>(x: ArrayView2<'_, T>, y: ArrayView2<'_, T>) -> Result<(), PointsError> {
        if x.ncols() != y.ncols() {
            return Err(PointsError::Dimensions { source_dimension: x.ncols(), target_dimension: y.ncols() });
        }
        if x.ncols() == 0 { Err(PointsError::NoCoordinates) } else { Ok(()) }
    }

    /// The numbers of source and of target points.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.x.nrows(), self.y.ncols())
    }

    /// Whether a row costs no more to compute than to store.
    pub(crate) fn is_direct(&self) -> bool {
        self.x.ncols() <= DIRECT
    }

    /// The squared distances of source `i` to all targets, without a matrix product.
    pub(crate) fn row(&self, i: usize, out: &mut [f64]) {
        let (Some(x), Some(y)) = (self.x.row(i).to_slice(), self.y.as_slice()) else { return };
        for (k, (x, y)) in x.chunks(TOGETHER).zip(y.chunks(TOGETHER * out.len().max(1))).enumerate() {
            let before = |out: f64| if k == 0 { 0.0 } else { out };
            match *x {
                [a, b, c, d] => add_squares([a, b, c, d], y, out, before),
                [a, b, c] => add_squares([a, b, c], y, out, before),
                [a, b] => add_squares([a, b], y, out, before),
                _ => add_squares([x[0]], y, out, before),
            }
        }
    }

    /// The squared distances of some sources to all targets.
    fn block(&self, rows: Range<usize>, mut out: ArrayViewMut2<'_, f64>) {
        if self.is_direct() {
            for (i, mut out) in rows.zip(out.rows_mut()) {
                if let Some(out) = out.as_slice_mut() {
                    self.row(i, out);
                }
            }
            return;
        }
        general_mat_mul(-2.0, &self.x.slice(s![rows.clone(), ..]), &self.y, 0.0, &mut out);
        for (i, mut out) in rows.zip(out.rows_mut()) {
            let x_norm = self.x_norms[i];
            let mut cancelled = false;
            out.zip_mut_with(&self.y_norms, |out, y_norm| {
                let norms = x_norm + y_norm;
                *out += norms;
                cancelled |= *out < CANCELLED * norms;
            });
            if cancelled {
                self.renew_cancelled(i, out);
            }
        }
    }

    fn renew_cancelled(&self, i: usize, mut out: ArrayViewMut1<'_, f64>) {
        for (j, (out, y_norm)) in out.iter_mut().zip(&self.y_norms).enumerate() {
            if *out < CANCELLED * (self.x_norms[i] + y_norm) {
                *out = self.x.row(i).iter().zip(self.y.column(j)).map(|(x, y)| (x - y) * (x - y)).sum();
            }
        }
    }

    /// All squared distances, (n, m); on two or more threads where that pays. `Memory` before it is taken.
    pub(crate) fn matrix(&self) -> Result<Array2<f64>, PointsError> {
        let (n, m) = self.shape();
        let bytes = 8 * n as u64 * m as u64;
        if bytes > MATRIX_BYTES {
            return Err(PointsError::Memory { source_count: n, target_count: m, bytes, limit: MATRIX_BYTES });
        }
        let mut matrix = Array2::zeros((n, m));
        let rows = n.div_ceil(self.threads());
        std::thread::scope(|scope| {
            for (chunk, out) in matrix.axis_chunks_iter_mut(Axis(0), rows).enumerate() {
                let first = chunk * rows;
                let work = move || self.block(first..first + out.nrows(), out);
                if rows == n {
                    work();
                } else {
                    scope.spawn(work);
                }
            }
        });
        Ok(matrix)
    }

    /// $\sum_i f(i, \text{squared distances of source } i)$; on two or more threads where that pays.
    pub(crate) fn sum_rows(&self, f: impl Fn(usize, &[f64]) -> Sum + Sync) -> Sum {
        let (n, m) = self.shape();
        let rows = n.div_ceil(self.threads());
        let part = |range: Range<usize>| {
            let mut buffer = Array2::zeros((BLOCK.min(range.len()), m));
            let mut sum = Sum::default();
            for first in range.clone().step_by(BLOCK) {
                let block = first..(first + BLOCK).min(range.end);
                let mut out = buffer.slice_mut(s![..block.len(), ..]);
                self.block(block.clone(), out.view_mut());
                let rows = block.zip(out.rows()).filter_map(|(i, row)| Some(f(i, row.as_slice()?)));
                sum = std::iter::once(sum).chain(rows).sum();
            }
            sum
        };
        let part = &part;
        std::thread::scope(|scope| {
            let ranges = (0..n).step_by(rows).map(|first| first..(first + rows).min(n));
            if rows == n {
                return part(0..n);
            }
            let parts: Vec<_> = ranges.map(|range| scope.spawn(move || part(range))).collect();
            parts.into_iter().map(|part| part.join().unwrap_or(Sum::of(&[f64::NAN], |x| x))).sum()
        })
    }

    fn threads(&self) -> usize {
        let (n, m) = self.shape();
        if n * m < WORTH_THREADS / self.x.ncols() {
            return 1;
        }
        std::thread::available_parallelism().map_or(1, |threads| threads.get().min(n))
    }
}

/// Adds the squares of some coordinates to what was there `before`.
#[inline]
fn add_squares<const D: usize>(x: [f64; D], y: &[f64], out: &mut [f64], before: impl Fn(f64) -> f64) {
    let n = out.len();
    // Slices of one length, so that no index is checked and the loop becomes vector instructions.
    let mut columns = [y; D];
    for (k, column) in columns.iter_mut().enumerate() {
        *column = &y[k * n..(k + 1) * n];
    }
    for (j, out) in out.iter_mut().enumerate() {
        let mut sum = before(*out);
        for k in 0..D {
            let difference = x[k] - columns[k][j];
            sum += difference * difference;
        }
        *out = sum;
    }
}

/// The median of some points of both clouds, coordinate by coordinate.
pub(crate) fn centre(x: &Array2<f64>, y: &Array2<f64>) -> Array1<f64> {
    let rows = |points: &Array2<f64>| points.nrows().div_ceil(CENTRE / 2).max(1);
    let some = ndarray::concatenate![Axis(0), x.slice(s![..;rows(x), ..]), y.slice(s![..;rows(y), ..])];
    some.map_axis(Axis(0), |values| {
        let mut values = values.to_vec();
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f64::total_cmp).1
    })
}

/// Whether two clouds hold the same points, in any order.
pub(crate) fn are_same<T: Copy + Into<f64>>(x: ArrayView2<'_, T>, y: ArrayView2<'_, T>) -> bool {
    let sorted = |points: ArrayView2<'_, T>| {
        // -0 and 0 are one number.
        let rows = points.rows().into_iter().map(|row| row.iter().map(|&x| x.into() + 0.0).collect::<Vec<f64>>());
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        rows
    };
    x.dim() == y.dim() && sorted(x) == sorted(y)
}

/// Sizes of coordinates between which squares of differences, and sums of those, stay within the range of a double.
const ORDINARY: std::ops::RangeInclusive<f64> = 1e-130..=1e130;

/// What large coordinates become in units of their own: near the upper end of `ORDINARY`, so that the squares of coordinates
/// many orders below the largest are not lost.
const LARGEST: f64 = 430.0;

/// Two clouds and the power of two that they were divided by, which makes the largest coordinate of ordinary size; None where
/// it is so already. A distance in these units times the power is that of the points, to the bit where neither is subnormal.
pub(crate) fn in_units<T: Copy + Into<f64>>(
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
) -> Option<(Array2<f64>, Array2<f64>, f64)> {
    let size = |points: ArrayView2<'_, T>| points.iter().fold(0.0f64, |size, &x| size.max(x.into().abs()));
    let largest = size(x).max(size(y));
    if largest == 0.0 || !largest.is_finite() || ORDINARY.contains(&largest) {
        return None;
    }
    // Its inverse is a finite number.
    let unit = (largest.log2().floor() - LARGEST).max(-1022.0).exp2();
    let divided = |points: ArrayView2<'_, T>| points.mapv(|x| x.into() / unit);
    Some((divided(x), divided(y), unit))
}

/// A cloud in double precision; refuses too few points, and points that are not finite.
pub(crate) fn convert<T: Copy + Into<f64>>(
    points: ArrayView2<'_, T>,
    cloud: Cloud,
    needed: usize,
) -> Result<Array2<f64>, PointsError> {
    let count = points.nrows();
    if count < needed {
        return Err(PointsError::TooFew { cloud, count, needed });
    }
    let points = points.mapv(Into::into).as_standard_layout().into_owned();
    match points.rows().into_iter().position(|point| !point.iter().all(|x| x.is_finite())) {
        Some(row) => Err(PointsError::NonFinite { cloud, row }),
        None => Ok(points),
    }
}
