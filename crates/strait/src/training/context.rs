//! The data, source, coupling and device that all trainings and measurements of one run share.

use crate::ProgramError;
use crate::build::{self, Samples};
use crate::config::{Config, ConfigError};
use crate::run::provenance;
use strait_core::{ConditionKind, Conditions, Coupling, Draws, Seed, Source, Split};
use strait_optim::Pairing;
use tch::Device;

/// The objects that all trainings of a run share. How the run is measured is no part of them.
pub struct RunContext {
    /// The run's seed.
    pub seed: Seed,
    /// Its data.
    pub data: build::Data,
    /// The SHA-256 of its data, where they are a file.
    pub digest: Option<String>,
    /// Its source.
    pub source: Box<dyn Source + Send>,
    /// Its coupling.
    pub coupling: Box<dyn Coupling + Send>,
    /// Its device.
    pub device: Device,
    /// The device's name.
    pub device_name: String,
    /// Threads that pair batches ahead, beside those that compute ([`threads::set`](super::threads::set)).
    pub pairing_threads: usize,
}

impl RunContext {
    /// The objects of a run's config.
    ///
    /// # Errors
    /// Those of the data and the device.
    pub fn new(config: &Config, device_name: &str) -> Result<Self, ProgramError> {
        let (seed, device) = (Seed(config.seed), build::device(device_name)?);
        let data = build::data(&config.data, seed, device)?;
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
        Ok(Self {
            seed,
            data,
            digest,
            source,
            coupling,
            device,
            device_name: device_name.to_owned(),
            pairing_threads: 0,
        })
    }

    /// What the velocity is conditioned on; None where it is on nothing.
    pub fn condition(&self) -> Option<ConditionKind> {
        self.data.points.condition().map(|(_, kind)| kind)
    }

    /// What models are built for.
    pub fn samples(&self) -> Samples<'_> {
        Samples { event: self.data.points.event_shape(), condition: self.condition() }
    }

    /// Conditions of `n` samples, as training points have them; none where these have none.
    ///
    /// # Errors
    /// Those of the data.
    pub fn conditions(&self, n: i64, draws: &mut Draws) -> Result<Conditions, ProgramError> {
        let points = &*self.data.points;
        if points.condition().is_none() {
            return Ok(Conditions::default());
        }
        let most = points.len(Split::Train).map_or(n, |held| held.min(n));
        let (_, found) = points.conditional_points(Split::Train, most, draws)?;
        if most == n { Ok(found) } else { Ok(found.gather(&draws.integers(most, &[n], self.device)?)?) }
    }

    /// Where training pairs come from that are drawn for their batch.
    pub fn pairing(&self) -> Pairing<'_> {
        Pairing::Drawn { source: &*self.source, data: &*self.data.points, coupling: &*self.coupling }
    }
}
