//! The layers of networks for images. Each knows its name, and names itself when it refuses an input.

use crate::error::shape;
use crate::kernels::group_norm_silu;
use crate::summary::LayerSummary;
use strait_autodiff::inside_jvp;
use strait_core::{Error, Init, Scope};
use tch::Tensor;

/// Makes layers in a place of the tree of names, and lists them.
pub(crate) struct Maker<'a, 's> {
    pub(crate) scope: Scope<'a>,
    pub(crate) layers: &'s mut Vec<LayerSummary>,
}

/// How the weights of a layer start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Uniform on $\pm 1/\sqrt{\text{fan in}}$.
    Fan,
    /// At zero: the layer is the zero function.
    Zero,
}

impl Start {
    fn init(self, fan_in: i64) -> Init {
        match self {
            Self::Fan => Init::Uniform(1.0 / (fan_in as f64).sqrt()),
            Self::Zero => Init::Constant(0.0),
        }
    }
}

impl Maker<'_, '_> {
    /// The place below.
    pub(crate) fn sub(&mut self, name: &str) -> Maker<'_, '_> {
        Maker { scope: self.scope.sub(name), layers: self.layers }
    }

    /// This place, lent out.
    pub(crate) fn here(&mut self) -> Maker<'_, '_> {
        Maker { scope: self.scope.here(), layers: self.layers }
    }

    /// Lists what this place computes.
    pub(crate) fn list(&mut self, kind: String, output: Vec<i64>, parameters: i64, multiply_adds: i64) -> String {
        let name = self.scope.path().to_owned();
        self.layers.push(LayerSummary { name: name.clone(), kind, output, parameters, multiply_adds });
        name
    }
}

/// An affine map of the last dimension.
#[derive(Debug)]
pub(crate) struct Linear {
    name: String,
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Of `positions` vectors a sample.
    pub(crate) fn new(
        mut at: Maker<'_, '_>,
        (input, output): (i64, i64),
        positions: i64,
        start: Start,
    ) -> Result<Self, Error> {
        let init = start.init(input);
        let (weight, bias) =
            (at.scope.tensor("weight", &[output, input], init)?, at.scope.tensor("bias", &[output], init)?);
        let shape = if positions == 1 { vec![output] } else { vec![positions, output] };
        let name = at.list("linear".into(), shape, output * (input + 1), input * output * positions);
        Ok(Self { name, weight, bias })
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let input = self.weight.size()[1];
        if x.size().last() != Some(&input) {
            return Err(shape(&self.name, format!("(..., {input})"), x));
        }
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// A convolution of images (B, C, H, W) that keeps height and width, or halves them.
#[derive(Debug)]
pub(crate) struct Convolution {
    name: String,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
}

impl Convolution {
    /// With a square kernel of `side`, of which 1 and 3 are had, on images of `size`.
    pub(crate) fn new(
        mut at: Maker<'_, '_>,
        (input, output): (i64, i64),
        (side, stride): (i64, i64),
        size: [i64; 2],
        start: Start,
    ) -> Result<Self, Error> {
        let init = start.init(input * side * side);
        let weight = at.scope.tensor("weight", &[output, input, side, side], init)?;
        let bias = at.scope.tensor("bias", &[output], init)?;
        let [height, width] = size.map(|n| (n + stride - 1) / stride);
        let products = input * output * side * side;
        let kind = format!("convolution {side}x{side}{}", if stride == 1 { "" } else { ", every second" });
        let name = at.list(kind, vec![output, height, width], products + output, products * height * width);
        Ok(Self { name, weight, bias, stride })
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let [_, input, side, _] = self.weight.size()[..] else { return Err(shape(&self.name, "a kernel", x)) };
        if x.dim() != 4 || x.size()[1] != input {
            return Err(shape(&self.name, format!("(B, {input}, H, W)"), x));
        }
        let padding = side / 2;
        let stride = self.stride;
        Ok(x.f_conv2d(&self.weight, Some(&self.bias), [stride, stride], [padding, padding], [1, 1], 1)?)
    }
}

/// Normalises the channels of images in groups to mean 0 and variance 1, with a weight and a shift for each channel.
///
/// `layer_norm` and `batch_norm` have silently wrong derivatives of their derivatives in libtorch 2.13; `group_norm` has
/// right ones.
#[derive(Debug)]
pub(crate) struct GroupNorm {
    name: String,
    weight: Tensor,
    bias: Tensor,
    groups: i64,
}

const EPSILON: f64 = 1e-5;

impl GroupNorm {
    /// In at most `groups` groups: fewer where they do not divide the channels.
    pub(crate) fn new(mut at: Maker<'_, '_>, channels: i64, groups: i64, size: [i64; 2]) -> Result<Self, Error> {
        let groups = (1..=groups.min(channels)).rev().find(|n| channels % n == 0).unwrap_or(1);
        let weight = at.scope.tensor("weight", &[channels], Init::Constant(1.0))?;
        let bias = at.scope.tensor("bias", &[channels], Init::Constant(0.0))?;
        let kind = format!("group norm in {groups}");
        let name = at.list(kind, vec![channels, size[0], size[1]], 2 * channels, 0);
        Ok(Self { name, weight, bias, groups })
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.check(x)?;
        // A JVP of a group norm raises where its input is in channels-last order.
        let x = if inside_jvp() { &x.f_contiguous()? } else { x };
        Ok(x.f_group_norm(self.groups, Some(&self.weight), Some(&self.bias), EPSILON, false)?)
    }

    /// Normalised, and SiLU of it. `film` (B, 2 C) holds a weight less 1 for each channel of each sample and, after these, a
    /// shift (FiLM; Perez et al., arXiv 1709.07871).
    pub(crate) fn then_silu(&self, x: &Tensor, film: Option<&Tensor>) -> Result<Tensor, Error> {
        let channels = self.check(x)?;
        if let Some(y) = group_norm_silu(x, &self.weight, &self.bias, film, self.groups, EPSILON)? {
            return Ok(y);
        }
        let y = self.apply(x)?;
        let Some(film) = film else { return Ok(y.f_silu()?) };
        let half = |i: i64| film.f_narrow(1, i * channels, channels)?.f_unsqueeze(-1)?.f_unsqueeze(-1);
        Ok(half(1)?.f_addcmul(&y, &half(0)?.f_add_scalar(1.0)?)?.f_silu()?)
    }

    /// The count of channels, of images that have them.
    fn check(&self, x: &Tensor) -> Result<i64, Error> {
        let channels = self.weight.size()[0];
        if x.dim() == 4 && x.size()[1] == channels {
            Ok(channels)
        } else {
            Err(shape(&self.name, format!("(B, {channels}, H, W)"), x))
        }
    }
}
