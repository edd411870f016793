//! The errors of a config, and their messages.

use serde::Serialize;
use std::path::PathBuf;

/// What can be wrong with a config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither a preset nor a file.
    #[error("no preset and no file is called `{}`{}; `train --list` names the presets", brief(name), nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest preset.
        nearest: Option<String>,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Text that is not a config.
    #[error("{origin}{}: {problem}", line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Text {
        /// The file, the preset, or `--set KEY`.
        origin: String,
        /// The line, counted from 1.
        line: Option<usize>,
        /// What is wrong, with the nearest right thing.
        problem: String,
    },
    /// A config of another version of the format.
    #[error("{origin}: it is a config of version {found}, and this program reads version {reads}")]
    Version {
        /// The file or preset.
        origin: String,
        /// The version it states.
        found: String,
        /// The version that this program reads.
        reads: u32,
    },
    /// A value that makes no sense.
    #[error("config: {key} must be {must}")]
    Value {
        /// The key, with its value.
        key: String,
        /// What it must be.
        must: String,
    },
}

pub(super) fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

/// Refuses unless `holds`, in the words "KEY = VALUE must be MUST".
pub(super) fn need(holds: bool, key: &str, value: impl Serialize, must: &str) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::Value { key: format!("{key} = {}", shown(&value)), must: must.into() })
}

/// A value as a config would say it, its beginning where it is long.
pub(super) fn shown(value: &impl Serialize) -> String {
    brief(&match toml::Value::try_from(value) {
        Ok(toml::Value::Float(x)) if x.is_finite() && x != 0.0 && !(1e-6..1e15).contains(&x.abs()) => format!("{x:e}"),
        Ok(value) => value.to_string(),
        Err(_) => "nothing".into(),
    })
}

/// The beginning of a text, for a message.
pub(super) fn brief(text: &str) -> String {
    const MOST: usize = 80;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

pub(super) fn widths(key: &str, hidden: &[i64]) -> Result<(), ConfigError> {
    const MOST: i128 = 1_000_000_000;
    let weights: i128 = hidden.windows(2).map(|pair| i128::from(pair[0]) * i128::from(pair[1])).sum();
    need(weights <= MOST, key, hidden, "a list of widths that make at most 1,000,000,000 weights")
}

/// Names as a sentence lists them: "a, b or c".
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".into(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The names that serde knows for a tagged enum, from its words on one that it does not know.
#[cfg(test)]
pub(super) fn variants<T: serde::de::DeserializeOwned + std::fmt::Debug>(unknown: &str) -> Vec<String> {
    let message = toml::from_str::<T>(unknown).unwrap_err().message().to_owned();
    assert!(message.starts_with("unknown variant"), "{message}");
    message.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}
