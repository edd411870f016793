//! From a config to the objects of a run. A name is matched in two places only: here, where its object is built, and in
//! its table in [`crate::config`], which says what it can do.

mod coupling;
mod data;
mod default_for_data;
mod interpolant;
pub mod one_step;
mod plan;
mod samples;
mod velocity;

pub use coupling::coupling;
pub use data::{Data, ImageDisplay, arrays, data, of_file, scaling, source};
pub use default_for_data::own_data;
pub use interpolant::{Path, interpolant};
pub use plan::Plans;
pub use samples::Samples;
pub use velocity::{Velocity, velocity};

use crate::ProgramError;
use crate::config::Config;
use strait_core::Parameters;
use strait_optim::{Level, LevelName, OptimError};
use tch::Device;

/// `cpu`, `cuda` or `cuda:N`.
///
/// # Errors
/// `Device` where it is not there.
pub fn device(name: &str) -> Result<Device, ProgramError> {
    let count = tch::Cuda::device_count();
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|n| n.parse::<usize>().ok()),
    };
    match index {
        Some(index) if (index as i64) < count => Ok(Device::Cuda(index)),
        Some(_) => {
            let found =
                if count == 0 { "no CUDA device".into() } else { format!("CUDA devices: {count}, from cuda:0") };
            Err(ProgramError::Device { device: name.into(), found })
        }
        None => Err(ProgramError::Argument {
            argument: format!("--device {name}"),
            problem: "it is cpu, cuda or cuda:N".into(),
        }),
    }
}

/// The levels of a run that has these parameters. A fixed path is no level.
///
/// # Errors
/// libtorch's, when memory runs out.
pub fn levels(
    config: &Config,
    transport: Option<Parameters>,
    interpolant: Parameters,
    velocity: Parameters,
) -> Result<Vec<Level>, OptimError> {
    let mut levels = vec![];
    if let Some(transport) = transport {
        levels.push(Level::new(LevelName::Transport, transport, &[])?);
    }
    if interpolant.count() > 0 {
        levels.push(Level::new(LevelName::Interpolant, interpolant, &[])?);
    }
    levels.push(Level::new(LevelName::Velocity, velocity, config.velocity.half_lives())?);
    Ok(levels)
}
