//! Which arrays of a file are what: by names that are given, else by those that are usual.

use crate::error::refused;
use crate::{DataError, LABELS};
use std::path::Path;
use strait_io::ArrayFormat;
use strait_io::npz::Archive;

/// The names of a file's arrays; those that are not given are looked for under the usual names.
///
/// ```
/// use strait_data::Arrays;
/// let named = Arrays { train: Some("features".into()), test: Some("held_out".into()), ..Arrays::default() };
/// assert_eq!(named.data, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrays {
    /// The training points: `train`, `x_train`, `train_images`, and so on.
    pub train: Option<String>,
    /// The validation points: `validation`, `x_val`, and so on.
    pub validation: Option<String>,
    /// The test points: `test`, `x_test`, `test_images`, and so on.
    pub test: Option<String>,
    /// Points that are to be split at random: `data`, `x`, `samples`, `images`, `arr_0`, or the only array of the file.
    pub data: Option<String>,
    /// Their classes: `train_labels`, `y_train`, and so on; `labels` or `y` beside points that are split at random.
    pub train_labels: Option<String>,
    /// The classes of the validation points.
    pub validation_labels: Option<String>,
    /// The classes of the test points.
    pub test_labels: Option<String>,
}

/// The usual names of the arrays of a part whose usual short names are these.
fn usual(parts: &[&str], kinds: &[&str]) -> Vec<String> {
    let joined = parts.iter().flat_map(|part| {
        kinds.iter().flat_map(move |kind| [format!("{kind}_{part}"), format!("{part}_{kind}"), format!("{kind}{part}")])
    });
    joined.collect()
}

const TRAIN: [&str; 2] = ["train", "training"];
const VALIDATION: [&str; 3] = ["validation", "valid", "val"];
const TEST: [&str; 2] = ["test", "testing"];
const POINTS: [&str; 6] = ["x", "X", "images", "data", "samples", "features"];
const CLASSES: [&str; 5] = ["y", "Y", "labels", "targets", "classes"];
const WHOLE: [&str; 7] = ["data", "x", "X", "samples", "images", "features", "arr_0"];
const WHOLE_CLASSES: [&str; 5] = ["labels", "y", "Y", "targets", "classes"];

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Points to be split at random, and their classes.
    Whole { data: String, labels: Option<String> },
    /// Parts of a split, and their classes.
    Parts { train: String, validation: Option<String>, test: String, labels: [Option<String>; 3] },
}

impl Arrays {
    /// A name that is given.
    pub(crate) fn given(&self) -> Option<String> {
        let points = [&self.data, &self.train, &self.validation, &self.test];
        points
            .into_iter()
            .chain([&self.train_labels, &self.validation_labels, &self.test_labels])
            .flatten()
            .next()
            .cloned()
    }

    /// The arrays of a file that are not used: neither points nor what those are conditioned on, nor their classes.
    ///
    /// # Errors
    /// `MissingArray` or `MixedArrays`; those of the file.
    pub fn passed_over(&self, path: &Path, condition: Option<&str>) -> Result<Vec<String>, DataError> {
        if ArrayFormat::of(path).map_err(refused)? != Some(ArrayFormat::Npz) {
            return Ok(vec![]);
        }
        let archive = Archive::open(path).map_err(refused)?;
        let used = match self.find(&archive, condition)? {
            Found::Whole { data, labels } => vec![Some(data), labels],
            Found::Parts { train, validation, test, labels: [a, b, c] } => {
                vec![Some(train), validation, Some(test), a, b, c]
            }
        };
        Ok(archive.names().into_iter().filter(|name| !used.iter().flatten().any(|used| used == name)).collect())
    }

    /// Finds them in an archive. Points that are conditioned on an array have its parts in the place of their classes, which
    /// must then be there.
    pub(crate) fn find(&self, archive: &Archive, condition: Option<&str>) -> Result<Found, DataError> {
        let names = archive.names();
        let first = |candidates: Vec<String>| candidates.into_iter().find(|name| names.contains(name));
        let part = |given: &Option<String>, parts: &[&str]| -> Option<String> {
            let bare = parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
            given.clone().or_else(|| first([bare, usual(parts, &POINTS)].concat()))
        };
        let kinds = match condition {
            None | Some(LABELS) => &CLASSES[..],
            Some(name) => &[name],
        };
        let classes = |given: &Option<String>, parts: &[&str]| given.clone().or_else(|| first(usual(parts, kinds)));
        let missing = |wanted: &str| DataError::MissingArray {
            path: archive.path().to_owned(),
            wanted: wanted.to_owned(),
            present: names.clone(),
        };
        let no_condition = |name: &str, wanted: &str| {
            let file = archive.path().display();
            let problem = format!(
                "{file} holds no array `{wanted}` (it holds {names:?}): name one of these, with one row for each point"
            );
            DataError::Condition { array: name.to_owned(), problem }
        };
        let given = [&self.train, &self.validation, &self.test, &self.data];
        for name in given.into_iter().chain([&self.train_labels, &self.validation_labels, &self.test_labels]).flatten()
        {
            if !names.contains(name) {
                return Err(missing(name));
            }
        }
        let parts = [&self.train, &self.validation, &self.test];
        if let (Some(data), true) = (&self.data, parts.iter().any(|part| part.is_some())) {
            let beside = parts.into_iter().flatten().cloned().collect();
            return Err(DataError::MixedArrays { path: archive.path().to_owned(), data: data.clone(), beside });
        }
        let (train, validation, test) =
            (part(&self.train, &TRAIN), part(&self.validation, &VALIDATION), part(&self.test, &TEST));
        let whole = self.data.clone().or_else(|| {
            let named = first(WHOLE.iter().map(|&name| name.to_owned()).collect());
            named.or_else(|| (names.len() == 1).then(|| names[0].clone()))
        });
        match (train, test) {
            (Some(train), Some(test)) if self.data.is_none() => {
                let labels = [
                    classes(&self.train_labels, &TRAIN),
                    classes(&self.validation_labels, &VALIDATION),
                    classes(&self.test_labels, &TEST),
                ];
                let own = [true, validation.is_some(), true];
                let parts = [TRAIN[0], VALIDATION[0], TEST[0]];
                if let Some(name) = condition
                    && let Some(i) = (0..3).find(|&i| own[i] && labels[i].is_none())
                {
                    return Err(no_condition(name, &format!("{}_{name}", parts[i])));
                }
                Ok(Found::Parts { train, validation, test, labels })
            }
            (Some(_), None) if self.data.is_none() => Err(missing("test")),
            (None, test) if self.data.is_none() && (test.is_some() || validation.is_some()) => {
                let beside: Vec<String> = validation.into_iter().chain(test).collect();
                match whole {
                    Some(data) if names.len() > 1 && !beside.contains(&data) => {
                        Err(DataError::MixedArrays { path: archive.path().to_owned(), data, beside })
                    }
                    _ => Err(missing("train")),
                }
            }
            _ => {
                let data = whole.ok_or_else(|| missing("data"))?;
                let usual = match condition {
                    None | Some(LABELS) => &WHOLE_CLASSES[..],
                    Some(name) => &[name],
                };
                let labels = first(usual.iter().map(|&name| name.to_owned()).collect());
                let labels = self.train_labels.clone().or(labels);
                match (condition, labels) {
                    (Some(name), None) => Err(no_condition(name, name)),
                    (Some(name), Some(labels)) if labels == data => {
                        let problem = "it is the array of the points themselves: name another".into();
                        Err(DataError::Condition { array: name.to_owned(), problem })
                    }
                    (_, labels) => Ok(Found::Whole { data, labels }),
                }
            }
        }
    }
}
