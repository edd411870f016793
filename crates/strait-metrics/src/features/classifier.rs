use super::FeatureMap;
use super::convolutions::{Convolutions, ConvolutionsShape};
use crate::MetricError;
use strait_autodiff::{AdamW, AdamWState, Graph, Order, clip, gradient};
use strait_core::{Dataset, Error, Parameters, Seed, Split, TimeFunction};
use strait_data::ArrayDataset;
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

/// The layers of a classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifierShape {
    /// What comes before the other layers, for samples that are images.
    pub convolutions: Option<ConvolutionsShape>,
    /// Numbers of a sample, flattened, or what convolutions make of it.
    pub input: i64,
    /// Widths of the hidden layers before the features.
    pub hidden: Vec<i64>,
    /// Width of the layer before the last, whose values are the features.
    pub features: i64,
    /// Classes.
    pub classes: i64,
}

/// How a classifier is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Steps of AdamW.
    pub steps: u64,
    /// Points in a batch.
    pub batch: i64,
    /// The learning rate at the start; it falls to zero along half a cosine.
    pub rate: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
}

/// A classifier of samples within $[0, 1]$ (images), an MLP with SiLU between its layers, behind convolutions where it has
/// some. The values of its last
/// hidden layer are a [`FeatureMap`]. It lives on the CPU in single precision: the same features wherever samples come
/// from.
#[derive(Debug)]
pub struct Classifier {
    name: String,
    parameters: Parameters,
    convolutions: Option<Convolutions>,
    body: Mlp,
    head: Mlp,
}

impl Classifier {
    /// A fresh one, a function of its shape and its seed. Its features are called `name`.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(name: &str, shape: &ClassifierShape, seed: Seed) -> Result<Self, Error> {
        let mut parameters = Parameters::new(seed, Kind::Float, Device::Cpu);
        let convolutions = match &shape.convolutions {
            Some(shape) => Some(Convolutions::new(shape, &mut parameters)?),
            None => None,
        };
        let config = |input: i64, hidden: &[i64], output: i64| MlpConfig {
            input,
            hidden: hidden.to_vec(),
            output,
            activation: Activation::Silu,
            time: TimeFeatures::None,
            zero_last: false,
        };
        let body = Mlp::new(&config(shape.input, &shape.hidden, shape.features), &mut parameters.root().sub("body"))?;
        let head = Mlp::new(&config(shape.features, &[], shape.classes), &mut parameters.root().sub("head"))?;
        Ok(Self { name: name.into(), parameters, convolutions, body, head })
    }

    /// Its tensors, to save and to assign.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Unnormalised log-probabilities (n, classes) of samples (n, ...) in the data's own units.
    ///
    /// # Errors
    /// `Shape` where the samples do not fit.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor, Error> {
        apply(&self.head, &self.hidden(x)?)
    }

    fn hidden(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = x.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)? * 2.0 - 1.0;
        let x = match &self.convolutions {
            Some(convolutions) => convolutions.apply(&x)?,
            None => x,
        };
        Activation::Silu.apply(apply(&self.body, &x)?)
    }

    /// Lowers the cross-entropy of the classes of the TRAINING points of a data set, and of no others.
    ///
    /// # Errors
    /// `Setting` where the data set has no classes; `NonFinite` where the loss became so.
    pub fn fit(&self, data: &ArrayDataset, fit: &Fit, seed: Seed) -> Result<(), MetricError> {
        let classes = classes(data, Split::Train)?;
        let tensors = self.parameters.tensors();
        let mut state = AdamWState::new(tensors).map_err(Error::from)?;
        let stream = seed.stream("classifier");
        for step in 0..fit.steps {
            let x = data.denormalise(&data.minibatch(fit.batch, step, stream)?)?;
            let rows = data.rows(fit.batch, step, stream).map_err(Error::other)?;
            let logits = self.logits(&x)?;
            let y = classes.f_index_select(0, &rows).map_err(Error::from)?.to_device(Device::Cpu);
            let loss = logits.f_cross_entropy_loss(&y, None::<&Tensor>, Reduction::Mean, -100, 0.0);
            let loss = loss.map_err(Error::from)?;
            let gradients = gradient(&loss, tensors, Graph::Free).map_err(Error::from)?;
            let clipped = clip(&gradients, f64::INFINITY).map_err(Error::from)?;
            let progress = step as f64 / fit.steps as f64;
            let lr = fit.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
            let optimizer = AdamW { lr, betas: (0.9, 0.999), weight_decay: fit.weight_decay, eps: 1e-8 };
            optimizer.step(tensors, &gradients, &mut state, Some(&clipped)).map_err(Error::from)?;
            strait_core::check_finite("the classifier's loss", &loss.detach(), || format!(" at step {step}"))?;
        }
        Ok(())
    }

    /// The share of a split's points whose class has the largest logit.
    ///
    /// # Errors
    /// `Setting` where the data set has no classes.
    pub fn accuracy(&self, data: &ArrayDataset, split: Split) -> Result<f64, MetricError> {
        let x = data.in_order(split, &mut Seed(0).stream("accuracy").at(0))?;
        let part = |x: Tensor| Ok::<_, Error>(self.logits(&data.denormalise(&x)?)?.f_argmax(1, false)?);
        let parts: Vec<Tensor> = no_grad(|| x.f_split(PART, 0)?.into_iter().map(part).collect::<Result<_, _>>())?;
        let found = Tensor::f_cat(&parts, 0).map_err(Error::from)?;
        let right = found.eq_tensor(&classes(data, split)?.to_device(Device::Cpu));
        Ok(right.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]))
    }
}

impl FeatureMap for Classifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn features(&self, x: &Tensor) -> Result<Tensor, Error> {
        // Some at a time: what convolutions hold on the way is many times the samples.
        let parts: Vec<Tensor> =
            no_grad(|| x.f_split(PART, 0)?.iter().map(|x| self.hidden(x)).collect::<Result<_, _>>())?;
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}

/// Samples at a time.
const PART: i64 = 512;

/// An MLP without a time.
fn apply(net: &Mlp, x: &Tensor) -> Result<Tensor, Error> {
    let t = x.f_zeros_like()?.f_flatten(1, -1)?.f_select(1, 0)?;
    Ok(net.jet(x, &t, Order::Value)?.value().shallow_clone())
}

fn classes(data: &ArrayDataset, split: Split) -> Result<&Tensor, Error> {
    let none = Error::Setting { what: "the number of classes", value: 0.0, must: "at least 2" };
    data.labels(split).ok_or(none)
}
