use crate::Activation;
use strait_autodiff::{Jet, Order, perceptron};
use strait_core::{Error, Init, Scope, TimeFunction, VelocityField, check_batch};
use tch::Tensor;

/// How a time enters a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFeatures {
    /// Not at all: the network is a function of the sample alone.
    None,
    /// t itself, as one more input.
    Raw,
    /// t, and $\sin(2^k \pi t), \cos(2^k \pi t)$ for k below this number.
    Fourier(u32),
}

impl TimeFeatures {
    fn count(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Raw => 1,
            Self::Fourier(n) => 1 + 2 * i64::from(n),
        }
    }

    /// (B,) to (B, count), with derivatives.
    fn jet(self, t: &Tensor, order: Order) -> Jet {
        let t = Jet::variable(&t.unsqueeze(1), order);
        match self {
            Self::None => t.map(|t| t.narrow(1, 0, 0), |t| t.narrow(1, 0, 0)),
            Self::Raw => t,
            Self::Fourier(n) => {
                let k = Tensor::arange(i64::from(n), (t.value().kind(), t.value().device()));
                let frequencies = k.exp2() * std::f64::consts::PI;
                let angle = t.times(&Jet::constant(&frequencies));
                let parts = [t, angle.sin(), angle.cos()];
                let cat = |f: &dyn Fn(&Jet) -> Tensor| Tensor::cat(&parts.each_ref().map(f), 1);
                let value = cat(&|p| p.value().shallow_clone());
                match order {
                    Order::Value => Jet::constant(&value),
                    Order::First => Jet::with_derivatives(value, cat(&Jet::first), None),
                    Order::Second => Jet::with_derivatives(value, cat(&Jet::first), Some(cat(&Jet::second))),
                }
            }
        }
    }
}

/// The shape of a multilayer perceptron over a flattened sample and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlpConfig {
    /// Dimensions of one sample, flattened.
    pub input: i64,
    /// Width of each hidden layer.
    pub hidden: Vec<i64>,
    /// Dimensions of the result.
    pub output: i64,
    /// Between layers.
    pub activation: Activation,
    /// How t enters.
    pub time: TimeFeatures,
    /// Whether the last layer starts at zero, so that a fresh network is the zero function.
    pub zero_last: bool,
}

/// A multilayer perceptron $f(x, t)$ over samples of any shape, flattened.
///
/// As a `VelocityField` its result has the shape of x; as a `TimeFunction` it is (B, output) with exact
/// derivatives in t by Taylor mode. Layers start uniform on $\pm 1/\sqrt{\text{fan in}}$.
///
/// ```
/// use strait_core::{Parameters, Seed, VelocityField};
/// use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
/// use tch::{Device, Kind, Tensor};
/// let config = MlpConfig {
///     input: 2, hidden: vec![64, 64, 64], output: 2,
///     activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: false,
/// };
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let v = Mlp::new(&config, &mut parameters.root())?;
/// let x = Tensor::zeros([5, 2], (Kind::Float, Device::Cpu));
/// let t = Tensor::zeros([5], (Kind::Float, Device::Cpu));
/// assert_eq!(v.velocity(&x, &t)?.size(), [5, 2]);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Mlp {
    /// Weight and bias of each.
    layers: Vec<(Tensor, Tensor)>,
    config: MlpConfig,
}

impl Mlp {
    /// Makes the layers under `scope`, named `0.weight`, `0.bias`, `1.weight`, ...
    ///
    /// # Errors
    /// `Parameter` where a name is taken; libtorch's when memory runs out.
    pub fn new(config: &MlpConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        let mut widths = vec![config.input + config.time.count()];
        widths.extend(&config.hidden);
        widths.push(config.output);
        let last = widths.len() - 2;
        let mut layers = Vec::with_capacity(last + 1);
        for (i, pair) in widths.windows(2).enumerate() {
            let init = if i == last && config.zero_last {
                Init::Constant(0.0)
            } else {
                Init::Uniform(1.0 / (pair[0] as f64).sqrt())
            };
            let mut scope = scope.sub(&i.to_string());
            layers.push((scope.tensor("weight", &[pair[1], pair[0]], init)?, scope.tensor("bias", &[pair[1]], init)?));
        }
        Ok(Self { layers, config: config.clone() })
    }

    fn checked(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        check_batch(x, t)?;
        let flat = if x.dim() == 2 { x.shallow_clone() } else { x.flatten(1, -1) };
        if flat.size()[1] == self.config.input {
            return Ok(flat);
        }
        Err(Error::Shape {
            what: "x",
            expected: format!("(B, ...) with {} in all", self.config.input),
            found: x.size(),
        })
    }

    fn value(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let features = self.config.time.jet(t, Order::Value);
        let mut h = Tensor::cat(&[x, features.value()], 1);
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            if i > 0 {
                h = self.config.activation.apply(h)?;
            }
            h = h.f_linear(weight, Some(bias))?;
        }
        Ok(h)
    }
}

impl VelocityField for Mlp {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let v = self.value(&self.checked(x, t)?, t)?;
        if self.config.output != self.config.input {
            return Err(Error::Shape { what: "velocity", expected: format!("{:?}", x.size()), found: v.size() });
        }
        Ok(if x.dim() == 2 { v } else { v.view_as(x) })
    }
}

impl TimeFunction for Mlp {
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        let x = self.checked(context, t)?;
        if order == Order::Value {
            return Ok(Jet::constant(&self.value(&x, t)?));
        }
        let features = self.config.time.jet(t, order);
        if self.config.activation == Activation::Silu
            && let Some(jet) = perceptron(&[&Jet::constant(&x), &features], &self.layers, order)?
        {
            return Ok(jet);
        }
        self.jet_by_layers(&x, &features, order)
    }
}

impl Mlp {
    /// The first layer sees a context that does not move: only the columns of its time features have derivatives.
    fn jet_by_layers(&self, x: &Tensor, features: &Jet, order: Order) -> Result<Jet, Error> {
        let ((weight, bias), rest) = self.layers.split_first().ok_or(Error::Shape {
            what: "network",
            expected: "at least one layer".into(),
            found: vec![0],
        })?;
        let columns = self.config.time.count();
        let time_weight = weight.narrow(1, self.config.input, columns);
        let value = Tensor::cat(&[x, features.value()], 1).linear(weight, Some(bias));
        let slope = |d: &Tensor| d.linear(&time_weight, None::<&Tensor>);
        let moving = features.map(slope, slope);
        let second = (order == Order::Second).then(|| moving.second());
        let mut h = Jet::with_derivatives(value, moving.first(), second);
        for (weight, bias) in rest {
            h = self.config.activation.jet(&h).ok_or(Error::Shape {
                what: "activation",
                expected: "a smooth one (silu or tanh) where derivatives in t are taken".into(),
                found: vec![],
            })?;
            h = h.map(|x| x.linear(weight, Some(bias)), |d| d.linear(weight, None::<&Tensor>));
        }
        Ok(h)
    }
}
