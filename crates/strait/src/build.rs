//! From a config to the objects of a run. Nowhere else are names matched.

use crate::ProgramError;
use crate::config::{
    ActivationConfig, Config, ConfigError, CouplingConfig, DataConfig, DataName, InterpolantConfig, LevelConfig,
    MixingConfig, ObjectiveConfig, PhaseConfig, SourceConfig, VelocityConfig,
};
use strait_core::{Coupling, Dataset, InvertibleInterpolant, Objective, Parameters, Seed, Source, StandardNormal};
use strait_data::toys::{Checkerboard, Gaussian, Mixture, Moons, SCurve};
use strait_data::{DataError, Image, Scaling, Toy, ToyDataset, data_dir, digits, from_file};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::{Energy, FlowMatching};
use strait_optim::{LearningRate, Level, LevelName, LevelPlan, OptimError, Phase};
use strait_paths::{Affine, AffineConfig, Linear, Mixing, Schedule};
use strait_transport::{ExactOt, Independent};
use tch::{Device, Kind};

/// A data set, and how its samples are shown.
pub struct Data {
    /// The points.
    pub points: Box<dyn Dataset>,
    /// The shape of an image, where samples are images.
    pub image: Option<Image>,
}

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

/// `[data]`.
///
/// # Errors
/// Those of the data set; `MissingData` where it can be fetched.
pub fn data(config: &DataConfig, seed: Seed, device: Device) -> Result<Data, ProgramError> {
    let kind = Kind::Float;
    if let Some(path) = &config.file {
        let points = from_file(path, Scaling::Overall, seed, kind, device)?;
        let image = points.image();
        return Ok(Data { points: Box::new(points), image });
    }
    let toy: Box<dyn Toy> = match config.name {
        Some(DataName::Digits) => {
            let points = digits(&data_dir()?, kind, device)?;
            let image = points.image();
            return Ok(Data { points: Box::new(points), image });
        }
        Some(DataName::EightGaussians) => Box::new(Mixture::eight_gaussians(5.0, config.sd.unwrap_or(0.316))?),
        Some(DataName::Moons) => Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0])?),
        Some(DataName::Checkerboard) => Box::new(Checkerboard::new(4.0)?),
        Some(DataName::Mixture16) => Box::new(Mixture::sixteen_modes(16)?),
        Some(DataName::SCurve) => Box::new(SCurve::new(0.05, 1.5)?),
        Some(DataName::Gaussian) => Box::new(match config.dimension {
            None | Some(2) => Gaussian::planar()?,
            Some(d) => Gaussian::of_dimension(d)?,
        }),
        None => {
            let (key, must) = ("data.name".into(), "given, or a `file`".into());
            return Err(ConfigError::Value { key, must }.into());
        }
    };
    let points = ToyDataset::new(toy, kind, device).map_err(DataError::from)?;
    Ok(Data { points: Box::new(points), image: None })
}

/// `[source]`, over samples of a shape.
pub fn source(config: SourceConfig, event: &[i64]) -> Box<dyn Source> {
    match config {
        SourceConfig::Normal => Box::new(StandardNormal::new(event)),
    }
}

/// `[coupling]`.
pub fn coupling(config: CouplingConfig) -> Box<dyn Coupling> {
    match config {
        CouplingConfig::Independent => Box::new(Independent),
        CouplingConfig::Ot => Box::new(ExactOt),
    }
}

/// `[interpolant]` for samples of `d` numbers, with its parameters (none for a fixed path).
///
/// # Errors
/// libtorch's, when memory runs out.
pub fn interpolant(
    config: &InterpolantConfig,
    d: i64,
    seed: Seed,
    device: Device,
) -> Result<(Box<dyn InvertibleInterpolant>, Parameters), ProgramError> {
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    let path: Box<dyn InvertibleInterpolant> = match config {
        InterpolantConfig::Linear => Box::new(Linear),
        InterpolantConfig::Trigonometric => Box::new(Schedule::Trigonometric),
        InterpolantConfig::Power { power } => Box::new(Schedule::Power(*power)),
        InterpolantConfig::Affine { hidden, mixing, log_scale_bound } => {
            let mixing = match mixing {
                MixingConfig::Diagonal => Mixing::Diagonal,
                MixingConfig::Triangular => Mixing::Triangular,
            };
            let shape = AffineConfig { dimensions: d, mixing, log_scale_bound: *log_scale_bound };
            let net = MlpConfig {
                input: d,
                hidden: hidden.clone(),
                output: shape.outputs(),
                activation: Activation::Silu,
                time: TimeFeatures::Raw,
                zero_last: true,
            };
            Box::new(Affine::new(Mlp::new(&net, &mut parameters.root())?, shape)?)
        }
    };
    Ok((path, parameters))
}

/// `[velocity]` for samples of `d` numbers.
///
/// # Errors
/// libtorch's, when memory runs out.
pub fn velocity(
    config: &VelocityConfig,
    d: i64,
    seed: Seed,
    device: Device,
) -> Result<(Mlp, Parameters), ProgramError> {
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
    let mut parameters = Parameters::new(seed, Kind::Float, device);
    let mlp = Mlp::new(&net, &mut parameters.root())?;
    Ok((mlp, parameters))
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

/// `[[phase]]`.
pub fn phases(configs: &[PhaseConfig]) -> Vec<Phase> {
    let phase = |config: &PhaseConfig| Phase {
        name: config.name.clone(),
        turns: config.turns,
        levels: config.level.iter().map(level_plan).collect(),
        fresh: config.fresh.clone(),
    };
    configs.iter().map(phase).collect()
}

fn level_plan(config: &LevelConfig) -> LevelPlan {
    let objective: Box<dyn Objective> = match config.objective {
        ObjectiveConfig::FlowMatching => Box::new(FlowMatching),
        ObjectiveConfig::Energy { acceleration } => Box::new(Energy { acceleration }),
    };
    LevelPlan {
        level: config.level,
        objective,
        steps: config.steps,
        batch: config.batch,
        times: config.times,
        rate: LearningRate { peak: config.rate, warm_up: config.warm_up, decay: config.decay },
        betas: config.betas,
        weight_decay: config.weight_decay,
        clip: config.clip.unwrap_or(f64::INFINITY),
    }
}
