//! The classifiers in whose features samples are measured: each fitted once by a fixed recipe, and kept beside its data.

use crate::ProgramError;
use crate::config::DataName;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use strait_core::{Dataset as _, Seed, Split};
use strait_data::{ArrayDataset, cifar10, data_dir, digits, fashion_mnist, mnist};
use strait_io::{sha256_of, tensors};
use strait_metrics::features::{Classifier, ClassifierShape, ConvolutionsShape, Fit};
use tch::{Device, Kind};
use tracing::{info, warn};

const SEED: u64 = 0;

/// How the classifier of a data set is made.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    /// The folder of the data set.
    folder: &'static str,
    /// The image that a sample is, and the channels of convolutions; none for a perceptron.
    convolutions: Option<([i64; 3], [i64; 3])>,
    input: i64,
    hidden: &'static [i64],
    features: i64,
    fit: Fit,
    /// The most passes over the training points, so that a set of few is done soon.
    passes: u64,
    load: fn(&Path) -> Result<ArrayDataset, strait_data::DataError>,
}

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);
/// For images of twenty to forty pixels a side.
const CONVOLUTIONAL: Fit = Fit { steps: 2000, batch: 128, rate: 3e-3, weight_decay: 1e-2 };

impl Recipe {
    /// None of a data set without one.
    fn of(name: DataName) -> Option<Self> {
        let grey = Self {
            folder: "fashion-mnist",
            convolutions: Some(([1, 28, 28], [16, 32, 64])),
            input: 576,
            hidden: &[],
            features: 64,
            fit: CONVOLUTIONAL,
            passes: 40,
            load: |data| fashion_mnist(data, CPU.0, CPU.1),
        };
        match name {
            DataName::Digits => Some(Self {
                folder: "digits",
                convolutions: None,
                input: 64,
                hidden: &[256, 256],
                features: 64,
                fit: Fit { steps: 1500, batch: 128, rate: 2e-3, weight_decay: 1e-2 },
                passes: u64::MAX,
                load: |data| digits(data, CPU.0, CPU.1),
            }),
            DataName::FashionMnist => Some(grey),
            DataName::Mnist => Some(Self { folder: "mnist", load: |data| mnist(data, CPU.0, CPU.1), ..grey }),
            DataName::Cifar10 => Some(Self {
                folder: "cifar10",
                convolutions: Some(([3, 32, 32], [32, 64, 128])),
                input: 2048,
                features: 128,
                load: |data| cifar10(data, false, CPU.0, CPU.1),
                ..grey
            }),
            _ => None,
        }
    }

    fn shape(&self) -> ClassifierShape {
        ClassifierShape {
            convolutions: self
                .convolutions
                .map(|(image, channels)| ConvolutionsShape { image, channels: channels.to_vec() }),
            input: self.input,
            hidden: self.hidden.to_vec(),
            features: self.features,
            classes: 10,
        }
    }

    fn fresh(&self) -> Result<Classifier, ProgramError> {
        Ok(Classifier::new(self.folder, &self.shape(), Seed(SEED))?)
    }
}

/// The classifier of a data set and the start of the SHA-256 of its weights: as it was kept, or fitted now where it was not, by
/// the same recipe. None of a data set without one.
///
/// # Errors
/// Those of the data and of fitting.
pub fn of(name: DataName) -> Result<Option<(Classifier, String)>, ProgramError> {
    let Some(recipe) = Recipe::of(name) else { return Ok(None) };
    let place = Place::of(&data_dir()?, recipe);
    let (map, record) = match place.kept() {
        Some(kept) => kept,
        None => fitted(&place)?,
    };
    Ok(Some((map, record.sha256[..8].to_owned())))
}

/// Fits the classifier of a data set afresh, and keeps it. Returns where its weights lie, and a line that says what it is;
/// None of a data set without one.
///
/// # Errors
/// Those of the data and of fitting.
pub fn refit(name: DataName) -> Result<Option<(PathBuf, String)>, ProgramError> {
    let Some(recipe) = Recipe::of(name) else { return Ok(None) };
    let place = Place::of(&data_dir()?, recipe);
    let (_, record) = fitted(&place)?;
    let Record { data, test_accuracy, steps, seed, sha256, .. } = record;
    let weights = &sha256[..8];
    let said = format!(
        "{data}: test accuracy {test_accuracy:.3}, of {steps} steps on the training split, seed {seed}; weights {weights}"
    );
    Ok(Some((place.weights, said)))
}

