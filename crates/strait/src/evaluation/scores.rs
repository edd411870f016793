//! The numbers that samples are judged by, each with its name, its words and which way is better.

use super::features::{Features, Space};
use crate::ProgramError;
use crate::build::Data;
use strait_core::{Seed, Split};
use strait_metrics::features::{FeatureDistances, feature_distances};
use strait_metrics::{Distances, distances, nearest, nearest_rows};
use strait_report::Better;
use tch::Tensor;

/// A number that samples are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The exact Wasserstein-2 distance.
    W2,
    /// The sliced one.
    SlicedW2,
    /// The Frechet distance in features.
    Frechet(Space),
    /// The energy distance in features.
    EnergyDistance(Space),
    /// The kernel distance in features.
    Kernel(Space),
    /// The density in features.
    Density(Space),
    /// The coverage in features.
    Coverage(Space),
    /// The precision in features.
    Precision(Space),
    /// The recall in features.
    Recall(Space),
    /// The median distance of a sample to its nearest training point, in the data's units.
    NearestTrain,
}

impl Metric {
    /// All, in the order of tables.
    pub fn all() -> impl Iterator<Item = Self> {
        const IN_FEATURES: [fn(Space) -> Metric; 7] = [
            Metric::Frechet,
            Metric::EnergyDistance,
            Metric::Kernel,
            Metric::Density,
            Metric::Coverage,
            Metric::Precision,
            Metric::Recall,
        ];
        let in_features = IN_FEATURES.into_iter().flat_map(|metric| Space::ALL.map(metric));
        [Self::W2, Self::SlicedW2].into_iter().chain(in_features).chain([Self::NearestTrain])
    }

