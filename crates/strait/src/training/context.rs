//! What the trainings and measurements of one run share.

use crate::config::{Config, ConfigError};
use crate::evaluation::diagnostics::warnings;
use crate::evaluation::measure::Measured;
use crate::evaluation::scores::Metric;
use crate::run::folder::RunFolder;
use crate::run::provenance;
use crate::run::summary::{SUMMARY, Summary, versions};
use crate::{ProgramError, build};
use strait_core::{Coupling, Seed, Source, Split};
use strait_optim::Pairing;
use tch::Device;

/// All that the tracks of a run share.
pub struct Setting<'a> {
    /// The run's config.
    pub config: &'a Config,
    /// Its data.
    pub data: build::Data,
    /// The SHA-256 of its data, where they are a file.
    pub digest: Option<String>,
    /// Its source.
    pub source: Box<dyn Source>,
    /// Its coupling.
    pub coupling: Box<dyn Coupling>,
    /// Its device.
    pub device: Device,
    /// The device's name.
    pub device_name: String,
}

impl<'a> Setting<'a> {
    /// The objects of a run's config.
    ///
    /// # Errors
    /// Those of the data and the device.
    pub fn new(config: &'a Config, device_name: &str) -> Result<Self, ProgramError> {
        let device = build::device(device_name)?;
        let data = build::data(&config.data, Seed(config.seed), device)?;
        for split in [Split::Train, config.evaluate.split.split()] {
            // A spread is of at least two.
            if data.points.len(split).is_some_and(|held| held < 2) {
                let must = format!("of at least 2 {} points", split.name());
                return Err(ConfigError::Value { key: format!("data = {:?}", data.points.name()), must }.into());
            }
        }
        let digest = provenance::digest(&config.data)?;
        let source = build::source(config.source, &data)?;
        let coupling = build::coupling(&config.coupling);
        Ok(Self { config, data, digest, source, coupling, device, device_name: device_name.to_owned() })
    }

    /// Where training pairs come from that are drawn for their batch.
    pub fn pairing(&self) -> Pairing<'_> {
        Pairing::Drawn { source: &*self.source, data: &*self.data.points, coupling: &*self.coupling }
    }

    /// Writes the `summary.json` of a run, with what `metric` and the other numbers say against it, and returns what it says.
    ///
    /// # Errors
    /// `Io` names the file.
    pub fn write_summary(
        &self,
        folder: &RunFolder,
        own: &Measured,
        other: Option<&Measured>,
        metric: Metric,
    ) -> Result<Summary, ProgramError> {
        let mut said = warnings(&own.summary, other.map(|measured| &measured.summary), metric);
        let (taken, turns) = (own.summary.steps, self.config.turns());
        if taken < turns {
            said.insert(
                0,
                format!("Its training stands at turn {taken} of {turns}: nothing here is of the finished one."),
            );
        }
        let summary = Summary {
            run: folder.name(),
            dataset: self.data.points.name().into(),
            seed: self.config.seed,
            device: self.device_name.clone(),
            threads: tch::get_num_threads(),
            method: own.summary.clone(),
            baseline: other.map(|measured| measured.summary.clone()),
            evaluate: Some(self.config.evaluate.clone()),
            judged_by: metric.name().into(),
            warnings: said,
            versions: versions(),
        };
        folder.write_json(SUMMARY, &summary)?;
        Ok(summary)
    }
}