/// What stands beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    data: String,
    seed: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    convolutions: Vec<i64>,
    hidden: Vec<i64>,
    features: i64,
    steps: u64,
    batch: i64,
    rate: f64,
    weight_decay: f64,
    test_accuracy: f64,
    sha256: String,
}

impl Record {
    /// Of this program's recipe.
    fn new(data: &str, test_accuracy: f64, map: &Classifier, recipe: &Recipe) -> Result<Self, ProgramError> {
        let ClassifierShape { hidden, features, convolutions, .. } = recipe.shape();
        let convolutions = convolutions.map(|shape| shape.channels).unwrap_or_default();
        let Fit { steps, batch, rate, weight_decay } = recipe.fit;
        let (data, sha256) = (data.to_owned(), digest(map)?);
        Ok(Self {
            data,
            seed: SEED,
            convolutions,
            hidden,
            features,
            steps,
            batch,
            rate,
            weight_decay,
            test_accuracy,
            sha256,
        })
    }
}

/// SHA-256 of the weights, in the order of their making.
fn digest(map: &Classifier) -> Result<String, ProgramError> {
    let mut bytes = vec![];
    for (_, tensor) in map.parameters().named() {
        bytes.extend(Vec::<f32>::try_from(tensor.flatten(0, -1))?.into_iter().flat_map(f32::to_le_bytes));
    }
    Ok(sha256_of(&bytes))
}

/// Where the classifier lies.
struct Place {
    recipe: Recipe,
    data: PathBuf,
    weights: PathBuf,
    record: PathBuf,
}

impl Place {
    fn of(data: &Path, recipe: Recipe) -> Self {
        let at = |name: &str| data.join(recipe.folder).join(name);
        Self { recipe, data: data.to_owned(), weights: at("classifier.safetensors"), record: at("classifier.json") }
    }

    /// What was kept here; None where it is not there, not whole, or of another recipe.
    fn kept(&self) -> Option<(Classifier, Record)> {
        let record: Record = serde_json::from_str(&fs::read_to_string(&self.record).ok()?).ok()?;
        let map = self.recipe.fresh().ok()?;
        map.parameters().assign(&tensors::read(&self.weights).ok()?).ok()?;
        let same = record == Record::new(&record.data, record.test_accuracy, &map, &self.recipe).ok()?;
        same.then_some((map, record))
    }

    /// Keeps a classifier; what stood here before stays until the new one is whole.
    fn keep(&self, map: &Classifier, record: &Record) -> Result<(), ProgramError> {
        let text =
            serde_json::to_string_pretty(record).map_err(|error| ProgramError::io(&self.record)(error.into()))?;
        tensors::write(&self.weights, &map.parameters().named())?;
        strait_io::write_whole(&self.record, |to| fs::write(to, text)).map_err(ProgramError::io(&self.record))
    }
}

/// Fits the classifier and keeps it.
fn fitted(place: &Place) -> Result<(Classifier, Record), ProgramError> {
    let recipe = &place.recipe;
    let data = (recipe.load)(&place.data)?;
    // A step holds no more than the training points, which a set made by hand may have few of.
    let n = data.len(Split::Train).unwrap_or(recipe.fit.batch);
    let batch = n.min(recipe.fit.batch);
    let steps = recipe.fit.steps.min(recipe.passes.saturating_mul(n as u64) / batch.max(1) as u64);
    let (map, fit) = (recipe.fresh()?, Fit { batch, steps, ..recipe.fit });
    info!("fitting the classifier of {}, in whose features samples are compared: once", recipe.folder);
    on_one_thread(|| map.fit(&data, &fit, Seed(SEED)))?;
    let accuracy = map.accuracy(&data, Split::Test)?;
    let record = Record::new(data.name(), accuracy, &map, recipe)?;
    if let Err(error) = place.keep(&map, &record) {
        warn!("the classifier of {} is not kept, and will be fitted again: {error}", recipe.folder);
    }
    Ok((map, record))
}

/// Sums depend on how many threads they are split over: on one, all sessions of a machine have the same weights.
fn on_one_thread<T>(work: impl FnOnce() -> T) -> T {
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let done = work();
    tch::set_num_threads(threads);
    done
}
