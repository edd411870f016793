//! Wasserstein-2 distances between two clouds of points with uniform weights: exact, and sliced.

use crate::assignment::{SquaredEuclidean, assign};
use crate::distances::{DIRECT, Distances, MATRIX_BYTES, centre, convert, in_units};
use crate::error::{Cloud, PointsError, TransportError};
use ndarray::{Array1, ArrayView2};
use strait_core::Draws;

/// The exact Wasserstein-2 distance of two clouds of equally many points:
///
/// $$W_2(x, y) = \Bigl( \min_\sigma \frac1n \sum_i |x_i - y_{\sigma(i)}|^2 \Bigr)^{1/2}.$$
///
/// `x` and `y` are (n, d). Up to eight dimensions the cost matrix is never stored; above, it takes $8 n^2$ bytes, at most
/// [`MATRIX_BYTES`](crate::MATRIX_BYTES).
///
/// ```
/// use ndarray::array;
/// use strait_transport::wasserstein2;
///
/// let x = array![[0.0, 0.0], [4.0, 0.0]];
/// let y = array![[4.0, 3.0], [0.0, 3.0]];
/// assert_eq!(wasserstein2(x.view(), y.view())?, 3.0);
/// # Ok::<(), strait_transport::TransportError>(())
/// ```
///
/// # Errors
/// `Counts` where the clouds differ in size; `TooFew`, `Dimensions`, `NoCoordinates`, `NonFinite`; `Memory`.
pub fn wasserstein2<T: Copy + Into<f64>>(x: ArrayView2<'_, T>, y: ArrayView2<'_, T>) -> Result<f64, TransportError> {
    if x.nrows() != y.nrows() {
        return Err(PointsError::Counts { source_count: x.nrows(), target_count: y.nrows() }.into());
    }
    if let Some((x, y, unit)) = in_units(x, y) {
        return Ok(unit * wasserstein2(x.view(), y.view())?);
    }
    let n = x.nrows();
    let columns = assign(&SquaredEuclidean::new(x, y)?)?.columns;
    // Anew from differences: the square root would show the rounding of a cost that came from a matrix product.
    let squares = |(i, &j): (usize, &usize)| {
        x.row(i).iter().zip(y.row(j)).map(|(&x, &y)| (x.into() - y.into()).powi(2)).sum::<f64>()
    };
    Ok((columns.iter().enumerate().map(squares).sum::<f64>() / n as f64).sqrt())
}

/// The most points of d coordinates whose [`wasserstein2`] is computed; None where there is no limit.
///
/// ```
/// assert_eq!(strait_transport::most_points(8), None);
/// assert_eq!(strait_transport::most_points(9), Some(23_170));
/// ```
pub fn most_points(d: usize) -> Option<u64> {
    (d > DIRECT).then(|| (MATRIX_BYTES / 8).isqrt())
}

/// The sliced Wasserstein-2 distance (Rabin et al., 2011; Bonneel et al., 2015), over `projections` directions drawn
/// uniformly from the sphere:
///
/// $$SW_2(x, y) = \Bigl( \frac1L \sum_{l=1}^{L} W_2^2(\theta_l \cdot x, \theta_l \cdot y) \Bigr)^{1/2},
/// \qquad W_2^2(a, b) = \int_0^1 \bigl( F_a^{-1}(q) - F_b^{-1}(q) \bigr)^2 dq.$$
///
/// `x` is (n, d) and `y` (m, d); the quantile form is exact for unequal counts too.
///
/// ```
/// use ndarray::array;
/// use strait_core::Seed;
/// use strait_transport::sliced_wasserstein2;
///
/// let x = array![[0.0], [2.0]];
/// let y = array![[1.0], [3.0], [1.0], [3.0]];
/// let mut draws = Seed(0).stream("projections").at(0);
/// assert!((sliced_wasserstein2(x.view(), y.view(), 8, &mut draws)? - 1.0).abs() < 1e-12);
/// # Ok::<(), strait_transport::TransportError>(())
/// ```
///
/// # Errors
/// `NoProjections`; `TooFew`, `Dimensions`, `NoCoordinates`, `NonFinite`.
pub fn sliced_wasserstein2<T: Copy + Into<f64>>(
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
    projections: usize,
    draws: &mut Draws,
) -> Result<f64, TransportError> {
    if projections == 0 {
        return Err(TransportError::NoProjections);
    }
    Distances::check(x, y)?;
    if let Some((x, y, unit)) = in_units(x, y) {
        return Ok(unit * sliced_wasserstein2(x.view(), y.view(), projections, draws)?);
    }
    let (mut x, mut y) = (convert(x, Cloud::Source, 1)?, convert(y, Cloud::Target, 1)?);
    // Projections of points far from 0 would lose their digits.
    let centre = centre(&x, &y);
    x -= &centre;
    y -= &centre;
    let mut sum = 0.0;
    for _ in 0..projections {
        let direction = direction(x.ncols(), draws);
        sum += squared_1d(&x.dot(&direction), &y.dot(&direction));
    }
    Ok((sum / projections as f64).sqrt())
}

/// A point uniform on the unit sphere: normal numbers (Box and Muller), normalised.
fn direction(dimension: usize, draws: &mut Draws) -> Array1<f64> {
    let uniform = |draws: &mut Draws| ((draws.bits() >> 11) as f64 + 0.5) * (-53f64).exp2();
    let normal: Array1<f64> = (0..dimension)
        .map(|_| {
            let radius = (-2.0 * uniform(draws).ln()).sqrt();
            radius * (std::f64::consts::TAU * uniform(draws)).cos()
        })
        .collect();
    let norm = normal.dot(&normal).sqrt();
    normal / norm
}

/// $W_2^2$ on the line, by walking the two quantile functions together. Mass is counted in units of 1 / (n m).
fn squared_1d(x: &Array1<f64>, y: &Array1<f64>) -> f64 {
    let (mut x, mut y) = (x.to_vec(), y.to_vec());
    x.sort_unstable_by(f64::total_cmp);
    y.sort_unstable_by(f64::total_cmp);
    let (n, m) = (x.len(), y.len());
    let (mut i, mut j, mut done, mut sum) = (0, 0, 0, 0.0);
    while i < n && j < m {
        let (x_end, y_end) = ((i + 1) * m, (j + 1) * n);
        let end = x_end.min(y_end);
        sum += (end - done) as f64 * (x[i] - y[j]) * (x[i] - y[j]);
        i += usize::from(x_end == end);
        j += usize::from(y_end == end);
        done = end;
    }
    sum / (n as f64 * m as f64)
}
