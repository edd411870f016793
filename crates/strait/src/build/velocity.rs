//! Velocity fields, from `[velocity]`.

use super::one_step::OneStep;
use super::samples::Samples;
use crate::ProgramError;
use crate::config::{ActivationConfig, ImageNetworkConfig, TransformConfig, VelocityConfig};
use strait_core::{ConditionKind, Parameters, Scope, Seed, VelocityField};
use strait_flows::{Glow, Plan, Transform};
use strait_nets::{
    Activation, ConditionEmbedding, EmbeddingConfig, Mlp, MlpConfig, MlpFlowMap, TimeFeatures, Transformer,
    TransformerConfig, Unet, UnetConfig,
};
use strait_optim::OptimError;
use tch::{Device, Kind};

/// A fresh velocity.
pub struct Velocity {
    /// The field.
    pub field: Box<dyn VelocityField + Send>,
    /// What it is made of.
    pub parameters: Parameters,
    /// The flow that the field takes one step of, where it is one.
    pub flow: Option<OneStep>,
}

/// `[velocity]` for samples of a shape, under a condition where there is one.
///
/// # Errors
/// `Config` for a network of images and samples that are none; `Setting` for a network that they do not fit, or a flow of
/// samples of one number; libtorch's, when memory runs out.
pub fn velocity(
    config: &VelocityConfig,
    samples: Samples<'_>,
    seed: Seed,
    device: Device,
) -> Result<Velocity, ProgramError> {
    let Samples { event, condition } = samples;
    let image = || samples.image("velocity.family");
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    let d = event.iter().product();
    let config = match config {
        VelocityConfig::Unet(unet) => {
            let net = UnetConfig {
                stem: unet.stem,
                channels: unet.channels,
                multipliers: unet.multipliers.clone(),
                blocks: unet.blocks,
                attention: unet.attention,
                heads: unet.heads,
                embedding: embedding(&unet.shared, condition),
                gradient_checkpointing: unet.shared.gradient_checkpointing,
                ..UnetConfig::of(image()?)
            };
            let field = Box::new(Unet::new(&net, &mut parameters.root())?);
            return Ok(Velocity { field, parameters, flow: None });
        }
        VelocityConfig::Transformer(transformer) => {
            let net = TransformerConfig {
                patch: transformer.patch,
                width: transformer.width,
                depth: transformer.depth,
                heads: transformer.heads,
                embedding: embedding(&transformer.shared, condition),
                gradient_checkpointing: transformer.shared.gradient_checkpointing,
                ..TransformerConfig::of(image()?)
            };
            let field = Box::new(Transformer::new(&net, &mut parameters.root())?);
            return Ok(Velocity { field, parameters, flow: None });
        }
        VelocityConfig::Mlp(config) => config,
        VelocityConfig::Flow(flow) => {
            let scope = &mut parameters.root();
            let embedding = flow_embedding(&flow.hidden, condition, scope)?;
            let context: Vec<i64> = embedding.iter().map(|(_, width)| *width).collect();
            let plan = Plan {
                steps: flow.steps,
                hidden: &flow.hidden,
                transform: transform(flow.transform),
                context: &context,
                ..Plan::default()
            };
            let map = OneStep::new(Glow::vector(scope, d, &plan)?, &[d], device);
            let flow = match embedding {
                Some((embedding, _)) => map.under(embedding),
                None => map,
            };
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
    let scope = &mut parameters.root();
    let field: Box<dyn VelocityField + Send> = match (config.map, condition) {
        (true, None) => Box::new(MlpFlowMap::new(&net, scope)?),
        (true, Some(condition)) => Box::new(MlpFlowMap::conditional(&net, condition, scope)?),
        (false, None) => Box::new(Mlp::new(&net, scope)?),
        (false, Some(condition)) => Box::new(Mlp::conditional(&net, condition, scope)?),
    };
    Ok(Velocity { field, parameters, flow: None })
}

fn embedding(shared: &ImageNetworkConfig, condition: Option<ConditionKind>) -> EmbeddingConfig {
    let features = match shared.time_octaves {
        0 => TimeFeatures::Raw,
        octaves => TimeFeatures::Fourier(octaves),
    };
    EmbeddingConfig { times: 1 + usize::from(shared.map), features, condition, width: shared.embedding }
}

/// The embedding of a condition for the networks of a flow, with its width: that of their first layer, or of the condition itself
/// where this has fewer numbers.
pub(super) fn flow_embedding(
    hidden: &[i64],
    condition: Option<ConditionKind>,
    scope: &mut Scope<'_>,
) -> Result<Option<(ConditionEmbedding, i64)>, ProgramError> {
    let Some(kind) = condition else { return Ok(None) };
    let (ConditionKind::Classes(n) | ConditionKind::Vector(n)) = kind;
    let width = hidden.first().map_or(n, |&hidden| hidden.min(n));
    Ok(Some((ConditionEmbedding::new(kind, width, scope)?, width)))
}

pub(super) fn transform(config: TransformConfig) -> Transform {
    match config {
        TransformConfig::Affine => Transform::affine(),
        TransformConfig::Spline => Transform::spline(),
    }
}
