//! `[velocity]`.

use super::interpolant::TransformConfig;
use serde::{Deserialize, Serialize};

/// `[velocity]`: what the field $v(x, t)$ is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Keys", into = "Keys")]
pub enum VelocityConfig {
    /// A multilayer perceptron of (x, t).
    Mlp(MlpConfig),
    /// One step of an invertible network T (Glow) that carries source to data. As a field it is $T(x) - x$, of which one
    /// Euler step is exact and more make no sense; it is fitted by its likelihood.
    Flow(FlowConfig),
    /// The straight flow to the Gaussian that has the mean and covariance of the training points, in closed form: what is
    /// reached without any training, and without a `phase`.
    Gaussian,
}

/// A multilayer perceptron.
#[derive(Debug, Clone, PartialEq)]
pub struct MlpConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<i64>,
    /// Between layers.
    pub activation: ActivationConfig,
    /// Sines and cosines of t as inputs, beside t itself: this many octaves.
    pub time_octaves: u32,
    /// Whether it is the average velocity u(x, s, t) of a flow map, whose diagonal is v: a network of two times.
    pub map: bool,
    /// Half-lives of its moving averages, as [`VelocityConfig::half_lives`].
    pub ema_half_lives: Vec<f64>,
}

/// An invertible network.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowConfig {
    /// Steps of a coupling, a linear map and an ActNorm.
    pub steps: usize,
    /// What couplings do.
    pub transform: TransformConfig,
    /// Widths of the hidden layers of each coupling's network.
    pub hidden: Vec<i64>,
    /// Half-lives of its moving averages, as [`VelocityConfig::half_lives`].
    pub ema_half_lives: Vec<f64>,
}

/// What there is to know of a kind of velocity without building it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VelocityKind {
    /// Its name in a config.
    pub family: VelocityFamily,
    /// Whether it is trained, in phases.
    pub is_trained: bool,
    /// Whether it is one step of an invertible map from the source, with a likelihood.
    pub is_one_step: bool,
    /// A small one, as the keys of `[velocity]`.
    pub example: &'static str,
}

/// All kinds of velocity.
pub const VELOCITIES: [VelocityKind; 3] = [
    VelocityKind { family: VelocityFamily::Mlp, is_trained: true, is_one_step: false, example: "hidden = [8]" },
    VelocityKind {
        family: VelocityFamily::Flow,
        is_trained: true,
        is_one_step: true,
        example: "steps = 2\ntransform = 'spline'\nhidden = [8]",
    },
    VelocityKind { family: VelocityFamily::Gaussian, is_trained: false, is_one_step: false, example: "" },
];

/// The names of the kinds of velocity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VelocityFamily {
    /// [`VelocityConfig::Mlp`].
    #[default]
    Mlp,
    /// [`VelocityConfig::Flow`].
    Flow,
    /// [`VelocityConfig::Gaussian`].
    Gaussian,
}

impl VelocityConfig {
    /// What there is to know of its kind.
    pub fn kind(&self) -> &'static VelocityKind {
        match self {
            Self::Mlp(_) => &VELOCITIES[0],
            Self::Flow(_) => &VELOCITIES[1],
            Self::Gaussian => &VELOCITIES[2],
        }
    }

    /// The multilayer perceptron of the same widths; a velocity that has none stays as it is.
    pub fn network(&self) -> Self {
        match self {
            Self::Mlp(_) | Self::Gaussian => self.clone(),
            Self::Flow(flow) => Self::Mlp(MlpConfig {
                hidden: flow.hidden.clone(),
                activation: ActivationConfig::default(),
                time_octaves: 0,
                map: false,
                ema_half_lives: flow.ema_half_lives.clone(),
            }),
        }
    }

    /// Whether it is a flow map: a network of two times.
    pub fn is_map(&self) -> bool {
        matches!(self, Self::Mlp(MlpConfig { map: true, .. }))
    }

    /// Widths of the hidden layers; none of what has no network.
    pub fn hidden(&self) -> &[i64] {
        match self {
            Self::Mlp(MlpConfig { hidden, .. }) | Self::Flow(FlowConfig { hidden, .. }) => hidden,
            Self::Gaussian => &[],
        }
    }

    /// Half-lives, in steps, of the moving averages that are kept. Of one, it is sampled with; of more, the one whose samples
    /// are nearest to the validation split; of none, the last parameters are sampled with.
    pub fn half_lives(&self) -> &[f64] {
        match self {
            Self::Mlp(MlpConfig { ema_half_lives, .. }) | Self::Flow(FlowConfig { ema_half_lives, .. }) => {
                ema_half_lives
            }
            Self::Gaussian => &[],
        }
    }
}

/// A nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationConfig {
    /// $x\sigma(x)$.
    #[default]
    Silu,
    /// Scaled exponential units.
    Selu,
    /// Hyperbolic tangent.
    Tanh,
}

/// The keys of `[velocity]`. Without a `family` they are those of runs before it had one: an MLP, unless `flow` or
/// `gaussian` says otherwise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family: Option<VelocityFamily>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hidden: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activation: Option<ActivationConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_octaves: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    map: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transform: Option<TransformConfig>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ema_half_lives: Vec<f64>,
    #[serde(default, skip_serializing)]
    flow: Option<OldFlow>,
    #[serde(default, skip_serializing)]
    gaussian: bool,
}

/// `flow` of a `[velocity]` without a family.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldFlow {
    steps: usize,
    transform: TransformConfig,
}

