//! The numbers that samples are judged by, each with its name, its words and which way is better.

use super::features::Features;
use crate::ProgramError;
use crate::build::Data;
use strait_core::{Seed, Split};
use strait_metrics::features::{FeatureDistances, FeatureMap as _, feature_distances};
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
    /// The Frechet distance in the features of the data set's classifier.
    Frechet,
    /// The energy distance in the same features.
    EnergyDistance,
    /// The kernel distance there.
    Kernel,
    /// The density there.
    Density,
    /// The coverage there.
    Coverage,
    /// The precision there.
    Precision,
    /// The recall there.
    Recall,
    /// The median distance of a sample to its nearest training point, in the data's units.
    NearestTrain,
}

impl Metric {
    /// All, in the order of tables.
    pub const ALL: [Self; 10] = [
        Self::W2,
        Self::SlicedW2,
        Self::Frechet,
        Self::EnergyDistance,
        Self::Kernel,
        Self::Density,
        Self::Coverage,
        Self::Precision,
        Self::Recall,
        Self::NearestTrain,
    ];

    /// The one that judges samples. Above a few dimensions $W_2$ between samples is mostly its floor, and blurred samples
    /// lie nearer to all real points than real points do to each other.
    pub fn leading(floor: &Scores, dimensions: i64) -> Self {
        match &floor.features {
            Some(_) => Self::Frechet,
            None if dimensions > 8 => Self::SlicedW2,
            None => Self::W2,
        }
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::W2 => "w2",
            Self::SlicedW2 => "sliced_w2",
            Self::Frechet => "frechet_classifier",
            Self::EnergyDistance => "energy_distance_classifier",
            Self::Kernel => "kernel_distance_classifier",
            Self::Density => "density_classifier",
            Self::Coverage => "coverage_classifier",
            Self::Precision => "precision_classifier",
            Self::Recall => "recall_classifier",
            Self::NearestTrain => "nearest_train",
        }
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Its heading, of [`Self::shown`].
    pub fn heading(self) -> &'static str {
        match self {
            Self::W2 => "W2",
            Self::SlicedW2 => "Sliced W2",
            Self::Frechet => "Frechet distance in classifier features",
            Self::EnergyDistance => "100 x energy distance in classifier features",
            Self::Kernel => "100 x kernel distance in classifier features",
            Self::Density => "Density in classifier features",
            Self::Coverage => "Coverage in classifier features",
            Self::Precision => "Precision in classifier features",
            Self::Recall => "Recall in classifier features",
            Self::NearestTrain => "Median distance to the nearest training image",
        }
    }

    /// Its name within a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::W2 => "W2",
            Self::SlicedW2 => "sliced W2",
            Self::Frechet => "Frechet distance",
            Self::EnergyDistance => "100 x energy distance",
            Self::Kernel => "100 x kernel distance",
            Self::Density => "density",
            Self::Coverage => "coverage",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::NearestTrain => "distance to the nearest training image",
        }
    }

    /// A value as tables show it.
    pub fn shown(self, value: f64) -> f64 {
        if matches!(self, Self::EnergyDistance | Self::Kernel) { 100.0 * value } else { value }
    }

    /// Whether it is a distance between laws, zero at best. The kernel distance is an unbiased estimate of one, which falls below
    /// zero where it is good, and is on no scale of logarithms. Density and nearness are only to be as real points have them.
    pub fn is_distance(self) -> bool {
        matches!(self, Self::W2 | Self::SlicedW2 | Self::Frechet | Self::EnergyDistance)
    }

    /// Which value is the best.
    pub fn better(self) -> Better {
        match self {
            Self::Coverage | Self::Precision | Self::Recall => Better::Higher,
            Self::Density | Self::NearestTrain => Better::Neither,
            _ => Better::Lower,
        }
    }

    /// Its value and how many samples it is of; None where it was not measured.
    pub fn of(self, scores: &Scores) -> Option<(f64, i64)> {
        let plain = |value| Some((value, scores.samples));
        let features = scores.features.as_ref();
        let of_features = |value: fn(&FeatureScores) -> f64| features.map(|found| (value(found), found.samples));
        match self {
            Self::W2 => plain(scores.distances.w2),
            Self::SlicedW2 => plain(scores.distances.sliced_w2),
            Self::Frechet => of_features(|found| found.distances.frechet),
            Self::EnergyDistance => of_features(|found| found.distances.energy_distance),
            Self::Kernel => of_features(|found| found.distances.kernel),
            Self::Density => of_features(|found| found.distances.density),
            Self::Coverage => of_features(|found| found.distances.coverage),
            Self::Precision => of_features(|found| found.distances.precision),
            Self::Recall => of_features(|found| found.distances.recall),
            Self::NearestTrain => of_features(|found| found.nearest_train),
        }
    }
}

/// How far samples are from the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Between as many samples as there are reference points.
    pub distances: Distances,
    /// How many.
    pub samples: i64,
    /// Where the data have a feature map.
    pub features: Option<FeatureScores>,
}

/// How far samples are from the reference in features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureScores {
    /// Of the features.
    pub distances: FeatureDistances,
    /// The median distance of a sample to its nearest training point, in the data's units.
    pub nearest_train: f64,
    /// How many samples.
    pub samples: i64,
}

/// What samples are compared with in features. There are more samples than reference points, since the fewer there are
/// the more of a distance is bias and chance.
#[derive(Debug)]
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
        let (real, points) = (features.map.features(reference)?, &data.points);
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
        format!("classifier of {}, weights {}", self.features.map.name(), self.features.weights)
    }

    /// Scores of samples (n, ...) in the data's units.
    ///
    /// # Errors
    /// Those of the features.
    pub fn score(&self, samples: &Tensor) -> Result<FeatureScores, ProgramError> {
        self.scores(samples, samples)
    }

    /// The scores of real points: of `most` training points against the reference, and how near the reference lies to
    /// the training points.
    ///
    /// # Errors
    /// Those of the features.
    pub fn floor(&self, most: i64, reference: &Tensor) -> Result<FeatureScores, ProgramError> {
        self.scores(&self.train.narrow(0, 0, most.min(self.train.size()[0])), reference)
    }

    /// The training points that samples (n, ...) are nearest to, (n, ...), in the data's units.
    ///
    /// # Errors
    /// Those of the distance.
    pub fn nearest_training(&self, samples: &Tensor) -> Result<Tensor, ProgramError> {
        Ok(self.train.f_index_select(0, &nearest_rows(samples, &self.train)?.1)?)
    }

    fn scores(&self, samples: &Tensor, beside_train: &Tensor) -> Result<FeatureScores, ProgramError> {
        Ok(FeatureScores {
            distances: feature_distances(&self.features.map.features(samples)?, &self.real)?,
            nearest_train: nearest(beside_train, &self.train)?.median().double_value(&[]),
            samples: samples.size()[0],
        })
    }
}

/// Scores of samples in the data's units against a reference (n, ...) and, in features, a [`FeatureReference`]. Wasserstein
/// distances are of the first n samples.
///
/// # Errors
/// Those of the distances.
pub fn scores(x: &Tensor, reference: &Tensor, features: Option<&FeatureReference>) -> Result<Scores, ProgramError> {
    let samples = reference.size()[0];
    let distances = distances(&x.narrow(0, 0, samples), reference)?;
    let features = features.map(|features| features.score(x)).transpose()?;
    Ok(Scores { distances, samples, features })
}
