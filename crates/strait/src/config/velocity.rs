//! `[velocity]`: the velocity field, and the table of its families.

use super::image_network::{TransformerConfig, UnetConfig};
use super::interpolant::TransformConfig;
use super::velocity_keys::{ActivationConfig, Keys, OldFlow, VelocityFamily};
use serde::{Deserialize, Serialize};

/// `[velocity]`: what the field $v(x, t)$ is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Keys", into = "Keys")]
pub enum VelocityConfig {
    /// A multilayer perceptron of (x, t).
    Mlp(MlpConfig),
    /// A U-Net of (x, t), for images.
    Unet(UnetConfig),
    /// A transformer over patches of (x, t), for images.
    Transformer(TransformerConfig),
    /// One step of an invertible network T (Glow) that carries source to data. As a field it is $T(x) - x$; one
    /// Euler step of it is exact, and more steps make no sense. It is fitted by maximum likelihood.
    Flow(FlowConfig),
    /// The straight flow to the Gaussian with the mean and covariance of the training points, in closed form. It has no
    /// training and no `phase`.
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
    /// The transform of its coupling layers.
    pub transform: TransformConfig,
    /// Widths of the hidden layers of each coupling's network.
    pub hidden: Vec<i64>,
    /// Half-lives of its moving averages, as [`VelocityConfig::half_lives`].
    pub ema_half_lives: Vec<f64>,
}

/// The properties of a family of velocities that are known without building one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VelocityKind {
    /// Its name in a config.
    pub family: VelocityFamily,
    /// Whether it is trained, in phases.
    pub is_trained: bool,
    /// Whether it is one step of an invertible map from the source, with a likelihood.
    pub is_one_step: bool,
    /// Whether it takes only images (C, H, W).
    pub is_of_images: bool,
    /// Whether it can take a condition.
    pub takes_conditions: bool,
    /// A small one, as the keys of `[velocity]`.
    pub example: &'static str,
}

/// All kinds of velocity.
pub const VELOCITIES: [VelocityKind; 5] = [
    VelocityKind { example: "hidden = [8]", ..network(VelocityFamily::Mlp) },
    VelocityKind { is_of_images: true, example: "channels = 8\nembedding = 8", ..network(VelocityFamily::Unet) },
    VelocityKind {
        is_of_images: true,
        example: "width = 8\ndepth = 1\nheads = 2\nembedding = 8",
        ..network(VelocityFamily::Transformer)
    },
    VelocityKind {
        is_one_step: true,
        example: "steps = 2\ntransform = 'spline'\nhidden = [8]",
        ..network(VelocityFamily::Flow)
    },
    VelocityKind { is_trained: false, takes_conditions: false, ..network(VelocityFamily::Gaussian) },
];

const fn network(family: VelocityFamily) -> VelocityKind {
    VelocityKind {
        family,
        is_trained: true,
        is_one_step: false,
        is_of_images: false,
        takes_conditions: true,
        example: "",
    }
}

