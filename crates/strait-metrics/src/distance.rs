use crate::MetricError;
use strait_core::{Seed, check_finite};
use strait_transport::{sliced_wasserstein2, to_array, wasserstein2};
use tch::Tensor;

/// Directions of the sliced distance: the same in every measurement.
const DIRECTIONS: usize = 128;

/// Wasserstein distances between two sets of as many points, in the points' own units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// $W_2$, exactly: the root of the mean squared Euclidean cost of the optimal assignment.
    pub w2: f64,
    /// Sliced $W_2$ over 128 fixed random directions.
    pub sliced_w2: f64,
}

/// Distances between samples (n, ...) and reference points (n, ...), flattened.
///
/// # Errors
/// `NonFinite` where a sample is not finite; `Shape` where there is no dimension beside the batch; `Transport` where
/// the sets do not fit.
///
/// ```
/// use tch::{Device, Kind, Tensor};
/// let x = Tensor::randn([50, 2], (Kind::Float, Device::Cpu));
/// let found = strait_metrics::distances(&(&x + Tensor::from_slice(&[3.0f32, 4.0])), &x)?;
/// assert!((found.w2 - 5.0).abs() < 1e-5); // a translation moves every point by as much
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
pub fn distances(x: &Tensor, y: &Tensor) -> Result<Distances, MetricError> {
    check_finite("a sample", x, String::new)?;
    let (x, y) = (to_array(x)?, to_array(y)?);
    let mut draws = Seed(0).stream("directions").at(0);
    let sliced_w2 = sliced_wasserstein2(x.view(), y.view(), DIRECTIONS, &mut draws)?;
    Ok(Distances { w2: wasserstein2(x.view(), y.view())?, sliced_w2 })
}
