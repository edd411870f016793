//! The U-Net whose training steps are timed.

use strait_core::{Error, PairedDataset, Pairs, Parameters, Seed, Stream};
use strait_nets::{Unet, UnetConfig};
use strait_optim::{Level, LevelName, OptimError, System};
use strait_paths::Linear;
use tch::{Device, Kind};

/// Pairs of noise.
#[derive(Debug)]
pub struct Noise;

impl PairedDataset for Noise {
    fn event_shape(&self) -> &[i64] {
        &[1, 28, 28]
    }

    fn count(&self) -> i64 {
        i64::MAX
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let mut draws = stream.at(step);
        let mut images = || draws.normal(&[n, 1, 28, 28], Kind::Float, Device::Cpu);
        Ok(Pairs { x0: images()?, x1: images()?, target_rows: None })
    }
}

/// Of 4x14x14 after the stem, 32 channels with multipliers (1, 2), one block, attention at 7x7: over the linear path, with one
/// moving average.
///
/// # Errors
/// Those of the network.
pub fn system(gradient_checkpointing: bool) -> Result<System, OptimError> {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let config = UnetConfig { gradient_checkpointing, ..UnetConfig::of([1, 28, 28]) };
    let net = Unet::new(&config, &mut parameters.root())?;
    let levels = vec![Level::new(LevelName::Velocity, parameters, &[700.0])?];
    Ok(System { interpolant: Box::new(Linear), velocity: Box::new(net), levels })
}
