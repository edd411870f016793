//! From a config to the objects of a run. Nowhere else are names matched.

mod data;
mod interpolant;

pub use data::{Data, data, source};
pub use interpolant::interpolant;

use crate::ProgramError;
use crate::config::{
    ActivationConfig, Config, CouplingConfig, LevelConfig, ObjectiveConfig, PhaseConfig, TransformConfig,
    VelocityConfig,
};
use crate::one_step::OneStep;
use std::rc::Rc;
use strait_core::{Coupling, Objective, Parameters, Seed, VelocityField};
use strait_flows::{Base, Density, Glow, Plan, Transform};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::{Energy, FlowMatching, Likelihood};
use strait_optim::{LearningRate, Level, LevelName, LevelPlan, OptimError, Phase};
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
        CouplingConfig::Independent | CouplingConfig::Reflow { .. } => Box::new(Independent),
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
        let flow = OneStep::new(Density::new(glow, Base::standard(&[d], Kind::Float, device)));
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
pub fn levels(config: &Config, interpolant: Parameters, velocity: Parameters) -> Result<Vec<Level>, OptimError> {
    let mut levels = vec![];
    if interpolant.count() > 0 {
        levels.push(Level::new(LevelName::Interpolant, interpolant, None)?);
    }
    levels.push(Level::new(LevelName::Velocity, velocity, config.velocity.ema_half_life)?);
    Ok(levels)
}

/// `[[phase]]`; `flow` is what a likelihood is that of.
///
/// # Errors
/// `Plan` where there is a likelihood and no flow.
pub fn phases(configs: &[PhaseConfig], flow: Option<&OneStep>) -> Result<Vec<Phase>, OptimError> {
    let phase = |config: &PhaseConfig| {
        Ok(Phase {
            name: config.name.clone(),
            turns: config.turns,
            levels: config.level.iter().map(|level| level_plan(level, flow)).collect::<Result<_, OptimError>>()?,
            fresh: config.fresh.clone(),
        })
    };
    configs.iter().map(phase).collect()
}

fn level_plan(config: &LevelConfig, flow: Option<&OneStep>) -> Result<LevelPlan, OptimError> {
    let objective: Box<dyn Objective> = match (config.objective, flow) {
        (ObjectiveConfig::FlowMatching, _) => Box::new(FlowMatching),
        (ObjectiveConfig::Energy { acceleration }, _) => Box::new(Energy { acceleration }),
        (ObjectiveConfig::Likelihood, Some(flow)) => Box::new(Likelihood { law: Rc::new(flow.clone()) }),
        (ObjectiveConfig::Likelihood, None) => {
            return Err(OptimError::Plan { problem: "there is no flow to take the likelihood of".into() });
        }
    };
    Ok(LevelPlan {
        level: config.level,
        objective,
        steps: config.steps,
        batch: config.batch,
        times: config.times,
        noise: config.noise,
        rate: LearningRate { peak: config.rate, warm_up: config.warm_up, decay: config.decay },
        betas: config.betas,
        weight_decay: config.weight_decay,
        clip: config.clip.unwrap_or(f64::INFINITY),
    })
}