    /// The one that judges samples. Above a few dimensions $W_2$ between samples is mostly its floor, and blurred samples
    /// lie nearer to all real points than real points do to each other.
    pub fn leading(floor: &Scores, dimensions: i64) -> Self {
        match &floor.features {
            Some(found) => Self::Frechet(found.space),
            None if dimensions > 8 => Self::SlicedW2,
            None => Self::W2,
        }
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        let (space, names) = match self {
            Self::W2 => return "w2",
            Self::SlicedW2 => return "sliced_w2",
            Self::NearestTrain => return "nearest_train",
            Self::Frechet(space) => (space, ["frechet_classifier", "frechet_lite0", "fid"]),
            Self::EnergyDistance(space) => {
                (space, ["energy_distance_classifier", "energy_distance_lite0", "energy_distance_inception"])
            }
            Self::Kernel(space) => (space, ["kernel_distance_classifier", "kernel_distance_lite0", "kid"]),
            Self::Density(space) => (space, ["density_classifier", "density_lite0", "density_inception"]),
            Self::Coverage(space) => (space, ["coverage_classifier", "coverage_lite0", "coverage_inception"]),
            Self::Precision(space) => (space, ["precision_classifier", "precision_lite0", "precision_inception"]),
            Self::Recall(space) => (space, ["recall_classifier", "recall_lite0", "recall_inception"]),
        };
        names[space as usize]
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|metric| metric.name() == name)
    }

    /// Its heading, of [`Self::shown`].
    pub fn heading(self) -> String {
        let (space, what) = match self {
            Self::W2 => return "W2".into(),
            Self::SlicedW2 => return "Sliced W2".into(),
            Self::NearestTrain => return "Median distance to the nearest training image".into(),
            Self::Frechet(Space::Inception) => return "FID".into(),
            Self::Frechet(space) => (space, "Frechet distance"),
            Self::EnergyDistance(space) => (space, "100 x energy distance"),
            Self::Kernel(space) => (space, "100 x kernel distance"),
            Self::Density(space) => (space, "Density"),
            Self::Coverage(space) => (space, "Coverage"),
            Self::Precision(space) => (space, "Precision"),
            Self::Recall(space) => (space, "Recall"),
        };
        format!("{what} in {} features", space.in_words())
    }

    /// Its name within a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::W2 => "W2",
            Self::SlicedW2 => "sliced W2",
            Self::Frechet(Space::Inception) => "FID",
            Self::Frechet(_) => "Frechet distance",
            Self::EnergyDistance(_) => "100 x energy distance",
            Self::Kernel(_) => "100 x kernel distance",
            Self::Density(_) => "density",
            Self::Coverage(_) => "coverage",
            Self::Precision(_) => "precision",
            Self::Recall(_) => "recall",
            Self::NearestTrain => "distance to the nearest training image",
        }
    }

    /// A value as tables show it.
    pub fn shown(self, value: f64) -> f64 {
        if matches!(self, Self::EnergyDistance(_) | Self::Kernel(_)) { 100.0 * value } else { value }
    }

    /// Whether it is a distance between laws, zero at best. The kernel distance is an unbiased estimate of one, which falls below
    /// zero where it is good, and is on no scale of logarithms. Density and nearness are only to be as real points have them.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::W2 | Self::SlicedW2 | Self::Frechet(_) | Self::EnergyDistance(_))
    }

    /// Which value is the best.
    pub fn better(self) -> Better {
        match self {
            Self::Coverage(_) | Self::Precision(_) | Self::Recall(_) => Better::Higher,
            Self::Density(_) | Self::NearestTrain => Better::Neither,
            _ => Better::Lower,
        }
    }

    /// Its value and how many samples it is of; None where it was not measured.
    pub fn of(self, scores: &Scores) -> Option<(f64, i64)> {
        let plain = |value| Some((value, scores.samples));
        let features = scores.features.as_ref();
        let of = |space, value: fn(&FeatureDistances) -> f64| {
            let found = features.filter(|found| found.space == space)?;
            Some((value(&found.distances), found.samples))
        };
        match self {
            Self::W2 => plain(scores.distances.w2),
            Self::SlicedW2 => plain(scores.distances.sliced_w2),
            Self::Frechet(space) => of(space, |found| found.frechet),
            Self::EnergyDistance(space) => of(space, |found| found.energy_distance),
            Self::Kernel(space) => of(space, |found| found.kernel),
            Self::Density(space) => of(space, |found| found.density),
            Self::Coverage(space) => of(space, |found| found.coverage),
            Self::Precision(space) => of(space, |found| found.precision),
            Self::Recall(space) => of(space, |found| found.recall),
            Self::NearestTrain => features.map(|found| (found.nearest_train, scores.samples)),
        }
    }
}

/// How many samples are compared one by one where features judge: the exact $W_2$ of 10,000 images takes minutes, and is
/// mostly its floor.
pub const ONE_BY_ONE: i64 = 1_000;

/// How far samples are from the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Between as many samples as there are reference points; at most [`ONE_BY_ONE`] where features judge.
    pub distances: Distances,
    /// How many, and how many samples training points are sought for.
    pub samples: i64,
    /// Where the data have a feature map.
    pub features: Option<FeatureScores>,
}

/// How far samples are from the reference in features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureScores {
    /// Which features.
    pub space: Space,
    /// Of the features.
    pub distances: FeatureDistances,
    /// The median distance of a sample to its nearest training point, in the data's units.
    pub nearest_train: f64,
    /// How many samples.
    pub samples: i64,
}

/// What samples are compared with in features. There are more samples than reference points, since the fewer there are
/// the more of a distance is bias and chance.
pub struct FeatureReference {
    features: Features,
    /// Features of the reference points.
    real: Tensor,
    /// All training points, in the data's units.
    train: Tensor,
}

