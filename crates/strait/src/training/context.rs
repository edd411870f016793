//! The data, source, coupling and device that all trainings and measurements of one run share.

use crate::ProgramError;
use crate::build::{self, Samples};
use crate::config::{Config, ConfigError, CouplingConfig, EvaluateConfig, ExactFieldConfig};
use crate::run::provenance;
use strait_core::{ConditionKind, Conditions, Coupling, Dataset, Draws, Seed, Source, Split};
use strait_optim::Pairing;
use strait_transport::most_points;
use tch::{Device, Kind, Tensor};

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
        if let CouplingConfig::Semidiscrete { points, .. } = config.coupling {
            data.check_drawn("coupling.points", points)?;
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

    /// Refuses a measurement that would be refused only after the training.
    ///
    /// # Errors
    /// `Value`, of its samples.
    pub fn check_measured(&self, settings: &EvaluateConfig) -> Result<(), ConfigError> {
        let (points, samples) = (&self.data.points, settings.samples);
        let ExactFieldConfig { candidates, sampled_candidates, .. } = settings.exact_field;
        for (key, n) in [("candidates", candidates), ("sampled_candidates", sampled_candidates)] {
            self.data.check_drawn(&format!("evaluate.exact_field.{key}"), n)?;
        }
        let held = [Split::Train, settings.split.split()].into_iter().filter_map(|split| points.len(split));
        let (n, d) = (held.fold(samples, i64::min), points.event_shape().iter().product::<i64>());
        let Some(most) = most_points(d as usize).filter(|most| n as u64 > *most) else { return Ok(()) };
        let key = format!("evaluate.samples = {samples}");
        let must =
            format!("at most {most}: the exact distance of more points of {d} coordinates takes too much memory");
        Err(ConfigError::Value { key, must })
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
        conditions_of(&*self.data.points, n, draws)
    }

    /// Where training pairs come from that are drawn for their batch.
    pub fn pairing(&self) -> Pairing<'_> {
        Pairing::Drawn { source: &*self.source, data: &*self.data.points, coupling: &*self.coupling }
    }
}

/// Of more samples than there are training points: each of these once, as of fewer, and then some again. The first are the same
/// however many are asked for.
fn conditions_of(points: &dyn Dataset, n: i64, draws: &mut Draws) -> Result<Conditions, ProgramError> {
    if points.condition().is_none() {
        return Ok(Conditions::default());
    }
    let Some(held) = points.len(Split::Train).filter(|held| *held <= n) else {
        return Ok(points.conditional_points(Split::Train, n, draws)?.1);
    };
    let (_, all) = points.conditional_points(Split::Train, held, draws)?;
    let once = Tensor::f_arange(held, (Kind::Int64, Device::Cpu)).map_err(strait_core::Error::from)?;
    let rows = [once, draws.integers(held, &[n - held], Device::Cpu)?];
    Ok(all.gather(&Tensor::f_cat(&rows, 0).map_err(strait_core::Error::from)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_data::{ArrayDataset, Scaling, Splits};

    #[test]
    fn conditions_are_those_of_any_longer_list() {
        let x = Seed(1).stream("x").at(0).normal(&[40, 2], Kind::Float, Device::Cpu).unwrap();
        let of = |x: &Tensor| Splits { train: x.copy(), validation: x.copy(), test: x.copy() };
        let data = ArrayDataset::new("x", &of(&x), Scaling::Own, Kind::Float, Device::Cpu).unwrap();
        let places = Tensor::arange(40, (Kind::Float, Device::Cpu));
        let data = data.conditioned("place", &of(&places.unsqueeze(1))).unwrap();
        let rows = |n: i64| {
            let found = conditions_of(&data, n, &mut Seed(2).stream("conditions").at(0)).unwrap();
            found.get("place").unwrap().view([-1])
        };
        let most = rows(1000);
        for n in [1, 7, 39, 40, 41, 500] {
            assert_eq!(rows(n), most.narrow(0, 0, n), "{n} of 1000");
        }
        // Each of them once, and all of them after that as often as each other.
        assert_eq!(rows(40).sort(0, false).0, places);
        assert!(most.unique_dim(0, true, false, true).2.max().int64_value(&[]) < 60);
    }
}
