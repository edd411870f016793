//! `[velocity]`.

use super::one_step::OneStep;
use crate::ProgramError;
use crate::config::{ActivationConfig, TransformConfig, VelocityConfig};
use strait_core::{Parameters, Seed, VelocityField};
use strait_flows::{Glow, Plan, Transform};
use strait_nets::{Activation, Mlp, MlpConfig, MlpFlowMap, TimeFeatures};
use strait_optim::OptimError;
use tch::{Device, Kind};

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
    let config = match config {
        VelocityConfig::Mlp(config) => config,
        VelocityConfig::Flow(flow) => {
            let plan = Plan {
                steps: flow.steps,
                hidden: &flow.hidden,
                transform: transform(flow.transform),
                ..Plan::default()
            };
            let glow = Glow::vector(&mut parameters.root(), d, &plan)?;
            let flow = OneStep::new(glow, &[d], device);
            return Ok(Velocity { field: Box::new(flow.clone()), parameters, flow: Some(flow) });
        }
        VelocityConfig::Gaussian => {
            let problem = "a gaussian velocity is fitted in closed form, and no network".into();
            return Err(OptimError::Plan { problem }.into());
        }
    };
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
    let field: Box<dyn VelocityField> = if config.map {
        Box::new(MlpFlowMap::new(&net, &mut parameters.root())?)
    } else {
        Box::new(Mlp::new(&net, &mut parameters.root())?)
    };
    Ok(Velocity { field, parameters, flow: None })
}

pub(super) fn transform(config: TransformConfig) -> Transform {
    match config {
        TransformConfig::Affine => Transform::affine(),
        TransformConfig::Spline => Transform::spline(),
    }
}
