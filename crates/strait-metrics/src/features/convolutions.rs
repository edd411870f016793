use strait_core::{Error, Init, Parameters};
use strait_nets::Activation;
use tch::Tensor;

/// Convolutions of images before the other layers of a classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvolutionsShape {
    /// Channels, height and width of a sample.
    pub image: [i64; 3],
    /// Channels of each: 3x3, SiLU, and the mean of each square of 2x2.
    pub channels: Vec<i64>,
}

/// The layers of a [`ConvolutionsShape`].
#[derive(Debug)]
pub(crate) struct Convolutions {
    image: [i64; 3],
    /// Weights and biases.
    layers: Vec<[Tensor; 2]>,
}

impl ConvolutionsShape {
    /// Numbers that come out of a sample.
    pub fn output(&self) -> i64 {
        let [channels, height, width] = self.image;
        let halvings = self.channels.len() as u32;
        self.channels.last().unwrap_or(&channels) * (height >> halvings) * (width >> halvings)
    }
}

impl Convolutions {
    pub(crate) fn new(shape: &ConvolutionsShape, parameters: &mut Parameters) -> Result<Self, Error> {
        let mut layers = vec![];
        let mut input = shape.image[0];
        for (i, &output) in shape.channels.iter().enumerate() {
            let mut root = parameters.root();
            let mut below = root.sub("convolutions");
            let mut scope = below.sub(&i.to_string());
            let init = Init::Uniform((1.0 / (9 * input) as f64).sqrt());
            layers
                .push([scope.tensor("weight", &[output, input, 3, 3], init)?, scope.tensor("bias", &[output], init)?]);
            input = output;
        }
        Ok(Self { image: shape.image, layers })
    }

    /// Of samples (n, C, H, W), or flat ones of as many numbers, flat.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let [c, h, w] = self.image;
        if x.dim() < 2 || x.size()[1..].iter().product::<i64>() != c * h * w {
            return Err(Error::Shape { what: "samples", expected: format!("(n, {c}, {h}, {w})"), found: x.size() });
        }
        let mut x = x.f_reshape([x.size()[0], c, h, w])?;
        for [weight, bias] in &self.layers {
            x = x.f_conv2d(weight, Some(bias), [1, 1], [1, 1], [1, 1], 1)?;
            x = Activation::Silu.apply(x)?.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>)?;
        }
        Ok(x.f_flatten(1, -1)?)
    }
}
