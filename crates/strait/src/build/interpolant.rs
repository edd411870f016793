//! Interpolants, from `[interpolant]`.

use super::one_step::OneStep;
use super::samples::Samples;
use super::velocity::{flow_embedding, transform};
use crate::ProgramError;
use crate::config::{AffineConfig, GlowConfig, InterpolantConfig, MapConfig, MixingConfig};
use strait_core::{Bijection, ConditionKind, Interpolant, Parameters, Scope, Seed, TimeFunction};
use strait_flows::{Gate, GaussianMap, Glow, Plan, Reversible};
use strait_nets::{Activation, ConditionalBijection, ConvNet, ConvNetConfig, Mlp, MlpConfig, TimeFeatures};
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
        InterpolantConfig::Affine(config) => Box::new(affine(config, samples, "interpolant", scope)?),
        InterpolantConfig::Glow(config) => {
            Box::new(GlowPath::new(under_condition(config, samples, samples.event, Gate::Start, scope)?))
        }
        InterpolantConfig::Warped { base, warp } => {
            let base = affine(base, samples, "interpolant.base", &mut scope.sub("base"))?;
            Box::new(Warped::new(base, under_condition(warp, samples, &[], Gate::Endpoints, &mut scope.sub("warp"))?))
        }
        InterpolantConfig::Transport { map: config } => Box::new(Transport::new(map(config)?)),
        InterpolantConfig::Residual { hidden, convolutional, conditioned, base } => {
            let base = path(base, samples, &mut scope.sub("base"), map)?;
            let of = PathNetwork { hidden, sees: 2, gives: 1, condition: samples.seen(*conditioned) };
            let d = samples.event.iter().product();
            let network = match convolutional {
                true => of.convolutions(samples.image("interpolant.convolutional")?, scope)?,
                false => of.perceptron(d, d, scope)?,
            };
            Box::new(ResidualPath::on(base, network))
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

/// The network of a path: zero when fresh.
struct PathNetwork<'a> {
    hidden: &'a [i64],
    /// How many samples it sees side by side.
    sees: i64,
    /// How many samples it gives.
    gives: i64,
    condition: Option<ConditionKind>,
}

type BoxedNetwork = Box<dyn TimeFunction + Send>;

impl PathNetwork<'_> {
    /// Over the numbers of each sample.
    fn perceptron(&self, d: i64, output: i64, scope: &mut Scope<'_>) -> Result<BoxedNetwork, ProgramError> {
        let (activation, time) = (Activation::Silu, TimeFeatures::Raw);
        let (input, hidden) = (self.sees * d, self.hidden.to_vec());
        let config = MlpConfig { input, hidden, output, activation, time, zero_last: true };
        Ok(match self.condition {
            Some(condition) => Box::new(Mlp::conditional(&config, condition, scope)?),
            None => Box::new(Mlp::new(&config, scope)?),
        })
    }

    /// Over images. Of even sides, squares of two become channels: a quarter of the positions, twice the view.
    fn convolutions(
        &self,
        [channels, height, width]: [i64; 3],
        scope: &mut Scope<'_>,
    ) -> Result<BoxedNetwork, ProgramError> {
        let config = ConvNetConfig {
            input: [self.sees * channels, height, width],
            stem: if (height | width) % 2 == 0 { 2 } else { 1 },
            hidden: self.hidden.to_vec(),
            output: self.gives * channels,
            activation: Activation::Silu,
            time: TimeFeatures::Raw,
            zero_last: true,
        };
        Ok(match self.condition {
            Some(condition) => Box::new(ConvNet::conditional(&config, condition, scope)?),
            None => Box::new(ConvNet::new(&config, scope)?),
        })
    }
}

fn affine(
    config: &AffineConfig,
    samples: Samples<'_>,
    key: &str,
    scope: &mut Scope<'_>,
) -> Result<Affine<BoxedNetwork>, ProgramError> {
    let mixing = match config.mixing {
        MixingConfig::Diagonal => Mixing::Diagonal,
        MixingConfig::Triangular => Mixing::Triangular,
    };
    let dimensions = samples.event.iter().product();
    let shape = paths::AffineConfig { dimensions, mixing, log_scale_bound: config.log_scale_bound };
    // Of a diagonal matrix a log-scale and a shift of each number.
    let of = PathNetwork { hidden: &config.hidden, sees: 1, gives: 2, condition: samples.seen(config.conditioned) };
    let network = match config.convolutional {
        true => of.convolutions(samples.image(&format!("{key}.convolutional"))?, scope)?,
        false => of.perceptron(dimensions, shape.outputs(), scope)?,
    };
    Ok(Affine::new(network, shape)?)
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
