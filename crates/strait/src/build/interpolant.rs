//! `[interpolant]`.

use super::transform;
use crate::ProgramError;
use crate::config::{AffineConfig, GlowConfig, InterpolantConfig, MixingConfig};
use strait_core::{Interpolant, Parameters, Scope, Seed};
use strait_flows::{Gate, Glow, Plan};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_paths::{self as paths, Affine, Linear, Mixing, Monotone, Residual, Schedule, Transport, Warped};
use tch::{Device, Kind};

/// `[interpolant]` for samples of a shape, with its parameters (none for a fixed path).
///
/// # Errors
/// libtorch's, when memory runs out; `FlowError::Setting` for a flow that samples of the shape do not fit.
pub fn interpolant(
    config: &InterpolantConfig,
    event: &[i64],
    seed: Seed,
    device: Device,
) -> Result<(Box<dyn Interpolant>, Parameters), ProgramError> {
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    let scope = &mut parameters.root();
    let path: Box<dyn Interpolant> = match config {
        InterpolantConfig::Linear => Box::new(Linear),
        InterpolantConfig::Trigonometric => Box::new(Schedule::Trigonometric),
        InterpolantConfig::VariancePreserving { beta } => Box::new(Schedule::VariancePreserving { beta: *beta }),
        InterpolantConfig::Power { power } => Box::new(Schedule::Power(*power)),
        InterpolantConfig::Monotone { degree } => Box::new(Schedule::Monotone(Monotone::new(scope, *degree)?)),
        InterpolantConfig::Affine(config) => Box::new(affine(config, event, scope)?),
        InterpolantConfig::Glow(config) => Box::new(paths::Glow::new(glow(config, event, event, Gate::Start, scope)?)),
        InterpolantConfig::Warped { base, warp } => {
            let base = affine(base, event, &mut scope.sub("base"))?;
            Box::new(Warped::new(base, glow(warp, event, &[], Gate::Ends, &mut scope.sub("warp"))?))
        }
        InterpolantConfig::Transport(config) => {
            Box::new(Transport::new(glow(config, event, &[], Gate::Timeless, scope)?))
        }
        InterpolantConfig::Residual { hidden } => {
            let d = event.iter().product();
            Box::new(Residual::new(Mlp::new(&network(2 * d, hidden, d), scope)?))
        }
    };
    Ok((path, parameters))
}

/// The network of a path: zero when fresh.
fn network(input: i64, hidden: &[i64], output: i64) -> MlpConfig {
    let (activation, time) = (Activation::Silu, TimeFeatures::Raw);
    MlpConfig { input, hidden: hidden.to_vec(), output, activation, time, zero_last: true }
}

fn affine(config: &AffineConfig, event: &[i64], scope: &mut Scope<'_>) -> Result<Affine<Mlp>, ProgramError> {
    let mixing = match config.mixing {
        MixingConfig::Diagonal => Mixing::Diagonal,
        MixingConfig::Triangular => Mixing::Triangular,
    };
    let dimensions = event.iter().product();
    let shape = paths::AffineConfig { dimensions, mixing, log_scale_bound: config.log_scale_bound };
    Ok(Affine::new(Mlp::new(&network(dimensions, &config.hidden, shape.outputs()), scope)?, shape)?)
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
