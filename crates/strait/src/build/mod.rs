//! From a config to the objects of a run. Nowhere else are names matched.

mod data;
mod interpolant;
pub mod one_step;
mod plan;

pub use data::{Data, Picture, data, features, source};
pub use interpolant::{Path, interpolant};
pub use plan::Plans;

use crate::ProgramError;
use crate::build::one_step::OneStep;
use crate::config::{ActivationConfig, Config, CouplingConfig, TransformConfig, VelocityConfig};
use strait_core::{Coupling, Parameters, Seed, VelocityField};
use strait_flows::{Glow, Plan, Transform};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::{Level, LevelName, OptimError};
use strait_transport::{ExactOt, Independent};
use tch::{Device, Kind};

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

/// `[coupling]` of points that are drawn for a batch; under reflow, that of its first teacher.
pub fn coupling(config: &CouplingConfig) -> Box<dyn Coupling> {
    match config {
        CouplingConfig::Reflow { teacher: Some(teacher), .. } => coupling(&teacher.coupling),
        CouplingConfig::Independent | CouplingConfig::Reflow { teacher: None, .. } => Box::new(Independent),
        CouplingConfig::Ot => Box::new(ExactOt),
    }
}

fn transform(config: TransformConfig) -> Transform {
    match config {
        TransformConfig::Affine => Transform::affine(),
        TransformConfig::Spline => Transform::spline(),
    }
}

/// A fresh velocity.
pub struct Velocity {
    /// The field.
    pub field: Box<dyn VelocityField>,
    /// What it is made of.
    pub parameters: Parameters,
    /// The flow that the field takes one step of, where it is one.
    pub flow: Option<OneStep>,
}

/// `[velocity]` for samples of `d` numbers.
///
/// # Errors
/// libtorch's, when memory runs out; `FlowError::Setting` for a flow of samples of one number.
pub fn velocity(config: &VelocityConfig, d: i64, seed: Seed, device: Device) -> Result<Velocity, ProgramError> {
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    if let Some(flow) = &config.flow {
        let transform = transform(flow.transform);
        let plan = Plan { steps: flow.steps, hidden: &config.hidden, transform, ..Plan::default() };
        let glow = Glow::vector(&mut parameters.root(), d, &plan)?;
        let flow = OneStep::new(glow, &[d], device);
        return Ok(Velocity { field: Box::new(flow.clone()), parameters, flow: Some(flow) });
    }
    let activation = match config.activation {
        ActivationConfig::Silu => Activation::Silu,
        ActivationConfig::Selu => Activation::Selu,
        ActivationConfig::Tanh => Activation::Tanh,
    };
    let time = match config.time_octaves {
        0 => TimeFeatures::Raw,
        octaves => TimeFeatures::Fourier(octaves),
    };
    let net = MlpConfig { input: d, hidden: config.hidden.clone(), output: d, activation, time, zero_last: false };
    let mlp = Mlp::new(&net, &mut parameters.root())?;
    Ok(Velocity { field: Box::new(mlp), parameters, flow: None })
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
    levels.push(Level::new(LevelName::Velocity, velocity, &config.velocity.ema_half_lives)?);
    Ok(levels)
}
