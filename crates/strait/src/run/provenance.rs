//! `provenance.json`: the settings and the data's digest that a training began with. A run is neither resumed nor
//! measured with others.

use crate::ProgramError;
use crate::config::{CompareConfig, Config, DataConfig, EvaluateConfig, LogConfig};
use crate::run::folder::RunFolder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// The file, in the folder of a training, and its name in runs of before.
const FILE: &str = "provenance.json";
const OLD_FILE: &str = "begun.json";

/// Everything that determines the result of a training.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Provenance {
    /// Its settings. The settings of logging and measuring, and the data's path, have their defaults.
    config: Config,
    /// The SHA-256 of its data, where they are a file.
    data: Option<String>,
    /// Changes when it was resumed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

/// Settings with which a training was resumed at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Change {
    /// The step of the checkpoint that it resumed from.
    step: u64,
    /// As they were given.
    settings: Vec<String>,
}

impl Provenance {
    fn of(config: &Config, data: Option<&str>) -> Self {
        let mut config = config.clone();
        (config.evaluate, config.log) = (EvaluateConfig::default(), LogConfig::default());
        (config.compare, config.data.file, config.data.folder) = (CompareConfig::default(), None, None);
        Self { config, data: data.map(Into::into), changes: vec![] }
    }

    /// Whether both have the same settings and data, apart from the history of changes.
    fn is_of(&self, other: &Self) -> bool {
        self.config == other.config && self.data == other.data
    }

    /// The sections of the settings that are not the same.
    fn changed_sections(&self, now: &Self) -> Vec<String> {
        let sections = |of: &Self| match serde_json::to_value(&of.config) {
            Ok(Value::Object(sections)) => sections,
            _ => Map::new(),
        };
        let (then, now) = (sections(self), sections(now));
        now.into_iter().filter(|(key, value)| then.get(key) != Some(value)).map(|(key, _)| key).collect()
    }
}

fn read(folder: &RunFolder) -> Result<Option<Provenance>, ProgramError> {
    match folder.read_json::<Provenance>(FILE)? {
        None => folder.read_json::<Provenance>(OLD_FILE),
        found => Ok(found),
    }
}

/// The record as it stands in the folder; nothing where there is none.
pub(crate) fn text(folder: &RunFolder) -> String {
    std::fs::read_to_string(folder.path().join(FILE)).unwrap_or_default()
}

/// Records that a training is resumed at a step with other settings, which were given as these arguments.
///
/// # Errors
/// As [`check`], of the settings before, unless those after stand there already; `Io` where it cannot be written.
pub(crate) fn change(
    folder: &RunFolder,
    (before, after): (&Config, &Config),
    data: Option<&str>,
    (step, settings): (u64, &[String]),
) -> Result<(), ProgramError> {
    let mut now = Provenance::of(after, data);
    if let Some(then) = read(folder)? {
        if then.is_of(&now) {
            return Ok(());
        }
        check(folder, before, data)?;
        now.changes = then.changes;
    }
    now.changes.push(Change { step, settings: settings.to_vec() });
    folder.write_json(FILE, &now).map(|_| ())
}

/// Refuses to resume or to measure a training with other settings or data.
///
/// # Errors
/// `Run` names what was changed; `Io` where the record cannot be read.
pub(crate) fn check(folder: &RunFolder, config: &Config, data: Option<&str>) -> Result<(), ProgramError> {
    let Some(then) = read(folder)? else { return Ok(()) };
    let now = Provenance::of(config, data);
    if then.is_of(&now) {
        return Ok(());
    }
    let changed = then.changed_sections(&now);
    let problem = match config.data.file.as_ref().or(config.data.folder.as_ref()) {
        Some(file) if changed.is_empty() => {
            let file = file.display();
            format!("{file} is not what its training began with (another SHA-256); put that back, or train another run")
        }
        _ => {
            let changed = changed.join("`, `");
            format!(
                "its training began with other settings (`{changed}`); put them back, or train another run with these"
            )
        }
    };
    Err(ProgramError::Run { path: folder.path().to_owned(), problem })
}

/// Writes what a training begins with; it replaces the record of an earlier training that left nothing to resume.
///
/// # Errors
/// `Io` where the record cannot be written.
pub(crate) fn write(folder: &RunFolder, config: &Config, data: Option<&str>) -> Result<(), ProgramError> {
    folder.write_json(FILE, &Provenance::of(config, data)).map(|_| ())
}

/// The SHA-256 of the file that data are read from, or of the names and lengths of all files of their folder; None of data
/// with a name.
///
/// # Errors
/// `Io` where it cannot be read.
pub(crate) fn digest(data: &DataConfig) -> Result<Option<String>, ProgramError> {
    match (&data.file, &data.folder) {
        (Some(file), _) => Ok(Some(strait_io::sha256(file)?)),
        (None, Some(folder)) => {
            let mut list = String::new();
            names(folder, Path::new(""), &mut list).map_err(ProgramError::io(folder))?;
            Ok(Some(strait_io::sha256_of(list.as_bytes())))
        }
        (None, None) => Ok(None),
    }
}

/// A line for each file below a folder, in the order of names: a folder of a hundred thousand pictures is not read twice.
fn names(folder: &Path, below: &Path, list: &mut String) -> io::Result<()> {
    let mut entries = fs::read_dir(folder.join(below))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, kind) = (below.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            names(folder, &name, list)?;
        } else {
            // A link may lead nowhere: it is no picture then, but a file of the folder.
            let length = fs::metadata(entry.path()).or_else(|_| fs::symlink_metadata(entry.path()))?.len();
            let _ = writeln!(list, "{} {length}", name.display());
        }
    }
    Ok(())
}
