//! Interpolants, from `[interpolant]`.

use super::one_step::OneStep;
use super::velocity::transform;
use crate::ProgramError;
use crate::config::{AffineConfig, GlowConfig, InterpolantConfig, MapConfig, MixingConfig};
use strait_core::{Interpolant, Parameters, Scope, Seed};
use strait_flows::{Gate, GaussianMap, Glow, Plan};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
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

/// `[interpolant]` for samples of a shape.
///
/// # Errors
/// libtorch's, when memory runs out; `FlowError::Setting` for a flow that samples of the shape do not fit.
pub fn interpolant(
    config: &InterpolantConfig,
    event: &[i64],
    seed: Seed,
    device: Device,
) -> Result<Path, ProgramError> {
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    let mut map = None;
    let path = path(config, event, &mut parameters.root(), &mut |config| {
        let (found, parameters) = transport_map(config, event, seed, device)?;
        map = Some((found.clone(), parameters));
        Ok(found)
    })?;
    Ok(Path { path, parameters, map })
}

fn path(
    config: &InterpolantConfig,
    event: &[i64],
    scope: &mut Scope<'_>,
    map: &mut dyn FnMut(&MapConfig) -> Result<OneStep, ProgramError>,
) -> Result<Box<dyn Interpolant + Send>, ProgramError> {
    Ok(match config {
        InterpolantConfig::Linear => Box::new(Linear),
        InterpolantConfig::Trigonometric => Box::new(Schedule::Trigonometric),
        InterpolantConfig::VariancePreserving { beta } => Box::new(Schedule::VariancePreserving { beta: *beta }),
        InterpolantConfig::Power { power } => Box::new(Schedule::Power(*power)),
        InterpolantConfig::Monotone { degree } => Box::new(Schedule::Monotone(Monotone::new(scope, *degree)?)),
        InterpolantConfig::Affine(config) => Box::new(affine(config, event, scope)?),
        InterpolantConfig::Glow(config) => Box::new(GlowPath::new(glow(config, event, event, Gate::Start, scope)?)),
        InterpolantConfig::Warped { base, warp } => {
            let base = affine(base, event, &mut scope.sub("base"))?;
            Box::new(Warped::new(base, glow(warp, event, &[], Gate::Endpoints, &mut scope.sub("warp"))?))
        }
        InterpolantConfig::Transport { map: config } => Box::new(Transport::new(map(config)?)),
        InterpolantConfig::Residual { hidden, base } => {
            let d = event.iter().product();
            let base = path(base, event, &mut scope.sub("base"), map)?;
            Box::new(ResidualPath::on(base, Mlp::new(&network(2 * d, hidden, d), scope)?))
        }
    })
}

/// The map of a transport path.
fn transport_map(
    config: &MapConfig,
    event: &[i64],
    seed: Seed,
    device: Device,
) -> Result<(OneStep, Parameters), ProgramError> {
    let mut parameters = Parameters::new(seed.below("map"), Kind::Float, device);
    let scope = &mut parameters.root();
    let d: i64 = event.iter().product();
    let map = match config {
        MapConfig::Glow(config) => OneStep::new(glow(config, event, &[], Gate::Timeless, scope)?, event, device),
        MapConfig::Gaussian => OneStep::new(GaussianMap::new(scope, d)?, &[d], device).started_by_moments(),
    };
    Ok((map, parameters))
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
