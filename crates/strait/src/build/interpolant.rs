//! Interpolants, from `[interpolant]`.

use super::one_step::OneStep;
use super::samples::Samples;
use super::velocity::{flow_embedding, transform};
use crate::ProgramError;
use crate::config::{AffineConfig, GlowConfig, InterpolantConfig, MapConfig, MixingConfig};
use strait_core::{Bijection, ConditionKind, Interpolant, Parameters, Scope, Seed};
use strait_flows::{Gate, GaussianMap, Glow, Plan, Reversible};
use strait_nets::{Activation, ConditionalBijection, Mlp, MlpConfig, TimeFeatures};
use strait_paths::{
    self as paths, Affine, GlowPath, Linear, Mixing, Monotone, ResidualPath, Schedule, Transport, Warped,
};
use tch::{Device, Kind};

/// A fresh path.
pub struct Path {
    /// The path.
    pub path: Box<dyn Interpolant + Send>,
    /// What it learns with, level `interpolant`; none for a fixed path.
    pub parameters: Parameters,
    /// The map that it goes through, where it does, with level `transport`.
    pub map: Option<(OneStep, Parameters)>,
}

/// `[interpolant]` for samples of a shape, under a condition where there is one.
///
/// # Errors
/// libtorch's, when memory runs out; `FlowError::Setting` for a flow that samples of the shape do not fit.
pub fn interpolant(
    config: &InterpolantConfig,
    samples: Samples<'_>,
    seed: Seed,
    device: Device,
) -> Result<Path, ProgramError> {
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    let mut map = None;
    let path = path(config, samples, &mut parameters.root(), &mut |config| {
        let (found, parameters) = transport_map(config, samples, seed, device)?;
        map = Some((found.clone(), parameters));
        Ok(found)
    })?;
    Ok(Path { path, parameters, map })
}

fn path(
    config: &InterpolantConfig,
    samples: Samples<'_>,
    scope: &mut Scope<'_>,
    map: &mut dyn FnMut(&MapConfig) -> Result<OneStep, ProgramError>,
) -> Result<Box<dyn Interpolant + Send>, ProgramError> {
    Ok(match config {
        InterpolantConfig::Linear => Box::new(Linear),
        InterpolantConfig::Trigonometric => Box::new(Schedule::Trigonometric),
        InterpolantConfig::VariancePreserving { beta } => Box::new(Schedule::VariancePreserving { beta: *beta }),
        InterpolantConfig::Power { power } => Box::new(Schedule::Power(*power)),
        InterpolantConfig::Monotone { degree } => Box::new(Schedule::Monotone(Monotone::new(scope, *degree)?)),
        InterpolantConfig::Affine(config) => Box::new(affine(config, samples, scope)?),
        InterpolantConfig::Glow(config) => {
            Box::new(GlowPath::new(under_condition(config, samples, samples.event, Gate::Start, scope)?))
        }
        InterpolantConfig::Warped { base, warp } => {
            let base = affine(base, samples, &mut scope.sub("base"))?;
            Box::new(Warped::new(base, under_condition(warp, samples, &[], Gate::Endpoints, &mut scope.sub("warp"))?))
        }
        InterpolantConfig::Transport { map: config } => Box::new(Transport::new(map(config)?)),
        InterpolantConfig::Residual { hidden, conditioned, base } => {
            let d = samples.event.iter().product();
            let base = path(base, samples, &mut scope.sub("base"), map)?;
            Box::new(ResidualPath::on(base, perceptron((2 * d, hidden, d), samples.seen(*conditioned), scope)?))
        }
    })
}

/// The map of a transport path.
fn transport_map(
    config: &MapConfig,
    samples: Samples<'_>,
    seed: Seed,
    device: Device,
) -> Result<(OneStep, Parameters), ProgramError> {
    let mut parameters = Parameters::new(seed.below("map"), Kind::Float, device);
    let scope = &mut parameters.root();
    let d: i64 = samples.event.iter().product();
    let map = match config {
        MapConfig::Glow(config) => {
            let embedding = flow_embedding(&config.hidden, samples.seen(config.conditioned), scope)?;
            let context: Vec<i64> = embedding.iter().map(|(_, width)| *width).collect();
            let map =
                OneStep::new(glow(config, samples.event, &context, Gate::Timeless, scope)?, samples.event, device);
            match embedding {
                Some((embedding, _)) => map.under(embedding),
                None => map,
            }
        }
        MapConfig::Gaussian => OneStep::new(GaussianMap::new(scope, d)?, &[d], device).started_by_moments(),
    };
    Ok((map, parameters))
}

/// The network of a path, of so many inputs, hidden widths and outputs: zero when fresh.
fn perceptron(
    (input, hidden, output): (i64, &[i64], i64),
    condition: Option<ConditionKind>,
    scope: &mut Scope<'_>,
) -> Result<Mlp, ProgramError> {
    let (activation, time) = (Activation::Silu, TimeFeatures::Raw);
    let config = MlpConfig { input, hidden: hidden.to_vec(), output, activation, time, zero_last: true };
    Ok(match condition {
        Some(condition) => Mlp::conditional(&config, condition, scope)?,
        None => Mlp::new(&config, scope)?,
    })
}

fn affine(config: &AffineConfig, samples: Samples<'_>, scope: &mut Scope<'_>) -> Result<Affine<Mlp>, ProgramError> {
    let mixing = match config.mixing {
        MixingConfig::Diagonal => Mixing::Diagonal,
        MixingConfig::Triangular => Mixing::Triangular,
    };
    let dimensions = samples.event.iter().product();
    let shape = paths::AffineConfig { dimensions, mixing, log_scale_bound: config.log_scale_bound };
    let sizes = (dimensions, config.hidden.as_slice(), shape.outputs());
    Ok(Affine::new(perceptron(sizes, samples.seen(config.conditioned), scope)?, shape)?)
}

/// A Glow that a path holds, with the condition in its context where it is to see it.
fn under_condition(
    config: &GlowConfig,
    samples: Samples<'_>,
    context: &[i64],
    gate: Gate,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Bijection + Send>, ProgramError> {
    let seen = samples.seen(config.conditioned);
    let embedding = flow_embedding(&config.hidden, seen, scope)?;
    let mut context = context.to_vec();
    if let Some((_, width)) = &embedding {
        match context.first_mut() {
            Some(channels) => *channels += width,
            None => context.push(*width),
        }
    }
    let glow = glow(config, samples.event, &context, gate, scope)?;
    let flow: Box<dyn Bijection + Send> =
        if config.reversible { Box::new(Reversible::new(glow)) } else { Box::new(glow) };
    Ok(match embedding {
        Some((embedding, _)) => Box::new(ConditionalBijection::new(flow, embedding)),
        None => flow,
    })
}

/// Of vectors, or of images with as many levels as their sides halve, two at most.
fn glow(
    config: &GlowConfig,
    event: &[i64],
    context: &[i64],
    gate: Gate,
    scope: &mut Scope<'_>,
) -> Result<Glow, ProgramError> {
    let transform = transform(config.transform);
    let plan = Plan { steps: config.steps, hidden: &config.hidden, transform, context, gate, ..Plan::default() };
    Ok(match *event {
        [c, h, w] => Glow::image(scope, [c, h, w], (h | w).trailing_zeros().min(2), &plan)?,
        _ => Glow::vector(scope, event.iter().product(), &plan)?,
    })
}
