//! `[interpolant]`: the families of paths.

use super::error::{ConfigError, need, widths};
use serde::{Deserialize, Serialize};

/// `[interpolant]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case", deny_unknown_fields)]
pub enum InterpolantConfig {
    /// $(1-t)x_0 + t x_1$.
    #[default]
    Linear,
    /// $\cos(\pi t/2)x_0 + \sin(\pi t/2)x_1$.
    Trigonometric,
    /// The variance-preserving diffusion from noise to data, both endpoints exact.
    VariancePreserving {
        /// Its rate at the noise, above 0; it falls linearly to 0 at the data.
        beta: f64,
    },
    /// $(1-t)^p x_0 + (1-(1-t)^p)x_1$.
    Power {
        /// p, at least 1.
        power: f64,
    },
    /// Learned, $(1-h(t))x_0 + g(t)x_1$ with g and h monotone Bernstein polynomials.
    Monotone {
        /// Their degree, at least 2.
        degree: i64,
    },
    /// Learned, affine in $x_0$.
    Affine(AffineConfig),
    /// Learned, $t x_1 + (1-t)F_t(x_0; x_1)$ with F a Glow.
    Glow(GlowConfig),
    /// Learned, an affine path through a Glow that depends on time and not on the data point.
    Warped {
        /// The affine path.
        base: AffineConfig,
        /// The Glow.
        warp: GlowConfig,
    },
    /// Learned, through the latent space of a map that carries the source to the data. The map is level `transport`.
    Transport {
        /// The map.
        map: MapConfig,
    },
    /// Learned, another path $+\ t(1-t)R(x_0, x_1, t)$.
    Residual {
        /// Widths of the network's hidden layers.
        hidden: Vec<i64>,
        /// Whether the network is one of convolutions over images, with `hidden` channels.
        #[serde(default, skip_serializing_if = "is_false")]
        convolutional: bool,
        /// Whether the network sees the condition of the data, beside the points.
        #[serde(default, skip_serializing_if = "is_false")]
        conditioned: bool,
        /// The other path.
        #[serde(default)]
        base: Box<InterpolantConfig>,
    },
}

/// A map from the source to the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MapConfig {
    /// A Glow, to be fitted by its likelihood.
    Glow(GlowConfig),
    /// The optimal map to the Gaussian of the training data's mean and covariance; nothing in it is trained.
    Gaussian,
}

impl InterpolantConfig {
    /// The map that the path goes through, where it goes through one.
    pub fn map(&self) -> Option<&MapConfig> {
        match self {
            Self::Transport { map } => Some(map),
            Self::Residual { base, .. } => base.map(),
            _ => None,
        }
    }

    /// The networks of the path with their keys, and whether each is to see the condition of the data.
    fn networks(&self, at: &str) -> Vec<(String, bool)> {
        let of = |part: &str, conditioned: bool| vec![(format!("{at}{part}.conditioned"), conditioned)];
        match self {
            Self::Linear
            | Self::Trigonometric
            | Self::VariancePreserving { .. }
            | Self::Power { .. }
            | Self::Monotone { .. }
            | Self::Transport { map: MapConfig::Gaussian } => vec![],
            Self::Affine(affine) => of("", affine.conditioned),
            Self::Glow(glow) => of("", glow.conditioned),
            Self::Transport { map: MapConfig::Glow(glow) } => of(".map", glow.conditioned),
            Self::Warped { base, warp } => [of(".base", base.conditioned), of(".warp", warp.conditioned)].concat(),
            Self::Residual { conditioned, base, .. } => {
                [of("", *conditioned), base.networks(&format!("{at}.base"))].concat()
            }
        }
    }

    /// Whether the path depends on the condition of the data.
    pub fn is_conditioned(&self) -> bool {
        self.networks("").iter().any(|(_, conditioned)| *conditioned)
    }

    /// Refuses a path that is to see a condition where there is none.
    pub(super) fn check_condition(&self, given: bool) -> Result<(), ConfigError> {
        let must = "false, or left out, where data.condition is";
        self.networks("interpolant")
            .iter()
            .try_for_each(|(key, conditioned)| need(given || !conditioned, key, conditioned, must))
    }

    /// The row of its family.
    pub fn family(&self) -> &'static Family {
        let [linear, trigonometric, variance_preserving, power, monotone, affine, glow, warped, transport, residual] =
            &FAMILIES;
        match self {
            Self::Linear => linear,
            Self::Trigonometric => trigonometric,
            Self::VariancePreserving { .. } => variance_preserving,
            Self::Power { .. } => power,
            Self::Monotone { .. } => monotone,
            Self::Affine(_) => affine,
            Self::Glow(_) => glow,
            Self::Warped { .. } => warped,
            Self::Transport { .. } => transport,
            Self::Residual { .. } => residual,
        }
    }

    /// Refuses settings that define no path.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Linear
            | Self::Trigonometric
            | Self::VariancePreserving { .. }
            | Self::Power { .. }
            | Self::Monotone { .. } => Ok(()),
            Self::Affine(affine) => affine.check("interpolant"),
            Self::Glow(glow) => glow.check("interpolant"),
            Self::Transport { map: MapConfig::Glow(glow) } => glow.check("interpolant.map"),
            Self::Transport { map: MapConfig::Gaussian } => Ok(()),
            Self::Warped { base, warp } => {
                base.check("interpolant.base")?;
                warp.check("interpolant.warp")
            }
            Self::Residual { hidden, base, .. } => {
                widths("interpolant.hidden", hidden)?;
                base.check()
            }
        }
    }
}