impl TryFrom<Keys> for VelocityConfig {
    type Error = String;

    fn try_from(mut keys: Keys) -> Result<Self, String> {
        if keys.family.is_some() && (keys.flow.is_some() || keys.gaussian) {
            return Err("`flow` and `gaussian` are left out where velocity.family is given".into());
        }
        if keys.gaussian && keys.flow.is_some() {
            return Err("velocity.gaussian and velocity.flow are given both: one velocity is one of them".into());
        }
        // What these keys stood beside had no meaning for them.
        let before = keys.flow.is_some() || keys.gaussian;
        let family = match (&keys.flow, keys.gaussian) {
            (Some(OldFlow { steps, transform }), _) => {
                (keys.steps, keys.transform) = (Some(*steps), Some(*transform));
                VelocityFamily::Flow
            }
            (None, true) => VelocityFamily::Gaussian,
            (None, false) => keys.family.unwrap_or_default(),
        };
        let foreign = |is_given: bool, key: &str| match is_given && !before {
            true => Err(format!("`{key}` is no key of a velocity of this family")),
            false => Ok(()),
        };
        let hidden = keys.hidden.clone().ok_or("missing field `hidden`");
        if family != VelocityFamily::Mlp {
            foreign(keys.activation.is_some(), "activation")?;
            foreign(keys.time_octaves.is_some(), "time_octaves")?;
            foreign(keys.map.is_some(), "map")?;
        }
        if family != VelocityFamily::Flow {
            foreign(keys.steps.is_some(), "steps")?;
            foreign(keys.transform.is_some(), "transform")?;
        }
        Ok(match family {
            VelocityFamily::Mlp => Self::Mlp(MlpConfig {
                hidden: hidden?,
                activation: keys.activation.unwrap_or_default(),
                time_octaves: keys.time_octaves.unwrap_or_default(),
                map: keys.map.unwrap_or_default(),
                ema_half_lives: keys.ema_half_lives,
            }),
            VelocityFamily::Flow => Self::Flow(FlowConfig {
                steps: keys.steps.ok_or("missing field `steps`")?,
                transform: keys.transform.unwrap_or_default(),
                hidden: hidden?,
                ema_half_lives: keys.ema_half_lives,
            }),
            VelocityFamily::Gaussian => {
                foreign(keys.hidden.is_some(), "hidden")?;
                foreign(!keys.ema_half_lives.is_empty(), "ema_half_lives")?;
                Self::Gaussian
            }
        })
    }
}

impl From<VelocityConfig> for Keys {
    fn from(config: VelocityConfig) -> Self {
        let keys = Self { family: Some(config.kind().family), ..Self::default() };
        match config {
            VelocityConfig::Mlp(MlpConfig { hidden, activation, time_octaves, map, ema_half_lives }) => Self {
                hidden: Some(hidden),
                activation: Some(activation),
                time_octaves: Some(time_octaves),
                map: map.then_some(true),
                ema_half_lives,
                ..keys
            },
            VelocityConfig::Flow(FlowConfig { steps, transform, hidden, ema_half_lives }) => {
                Self { steps: Some(steps), transform: Some(transform), hidden: Some(hidden), ema_half_lives, ..keys }
            }
            VelocityConfig::Gaussian => keys,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<VelocityConfig, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn each_kind_is_read_and_written() {
        for kind in VELOCITIES {
            let name = serde_json::to_string(&kind.family).unwrap();
            let config = read(&format!("family = {name}\n{}", kind.example)).unwrap();
            assert_eq!(config.kind().family, kind.family);
            assert_eq!(read(&toml::to_string(&config).unwrap()), Ok(config));
        }
        let map = read("hidden = [8]\nmap = true").unwrap();
        assert!(map.is_map() && !read("hidden = [8]").unwrap().is_map());
        assert_eq!(read(&toml::to_string(&map).unwrap()), Ok(map));
    }

    /// As the runs of before have them in their `config.toml` and `begun.json`.
    #[test]
    fn the_keys_of_before_are_read() {
        let same = |old: &str, new: &str| assert_eq!(read(old), read(new), "{old}");
        same("hidden = [8]\ngaussian = false", "family = 'mlp'\nhidden = [8]");
        same("hidden = []\ngaussian = true\nactivation = 'silu'\ntime_octaves = 0", "family = 'gaussian'");
        same(
            "hidden = [8]\nactivation = 'silu'\nema_half_lives = [2.0]\n[flow]\nsteps = 4\ntransform = 'spline'",
            "family = 'flow'\nhidden = [8]\nema_half_lives = [2.0]\nsteps = 4\ntransform = 'spline'",
        );
        assert!(matches!(read("family = 'gaussian'"), Ok(VelocityConfig::Gaussian)));
    }

    #[test]
    fn keys_of_another_kind_are_refused_by_name() {
        for (text, word) in [
            ("", "hidden"),
            ("family = 'mlp'\nhidden = [8]\nsteps = 2", "steps"),
            ("family = 'flow'\nhidden = [8]", "steps"),
            ("family = 'flow'\nhidden = [8]\nsteps = 2\ntime_octaves = 2", "time_octaves"),
            ("family = 'gaussian'\nhidden = [8]", "hidden"),
            ("family = 'flow'\nhidden = [8]\nsteps = 2\nmap = true", "map"),
            ("family = 'mlp'\nhidden = [8]\ngaussian = true", "gaussian"),
            ("hidden = [8]\ngaussian = true\nflow = { steps = 2, transform = 'affine' }", "velocity.flow"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
