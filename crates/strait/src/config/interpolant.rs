//! `[interpolant]`: the families of paths.

use super::TransformConfig;
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
    /// The variance-preserving diffusion from noise to data, both ends exact.
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
    /// Learned, an affine path through a Glow that moves with time and does not see the data point.
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

    /// Whether $x_0$ can be had back from $x_t$, $x_1$ and t, which the exact field asks for.
    pub fn is_invertible(&self) -> bool {
        match self {
            Self::Residual { .. } | Self::Transport { .. } => false,
            Self::Linear
            | Self::Trigonometric
            | Self::VariancePreserving { .. }
            | Self::Power { .. }
            | Self::Monotone { .. }
            | Self::Affine(_)
            | Self::Glow(_)
            | Self::Warped { .. } => true,
        }
    }
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
    /// What couplings do.
    #[serde(default)]
    pub transform: TransformConfig,
}
