//! The features that samples are compared in: which network's, and of which weights.

use super::classifier;
use crate::ProgramError;
use crate::build::{Data, ImageDisplay};
use crate::config::{ConfigError, EvaluateConfig, FeaturesConfig};
use serde::Serialize;
use std::path::{Path, PathBuf};
use strait_core::Error;
use strait_data::{DataError, data_dir};
use strait_io::{sha256, sha256_of, tensors};
use strait_metrics::features::{FeatureMap, Lite0, TorchScript};
use tch::{Kind, Tensor};
use tracing::warn;

/// The network that features are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// The data set's own classifier.
    Classifier,
    /// EfficientNet-Lite0.
    Lite0,
    /// The user's own Inception network.
    Inception,
}

impl Space {
    /// All, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Classifier, Self::Lite0, Self::Inception];

    /// Its name before the word features.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::Lite0 => "EfficientNet-Lite0",
            Self::Inception => "Inception",
        }
    }
}

/// Where `cargo xtask data lite0` puts the weights.
const LITE0: &str = "lite0/efficientnet-lite0-57934424.pth";

/// A feature map, and what makes its numbers comparable.
pub struct Features {
    space: Space,
    map: Box<dyn FeatureMap + Send>,
    /// How samples become images within [0, 1] of the map; none where it takes them in the data's own units.
    picture: Option<ImageDisplay>,
    /// The start of the SHA-256 of its weights: distances compare only where it is the same.
    weights: String,
}

impl Features {
    /// The map that a config asks for, or else the classifier of the data; None where they have none. The classifier is fitted
    /// where it is not kept.
    ///
    /// # Errors
    /// Those of [`check`], of the files, and of fitting.
    pub fn new(settings: &EvaluateConfig, data: &Data) -> Result<Option<Self>, ProgramError> {
        check(settings, data)?;
        let of_file = |path: &Path, space, map| {
            let weights = sha256(path)?[..8].to_owned();
            Ok(Some(Self { space, map, picture: data.picture, weights }))
        };
        match &settings.features {
            Some(FeaturesConfig::Lite0) => {
                let path = lite0()?;
                of_file(&path, Space::Lite0, Box::new(Lite0::load(&path)?))
            }
            Some(FeaturesConfig::Inception(path)) => {
                of_file(path, Space::Inception, Box::new(TorchScript::load("inception", path)?))
            }
            Some(FeaturesConfig::Classifier) | None => {
                let fitted = data.classifier.map(classifier::of).transpose()?.flatten();
                let space = Space::Classifier;
                let of = |(map, weights)| Self { space, map: Box::new(map), picture: None, weights };
                Ok(fitted.map(of))
            }
        }
    }

    /// The network that they are of.
    pub fn space(&self) -> Space {
        self.space
    }

    /// What the numbers depend on, in words.
    pub fn name(&self) -> String {
        let Self { space, map, weights, .. } = self;
        match space {
            Space::Classifier => format!("classifier of {}, weights {weights}", map.name()),
            Space::Lite0 | Space::Inception => format!("{}, weights {weights}", space.in_words()),
        }
    }

    /// Features (n, f) of samples (n, ...) in the data's units.
    ///
    /// # Errors
    /// `Shape` where the samples do not fit.
    pub fn of(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.map.features(&self.input(x)?)
    }

    /// The same of real points, kept beside the data where a network takes long: by what goes in and the weights.
    ///
    /// # Errors
    /// Those of [`of`](Self::of). What cannot be kept is made again.
    pub fn of_real(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = self.input(x)?;
        if self.space == Space::Classifier {
            return self.map.features(&x);
        }
        let Ok(kept) = self.kept(&x) else { return self.map.features(&x) };
        let known = tensors::read(&kept).ok().and_then(|found| found.into_iter().next());
        if let Some((_, features)) = known.filter(|(_, features)| features.size()[0] == x.size()[0]) {
            return Ok(features);
        }
        let features = self.map.features(&x)?;
        if let Err(error) = keep(&kept, &features) {
            warn!("features of real images are not kept, and will be made again: {error}");
        }
        Ok(features)
    }

    fn input(&self, x: &Tensor) -> Result<Tensor, Error> {
        let Some(ImageDisplay { format, range: (low, high) }) = self.picture else { return Ok(x.shallow_clone()) };
        let x = ((x.to_kind(Kind::Double) - low) / (high - low).max(f64::MIN_POSITIVE)).to_kind(Kind::Float);
        let (height, width) = (format.height as i64, format.width as i64);
        Ok(x.f_reshape([x.size()[0], -1, height, width])?)
    }

    /// Where features of these images lie.
    fn kept(&self, x: &Tensor) -> Result<PathBuf, ProgramError> {
        let values = Vec::<f32>::try_from(x.contiguous().view([-1])).map_err(Error::from)?;
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        let (folder, images) = (self.map.name(), &sha256_of(&bytes)[..16]);
        Ok(data_dir()?.join("features").join(folder).join(format!("{images}-{}.safetensors", self.weights)))
    }
}

/// That samples of the data can be compared in the features that a config asks for, and that their weights are there: before a
/// training, rather than after it.
///
/// # Errors
/// `Config` names the key; `MissingData` where the weights can be fetched; `Io` names a file that is not there.
pub fn check(settings: &EvaluateConfig, data: &Data) -> Result<(), ProgramError> {
    let Some(features) = &settings.features else { return Ok(()) };
    let refuse = |must: &str| {
        let key = format!("evaluate.features = {features}");
        Err(ConfigError::Value { key, must: must.into() }.into())
    };
    match features {
        FeaturesConfig::Classifier if data.classifier.is_none() => refuse("left out where the data have no classifier"),
        FeaturesConfig::Classifier => Ok(()),
        _ if data.picture.is_none() => refuse("left out where the data are no images (`data.image`)"),
        FeaturesConfig::Lite0 => lite0().map(drop),
        FeaturesConfig::Inception(path) => std::fs::metadata(path).map(drop).map_err(ProgramError::io(path)),
    }
}

fn keep(path: &Path, features: &Tensor) -> Result<(), ProgramError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(ProgramError::io(folder))?;
    Ok(tensors::write(path, &[("features".into(), features.shallow_clone())])?)
}

fn lite0() -> Result<PathBuf, ProgramError> {
    let path = data_dir()?.join(LITE0);
    match path.is_file() {
        true => Ok(path),
        false => Err(DataError::Missing { name: "lite0".into(), path }.into()),
    }
}
