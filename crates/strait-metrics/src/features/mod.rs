//! Feature maps: distances between the features of samples can say more than distances between the samples themselves.

mod classifier;
mod convolutions;
mod lite0;
mod torch_script;

pub use classifier::{Classifier, ClassifierShape, Fit};
pub use convolutions::ConvolutionsShape;
pub use lite0::Lite0;
pub use torch_script::TorchScript;

use crate::{MetricError, coverage, frechet, kernel_distance};
use strait_core::Error;
use strait_transport::{energy_distance, to_array};
use tch::Tensor;

/// A fixed map from samples to features. A distance is named after it, and compares only with distances in the same.
pub trait FeatureMap {
    /// Its name, in lower case, as metrics are named after it.
    fn name(&self) -> &str;

    /// Features (n, f) of samples (n, ...) in the data's own units, without a gradient.
    ///
    /// # Errors
    /// `Shape` where the samples do not fit.
    fn features(&self, x: &Tensor) -> Result<Tensor, Error>;
}

/// That samples are images that a network for photographs takes.
fn check_images(x: &Tensor) -> Result<(), Error> {
    match x.size()[..] {
        [n, 1 | 3, height, width] if n.min(height).min(width) > 0 => Ok(()),
        _ => Err(Error::Shape { what: "images", expected: "(n, C, H, W) of 1 or 3 channels".into(), found: x.size() }),
    }
}

/// Neighbours that make a neighbourhood of coverage, as Naeem et al. choose them.
const NEIGHBOURS: i64 = 5;

/// How far two sets of features are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureDistances {
    /// The Frechet distance, of means and covariances alone: see [`frechet`].
    pub frechet: f64,
    /// The energy distance, which is zero for equal laws only: see [`energy_distance`].
    pub energy_distance: f64,
    /// The kernel distance, unbiased: see [`kernel_distance`].
    pub kernel: f64,
    /// See [`coverage`].
    pub density: f64,
    /// See [`coverage`].
    pub coverage: f64,
    /// See [`coverage`].
    pub precision: f64,
    /// See [`coverage`].
    pub recall: f64,
}

/// Distances of the features (n, f) of samples from those of real points (m, f).
///
/// # Errors
/// `Shape` where they do not fit or the real points are fewer than seven; `NonFinite`.
pub fn feature_distances(samples: &Tensor, real: &Tensor) -> Result<FeatureDistances, MetricError> {
    let found = coverage(real, samples, NEIGHBOURS)?;
    let (x, y) = (to_array(samples)?, to_array(real)?);
    Ok(FeatureDistances {
        frechet: frechet(samples, real)?,
        energy_distance: energy_distance(x.view(), y.view())?,
        kernel: kernel_distance(samples, real)?,
        density: found.density,
        coverage: found.coverage,
        precision: found.precision,
        recall: found.recall,
    })
}