impl VelocityConfig {
    /// The row of its family.
    pub fn kind(&self) -> &'static VelocityKind {
        let [mlp, unet, transformer, flow, gaussian] = &VELOCITIES;
        match self {
            Self::Mlp(_) => mlp,
            Self::Unet(_) => unet,
            Self::Transformer(_) => transformer,
            Self::Flow(_) => flow,
            Self::Gaussian => gaussian,
        }
    }

    /// The multilayer perceptron of the same widths; a velocity without widths is unchanged.
    pub fn network(&self) -> Self {
        match self {
            Self::Mlp(_) | Self::Unet(_) | Self::Transformer(_) | Self::Gaussian => self.clone(),
            Self::Flow(flow) => Self::Mlp(MlpConfig {
                hidden: flow.hidden.clone(),
                activation: ActivationConfig::default(),
                time_octaves: 0,
                map: false,
                ema_half_lives: flow.ema_half_lives.clone(),
            }),
        }
    }

    /// A network of twice the width and one layer more; for a U-Net, of twice the channels. None for a velocity that is
    /// not a network.
    pub fn larger(&self) -> Option<Self> {
        Some(match self {
            Self::Mlp(network) => {
                let mut hidden: Vec<i64> = network.hidden.iter().map(|width| 2 * width).collect();
                hidden.push(*hidden.last()?);
                Self::Mlp(MlpConfig { hidden, ..network.clone() })
            }
            Self::Unet(unet) => Self::Unet(UnetConfig { channels: 2 * unet.channels, ..unet.clone() }),
            Self::Transformer(transformer) => {
                let TransformerConfig { width, depth, .. } = *transformer;
                Self::Transformer(TransformerConfig { width: 2 * width, depth: depth + 1, ..transformer.clone() })
            }
            Self::Flow(_) | Self::Gaussian => return None,
        })
    }

    /// Whether it is a flow map: a network of two times.
    pub fn is_map(&self) -> bool {
        match self {
            Self::Mlp(network) => network.map,
            Self::Unet(UnetConfig { shared, .. }) | Self::Transformer(TransformerConfig { shared, .. }) => shared.map,
            Self::Flow(_) | Self::Gaussian => false,
        }
    }

    /// Widths of the hidden layers of a multilayer perceptron or a flow; empty for other families.
    pub fn hidden(&self) -> &[i64] {
        match self {
            Self::Mlp(MlpConfig { hidden, .. }) | Self::Flow(FlowConfig { hidden, .. }) => hidden,
            Self::Unet(_) | Self::Transformer(_) | Self::Gaussian => &[],
        }
    }

    /// Of its layers: the first hidden one's of a perceptron or a flow, a U-Net's at full resolution, a transformer's; none without
    /// layers.
    pub fn width(&self) -> Option<i64> {
        match self {
            Self::Unet(unet) => Some(unet.channels),
            Self::Transformer(transformer) => Some(transformer.width),
            Self::Mlp(_) | Self::Flow(_) | Self::Gaussian => self.hidden().first().copied(),
        }
    }

    /// Half-lives, in steps, of the moving averages that are kept. With one, samples use it. With several, samples use
    /// the one whose samples are nearest to the validation split. With none, samples use the last parameters.
    pub fn half_lives(&self) -> &[f64] {
        match self {
            Self::Mlp(MlpConfig { ema_half_lives, .. }) | Self::Flow(FlowConfig { ema_half_lives, .. }) => {
                ema_half_lives
            }
            Self::Unet(UnetConfig { shared, .. }) | Self::Transformer(TransformerConfig { shared, .. }) => {
                &shared.ema_half_lives
            }
            Self::Gaussian => &[],
        }
    }
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
        if !before && let Some(key) = keys.foreign(family) {
            return Err(format!("`{key}` is no key of a velocity of this family"));
        }
        let hidden = keys.hidden.clone().ok_or("missing field `hidden`");
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
            VelocityFamily::Unet => Self::Unet(UnetConfig::read(keys)),
            VelocityFamily::Transformer => Self::Transformer(TransformerConfig::read(keys)),
            VelocityFamily::Gaussian => Self::Gaussian,
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
            VelocityConfig::Unet(unet) => unet.write(keys),
            VelocityConfig::Transformer(transformer) => transformer.write(keys),
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
        let unet = read("family = 'unet'\nmap = true\nema_half_lives = [3.0]").unwrap();
        assert!(unet.is_map() && unet.half_lives() == [3.0] && unet.larger().is_some_and(|larger| larger.is_map()));
        assert_eq!(read(&toml::to_string(&unet).unwrap()), Ok(unet));
    }

    /// As in the `config.toml` and `begun.json` of older runs.
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
            ("family = 'unet'\nhidden = [8]", "hidden"),
            ("family = 'unet'\npatch = 2", "patch"),
            ("family = 'transformer'\nstem = 2", "stem"),
            ("hidden = [8]\nchannels = 2", "channels"),
            ("hidden = [8]\ngaussian = true\nflow = { steps = 2, transform = 'affine' }", "velocity.flow"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
