//! Distances between two clouds of any sizes that need no pairing: energy distance and maximum mean discrepancy.

use crate::distances::{Distances, are_same, in_units};
use crate::error::{PointsError, TransportError};
use crate::exact_sum::Sum;
use ndarray::{ArrayView2, Axis};

/// The energy distance (Szekely and Rizzo, 2004) of two clouds, (n, d) and (m, d), over all pairs (the V-statistic:
/// never negative, and zero for equal clouds):
///
/// $$D^2 = \frac{2}{nm} \sum_{ij} |x_i - y_j| - \frac{1}{n^2} \sum_{ij} |x_i - x_j| - \frac{1}{m^2} \sum_{ij} |y_i - y_j|.$$
///
/// ```
/// use ndarray::array;
/// let (x, y) = (array![[0.0]], array![[3.0]]);
/// assert_eq!(strait_transport::energy_distance(x.view(), y.view())?, 6.0);
/// # Ok::<(), strait_transport::TransportError>(())
/// ```
///
/// # Errors
/// `TooFew`, `Dimensions`, `NoCoordinates`, `NonFinite`.
pub fn energy_distance<T: Copy + Into<f64>>(x: ArrayView2<'_, T>, y: ArrayView2<'_, T>) -> Result<f64, TransportError> {
    if let Some((x, y, unit)) = in_units(x, y) {
        return Ok(unit * energy_distance(x.view(), y.view())?);
    }
    let across = Distances::new(x, y, 1)?;
    let (n, m) = (x.nrows() as f64, y.nrows() as f64);
    if are_same(x, y) {
        return Ok(0.0);
    }
    // A far point adds more to each sum than the clouds may differ by.
    let cross = across.sum_rows(|_, row| Sum::of(row, f64::sqrt)).times(2.0 * n * m);
    let within = [off_diagonal(x, f64::sqrt)?.times(-m * m), off_diagonal(y, f64::sqrt)?.times(-n * n)];
    let distance = within.into_iter().chain([cross]).sum::<Sum>().value() / (n * m) / (n * m);
    Ok(if distance < 0.0 { 0.0 } else { distance }) // below it by rounding alone
}

/// How wide a Gaussian kernel is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bandwidth {
    /// The median heuristic: $\sigma$ is the median of the distances that are not zero between points of the pooled
    /// sample, over at most 512 evenly spaced rows of each cloud.
    Median,
    /// A given $\sigma$.
    Fixed(f64),
}

/// A squared maximum mean discrepancy and the kernel that it was measured with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmd {
    /// The unbiased estimate of $\mathrm{MMD}^2$. It can be negative when the laws are close.
    pub squared: f64,
    /// $\sigma$.
    pub bandwidth: f64,
}

/// The squared maximum mean discrepancy with a Gaussian kernel (Gretton et al., 2012, the unbiased estimate) of two
/// clouds, (n, d) and (m, d):
///
/// $$\frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j) -
/// \frac{2}{nm} \sum_{ij} k(x_i, y_j), \qquad k(a, b) = e^{-|a - b|^2 / 2 \sigma^2}.$$
///
/// ```
/// use ndarray::array;
/// use strait_transport::{Bandwidth, mmd};
/// let (x, y) = (array![[0.0], [0.0]], array![[9.0], [9.0]]);
/// assert!((mmd(x.view(), y.view(), Bandwidth::Fixed(1.0))?.squared - 2.0).abs() < 1e-12);
/// # Ok::<(), strait_transport::TransportError>(())
/// ```
///
/// # Errors
/// `TooFew` under two points; `Bandwidth`, `ZeroBandwidth`; `Dimensions`, `NoCoordinates`, `NonFinite`.
pub fn mmd<T: Copy + Into<f64>>(
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
    bandwidth: Bandwidth,
) -> Result<Mmd, TransportError> {
    if let Some((x, y, unit)) = in_units(x, y) {
        let own = match bandwidth {
            // The kernel of a width beyond all numbers is 1, as that of the largest is; that of none is 0.
            Bandwidth::Fixed(sigma) if sigma > 0.0 && sigma.is_finite() => {
                Bandwidth::Fixed((sigma / unit).clamp(f64::MIN_POSITIVE, f64::MAX))
            }
            other => other,
        };
        let found = mmd(x.view(), y.view(), own)?;
        return Ok(Mmd {
            bandwidth: match bandwidth {
                Bandwidth::Fixed(sigma) => sigma,
                Bandwidth::Median => unit * found.bandwidth,
            },
            ..found
        });
    }
    let across = Distances::new(x, y, 2)?;
    let bandwidth = match bandwidth {
        Bandwidth::Median => median_distance(x, y)?,
        Bandwidth::Fixed(sigma) if sigma > 0.0 && sigma.is_finite() => sigma,
        Bandwidth::Fixed(sigma) => return Err(TransportError::Bandwidth(sigma)),
    };
    // One division after the other: the square of the bandwidth may be no number, or zero.
    let kernel = |square: f64| (-0.5 * (square / bandwidth) / bandwidth).exp();
    let (n, m) = (x.nrows() as f64, y.nrows() as f64);
    let within =
        off_diagonal(x, kernel)?.value() / (n * (n - 1.0)) + off_diagonal(y, kernel)?.value() / (m * (m - 1.0));
    let cross = across.sum_rows(|_, row| Sum::of(row, kernel)).value();
    Ok(Mmd { squared: within - 2.0 * cross / (n * m), bandwidth })
}

/// $\sum_{i \ne j} f(|x_i - x_j|^2)$ within one cloud.
fn off_diagonal<T: Copy + Into<f64>>(x: ArrayView2<'_, T>, f: impl Fn(f64) -> f64 + Sync) -> Result<Sum, PointsError> {
    let sum = |i: usize, row: &[f64]| [&row[..i], &row[i + 1..]].map(|part| Sum::of(part, &f)).into_iter().sum();
    Ok(Distances::new(x, x, 1)?.sum_rows(sum))
}

fn median_distance<T: Copy + Into<f64>>(x: ArrayView2<'_, T>, y: ArrayView2<'_, T>) -> Result<f64, TransportError> {
    const ROWS: usize = 512;
    let sample = |points: ArrayView2<'_, T>| -> Vec<usize> {
        (0..points.nrows()).step_by(points.nrows().div_ceil(ROWS)).collect()
    };
    let pooled = ndarray::concatenate![Axis(0), x.select(Axis(0), &sample(x)), y.select(Axis(0), &sample(y))];
    let matrix = Distances::new(pooled.view(), pooled.view(), 2)?.matrix()?;
    let below = matrix.rows().into_iter().enumerate().flat_map(|(i, row)| row.into_iter().copied().take(i));
    let mut squares: Vec<f64> = below.filter(|&square| square > 0.0).collect();
    if squares.is_empty() {
        return Err(TransportError::ZeroBandwidth);
    }
    let middle = squares.len() / 2;
    Ok(squares.select_nth_unstable_by(middle, f64::total_cmp).1.sqrt())
}
