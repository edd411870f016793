//! What a training was begun with, so that nothing goes on from it, or is measured of it, that is of something else.

use crate::ProgramError;
use crate::config::{Config, DataConfig, EvaluateConfig, LogConfig};
use crate::run::folder::RunFolder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The file, in the folder of a training.
const FILE: &str = "begun.json";

/// What decides what a training becomes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Begun {
    /// Its settings. How it is logged and measured, and where its data lie, are as nobody set them.
    config: Config,
    /// The SHA-256 of its data, where they are a file.
    data: Option<String>,
}

impl Begun {
    fn of(config: &Config, data: Option<&str>) -> Self {
        let mut config = config.clone();
        (config.evaluate, config.log, config.data.file) = (EvaluateConfig::default(), LogConfig::default(), None);
        Self { config, data: data.map(Into::into) }
    }

    /// The sections of the settings that are not the same.
    fn changed(&self, now: &Self) -> Vec<String> {
        let sections = |begun: &Self| match serde_json::to_value(&begun.config) {
            Ok(Value::Object(sections)) => sections,
            _ => Map::new(),
        };
        let (then, now) = (sections(self), sections(now));
        now.into_iter().filter(|(key, value)| then.get(key) != Some(value)).map(|(key, _)| key).collect()
    }
}

/// Refuses to go on from a training of other settings or data, or to measure it with them.
///
/// # Errors
/// `Run` names what was changed; `Io` where the record cannot be read.
pub(crate) fn check(folder: &RunFolder, config: &Config, data: Option<&str>) -> Result<(), ProgramError> {
    let Some(then) = folder.read_json::<Begun>(FILE)? else { return Ok(()) };
    let now = Begun::of(config, data);
    if then == now {
        return Ok(());
    }
    let changed = then.changed(&now);
    let problem = match &config.data.file {
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

/// Keeps what a training begins with, in the place of one that left nothing to go on from.
///
/// # Errors
/// `Io` where the record cannot be written.
pub(crate) fn begin(folder: &RunFolder, config: &Config, data: Option<&str>) -> Result<(), ProgramError> {
    folder.write_json(FILE, &Begun::of(config, data)).map(|_| ())
}

/// The SHA-256 of the file that data are read from; None of data with a name.
///
/// # Errors
/// `Io` where it cannot be read.
pub(crate) fn digest(data: &DataConfig) -> Result<Option<String>, ProgramError> {
    Ok(data.file.as_deref().map(strait_io::sha256).transpose()?)
}