/// The properties of a family of paths that are known without building one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name in a config.
    pub name: &'static str,
    /// Whether any of its parameters are learned.
    pub learns: bool,
    /// Whether the path can be inverted for $x_0$, given $x_t$, $x_1$ and t, which the exact field requires.
    pub is_invertible: bool,
    /// Whether its marginal field over given endpoints is known (Proposition 1, or a form of its own).
    pub has_marginal: bool,
    /// Whether it has a network that can see the condition of the data (`conditioned`).
    pub takes_conditions: bool,
    /// Whether the derivative of its exact field along the flow needs no JVP inside a JVP.
    pub has_closed_derivative: bool,
    /// An example, as the keys of `[interpolant]` beside `family`: tests build it and pictures show it.
    pub example: &'static str,
}

/// All families of paths.
pub const FAMILIES: [Family; 10] = [
    Family { example: "", ..fixed("linear") },
    Family { example: "", ..fixed("trigonometric") },
    Family { example: "beta = 20.0", ..fixed("variance_preserving") },
    Family { example: "power = 2.0", ..fixed("power") },
    Family { takes_conditions: false, example: "degree = 8", ..learned("monotone") },
    Family { example: "hidden = [64, 64]\nmixing = 'triangular'\nlog_scale_bound = 50.0", ..learned("affine") },
    Family { has_closed_derivative: false, example: "steps = 4\nhidden = [32, 32]", ..learned("glow") },
    Family {
        example: "base = { hidden = [64, 64], mixing = 'triangular', log_scale_bound = 50.0 }\n\
                  warp = { steps = 4, hidden = [32, 32] }",
        ..learned("warped")
    },
    Family {
        is_invertible: false,
        example: "map = { kind = 'glow', steps = 4, hidden = [32, 32], transform = 'spline' }",
        ..learned("transport")
    },
    Family { is_invertible: false, has_marginal: false, example: "hidden = [64, 64]", ..learned("residual") },
];

const fn fixed(name: &'static str) -> Family {
    Family {
        name,
        learns: false,
        is_invertible: true,
        has_marginal: true,
        takes_conditions: false,
        has_closed_derivative: true,
        example: "",
    }
}

const fn learned(name: &'static str) -> Family {
    Family { learns: true, takes_conditions: true, ..fixed(name) }
}

/// A path that is affine in $x_0$.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffineConfig {
    /// Widths of the network's hidden layers.
    pub hidden: Vec<i64>,
    /// Whether coordinates are mixed.
    pub mixing: MixingConfig,
    /// Bound of the log-scales.
    pub log_scale_bound: f64,
    /// Whether its network is one of convolutions over images, with `hidden` channels: for a diagonal matrix.
    #[serde(default, skip_serializing_if = "is_false")]
    pub convolutional: bool,
    /// Whether its network sees the condition of the data, beside the data point.
    #[serde(default, skip_serializing_if = "is_false")]
    pub conditioned: bool,
}

/// Whether an affine path mixes coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixingConfig {
    /// It does not.
    Diagonal,
    /// By a lower triangular matrix.
    Triangular,
}

/// A Glow over flattened samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlowConfig {
    /// Its steps, each a coupling, a mixing of coordinates and an ActNorm.
    pub steps: usize,
    /// Widths of the hidden layers of each coupling's network.
    pub hidden: Vec<i64>,
    /// The transform of its coupling layers.
    #[serde(default)]
    pub transform: TransformConfig,
    /// Whether the networks of its coupling layers see the condition of the data.
    #[serde(default, skip_serializing_if = "is_false")]
    pub conditioned: bool,
    /// Whether its gradient is computed back through the inverses of its layers, so that memory does not grow with `steps`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reversible: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The transform that the coupling layers of a flow apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformConfig {
    /// Scale and shift.
    #[default]
    Affine,
    /// Monotone rational-quadratic splines.
    Spline,
}

impl AffineConfig {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let fits = !self.convolutional || self.mixing == MixingConfig::Diagonal;
        need(fits, &format!("{at}.convolutional"), true, "false, or left out, where `mixing` is not \"diagonal\"")?;
        widths(&format!("{at}.hidden"), &self.hidden)
    }
}

impl GlowConfig {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        widths(&format!("{at}.hidden"), &self.hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::variants;

    /// A family of the config that is not in the table, or that the table does not describe, is found here.
    #[test]
    fn the_table_holds_every_family_of_the_config() {
        assert_eq!(variants::<InterpolantConfig>("family = '?'"), FAMILIES.map(|family| family.name));
        for family in &FAMILIES {
            let text = format!("family = '{}'\n{}", family.name, family.example);
            let config: InterpolantConfig = toml::from_str(&text).unwrap();
            assert_eq!(config.family(), family);
            config.check().unwrap();
        }
    }
}