impl FeatureReference {
    /// Against reference points (n, ...) in the data's units.
    ///
    /// # Errors
    /// Those of the data and the features.
    pub fn new(features: Features, data: &Data, reference: &Tensor) -> Result<Self, ProgramError> {
        let (real, points) = (features.of_real(reference)?, &data.points);
        let draws = &mut Seed(0).stream("training points").at(0);
        let all = points.len(Split::Train).unwrap_or(reference.size()[0]);
        // Some at a time: units are changed in double precision.
        let parts = points.points(Split::Train, all, draws)?.f_split(4096, 0)?;
        let parts: Vec<Tensor> = parts.iter().map(|part| points.denormalise(part)).collect::<Result<_, _>>()?;
        let train = Tensor::f_cat(&parts, 0)?;
        Ok(Self { features, real, train })
    }

    /// What the numbers depend on, in words.
    pub fn name(&self) -> String {
        self.features.name()
    }

    /// The training points that samples (n, ...) are nearest to, (n, ...), in the data's units.
    ///
    /// # Errors
    /// Those of the distance.
    pub fn nearest_training(&self, samples: &Tensor) -> Result<Tensor, ProgramError> {
        Ok(self.train.f_index_select(0, &nearest_rows(samples, &self.train)?.1)?)
    }

    fn scores(&self, features: &Tensor, beside_train: &Tensor) -> Result<FeatureScores, ProgramError> {
        Ok(FeatureScores {
            space: self.features.space(),
            distances: feature_distances(features, &self.real)?,
            nearest_train: nearest(beside_train, &self.train)?.median().double_value(&[]),
            samples: features.size()[0],
        })
    }
}

/// Scores of samples in the data's units against a reference (n, ...) and, in features, a [`FeatureReference`]. What is
/// compared one by one are the first n samples, or [`ONE_BY_ONE`].
///
/// # Errors
/// Those of the distances.
pub fn scores(x: &Tensor, reference: &Tensor, features: Option<&FeatureReference>) -> Result<Scores, ProgramError> {
    let (samples, distances) = one_by_one(x, reference, features.is_some())?;
    let of = |found: &FeatureReference| found.scores(&found.features.of(x)?, &x.narrow(0, 0, samples));
    Ok(Scores { distances, samples, features: features.map(of).transpose()? })
}

/// The scores of real points: of others (n, ...) in the place of samples, in features of `most` training points, and how near
/// the reference lies to the training points.
///
/// # Errors
/// Those of the distances.
pub fn floor(
    others: &Tensor,
    reference: &Tensor,
    features: Option<&FeatureReference>,
    most: i64,
) -> Result<Scores, ProgramError> {
    let (samples, distances) = one_by_one(others, reference, features.is_some())?;
    let of = |found: &FeatureReference| {
        let points = found.train.narrow(0, 0, most.min(found.train.size()[0]));
        found.scores(&found.features.of_real(&points)?, &reference.narrow(0, 0, samples))
    };
    Ok(Scores { distances, samples, features: features.map(of).transpose()? })
}

/// Distances between points one by one, and between how many of them.
fn one_by_one(x: &Tensor, reference: &Tensor, features_judge: bool) -> Result<(i64, Distances), ProgramError> {
    let n = reference.size()[0];
    let n = if features_judge { n.min(ONE_BY_ONE) } else { n };
    Ok((n, distances(&x.narrow(0, 0, n), &reference.narrow(0, 0, n))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn what_features_judge_is_compared_one_by_one_at_the_start_alone() {
        let n = ONE_BY_ONE + 5;
        let points = Tensor::arange(n, (Kind::Double, Device::Cpu)).unsqueeze(1);
        let moved = &points + points.ge(ONE_BY_ONE as f64).to_kind(Kind::Double) * 1e3;
        let (count, found) = one_by_one(&moved, &points, true).unwrap();
        assert_eq!((count, found.w2), (ONE_BY_ONE, 0.0));
        let (count, found) = one_by_one(&moved, &points, false).unwrap();
        // Five of 1,005 points, 1,000 away.
        assert!(count == n && (found.w2 - (5.0 / n as f64).sqrt() * 1e3).abs() < 1e-9, "{found:?}");
    }
}
