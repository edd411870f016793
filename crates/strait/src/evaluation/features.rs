//! The classifier of digits in whose features samples are measured: fitted once by a fixed recipe, and kept beside the
//! data.

use crate::ProgramError;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use strait_core::{Dataset as _, Seed, Split};
use strait_data::data_dir;
use strait_io::{sha256_of, tensors};
use strait_metrics::features::{Classifier, ClassifierShape, Fit};
use tch::{Device, Kind};
use tracing::{info, warn};

const SEED: u64 = 0;
const FIT: Fit = Fit { steps: 1500, batch: 128, rate: 2e-3, weight_decay: 1e-2 };

fn shape() -> ClassifierShape {
    ClassifierShape { input: 64, hidden: vec![256, 256], features: 64, classes: 10 }
}

/// A fitted feature map, and what makes its numbers comparable.
#[derive(Debug)]
pub struct Features {
    /// The map.
    pub map: Classifier,
    /// The start of the SHA-256 of its weights: distances compare only where it is the same.
    pub weights: String,
}

/// The classifier of digits: as it was kept, or fitted now where it was not, by the same recipe.
///
/// # Errors
/// Those of the data and of fitting.
pub fn digits() -> Result<Features, ProgramError> {
    let place = Place::of(&data_dir()?);
    let (map, record) = match place.kept() {
        Some(kept) => kept,
        None => fitted(&place)?,
    };
    Ok(Features { map, weights: record.sha256[..8].to_owned() })
}

/// Fits the classifier of digits afresh, and keeps it. Returns where its weights lie, and a line that says what it is.
///
/// # Errors
/// Those of the data and of fitting.
pub fn refit() -> Result<(PathBuf, String), ProgramError> {
    let place = Place::of(&data_dir()?);
    let (_, record) = fitted(&place)?;
    let Record { data, test_accuracy, steps, seed, sha256, .. } = record;
    let weights = &sha256[..8];
    let said = format!(
        "{data}: test accuracy {test_accuracy:.3}, of {steps} steps on the training split, seed {seed}; weights {weights}"
    );
    Ok((place.weights, said))
}

/// What stands beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    data: String,
    seed: u64,
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
    fn new(data: &str, test_accuracy: f64, map: &Classifier) -> Result<Self, ProgramError> {
        let ClassifierShape { hidden, features, .. } = shape();
        let Fit { steps, batch, rate, weight_decay } = FIT;
        let (data, sha256) = (data.to_owned(), digest(map)?);
        Ok(Self { data, seed: SEED, hidden, features, steps, batch, rate, weight_decay, test_accuracy, sha256 })
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
    data: PathBuf,
    weights: PathBuf,
    record: PathBuf,
}

impl Place {
    fn of(data: &Path) -> Self {
        let at = |name: &str| data.join("digits").join(name);
        Self { data: data.to_owned(), weights: at("classifier.safetensors"), record: at("classifier.json") }
    }

    /// What was kept here; None where it is not there, not whole, or of another recipe.
    fn kept(&self) -> Option<(Classifier, Record)> {
        let record: Record = serde_json::from_str(&fs::read_to_string(&self.record).ok()?).ok()?;
        let map = Classifier::new("digits", &shape(), Seed(SEED)).ok()?;
        map.parameters().assign(&tensors::read(&self.weights).ok()?).ok()?;
        let same = record == Record::new(&record.data, record.test_accuracy, &map).ok()?;
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
    let data = strait_data::digits(&place.data, Kind::Float, Device::Cpu)?;
    let map = Classifier::new("digits", &shape(), Seed(SEED))?;
    info!("fitting the classifier of digits");
    on_one_thread(|| map.fit(&data, &FIT, Seed(SEED)))?;
    let accuracy = map.accuracy(&data, Split::Test)?;
    let record = Record::new(data.name(), accuracy, &map)?;
    if let Err(error) = place.keep(&map, &record) {
        warn!("the classifier of digits is not kept, and will be fitted again: {error}");
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
