//! `metrics.jsonl`: the log of a training's steps, one JSON object in each line.

use super::folder::RunFolder;
use crate::ProgramError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use strait_optim::{LevelLog, LevelName};

/// The file, in the folder of a training.
const FILE: &str = "metrics.jsonl";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsLine {
    /// Iterations taken.
    pub step: u64,
    /// The phase's name.
    pub phase: String,
    /// Training seconds.
    pub wall_seconds: f64,
    /// The share of the seconds since the line before for which batches waited for what they read from files.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub wait: f64,
    /// The share of the same seconds in which ranks reduced gradients, or waited for the slowest.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub reduce: f64,
    /// What each level did since the line before.
    pub levels: Vec<LevelLine>,
}

/// One level in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelLine {
    /// Which.
    pub level: LevelName,
    /// Its objective.
    pub objective: String,
    /// The mean of each term of its loss over the steps that were not skipped; none where all were.
    pub terms: BTreeMap<String, f64>,
    /// The mean gradient norm before clipping, over the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// Steps that were skipped, as their loss or gradient was not finite.
    #[serde(default, skip_serializing_if = "is_none")]
    pub skipped: u64,
    /// The learning rate.
    pub rate: f64,
    /// Seconds spent on it.
    pub seconds: f64,
}

fn is_nothing(share: &f64) -> bool {
    *share == 0.0
}

fn is_none(skipped: &u64) -> bool {
    *skipped == 0
}

impl From<LevelLog> for LevelLine {
    fn from(log: LevelLog) -> Self {
        let named = |(name, mean): (&str, f64)| (name.to_owned(), mean);
        Self {
            level: log.level,
            objective: log.objective.into(),
            terms: log.terms.into_iter().filter(|(_, mean)| mean.is_finite()).map(named).collect(),
            gradient_norm: Some(log.gradient_norm).filter(|norm| norm.is_finite()),
            skipped: log.skipped,
            rate: log.rate,
            seconds: log.elapsed.as_secs_f64(),
        }
    }
}

impl MetricsLine {
    /// In a few words, for a progress bar.
    pub fn message(&self) -> String {
        let mut text = self.phase.clone();
        for level in &self.levels {
            for (name, value) in &level.terms {
                text.push_str(&format!("  {name} {value:.3}"));
            }
        }
        if self.wait > 0.001 {
            text.push_str(&format!("  wait {:.1}%", 100.0 * self.wait));
        }
        if self.reduce > 0.001 {
            text.push_str(&format!("  reduce {:.1}%", 100.0 * self.reduce));
        }
        text
    }

    fn text(&self, path: &Path) -> Result<String, ProgramError> {
        let text = serde_json::to_string(self).map_err(|error| ProgramError::io(path)(error.into()))?;
        Ok(text + "\n")
    }
}

/// The lines of a training; a line that a kill or a full disk has left incomplete is passed over.
///
/// # Errors
/// `Io` where the file cannot be read.
pub fn read(folder: &RunFolder) -> Result<Vec<MetricsLine>, ProgramError> {
    let path = folder.path().join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(ProgramError::io(&path)(error)),
    }
}

/// Drops what was logged past the step that training goes on from.
///
/// # Errors
/// `Io` where the file cannot be read or written.
pub fn trim(folder: &RunFolder, step: u64) -> Result<(), ProgramError> {
    let path = folder.path().join(FILE);
    let mut text = String::new();
    for line in read(folder)?.into_iter().filter(|line| line.step <= step) {
        text.push_str(&line.text(&path)?);
    }
    fs::create_dir_all(folder.path()).map_err(ProgramError::io(folder.path()))?;
    folder.write(FILE, text).map(|_| ())
}

/// Adds a line.
///
/// # Errors
/// `Io` where the file cannot be written.
pub fn append(folder: &RunFolder, line: &MetricsLine) -> Result<(), ProgramError> {
    let path = folder.path().join(FILE);
    let text = line.text(&path)?;
    let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(ProgramError::io(&path))?;
    file.write_all(text.as_bytes()).map_err(ProgramError::io(&path))
}
