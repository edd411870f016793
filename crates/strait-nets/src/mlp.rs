use crate::Activation;
use crate::kernels::perceptron;
use strait_autodiff::{Jet, Order};
use strait_core::{
    Error, FlowMap, Init, Scope, TimeFunction, VelocityField, average_velocity_jvp, check_batch, check_times,
};
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
    pub(crate) fn count(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Raw => 1,
            Self::Fourier(n) => 1 + 2 * i64::from(n),
        }
    }

    /// Of a time (B, 1) to (B, count), with its derivatives.
    pub(crate) fn of(self, t: &Jet) -> Jet {
        match self {
            Self::None => t.view(|t| t.narrow(1, 0, 0)),
            Self::Raw => t.view(Tensor::shallow_clone),
            Self::Fourier(n) => {
                let k = Tensor::arange(i64::from(n), (t.value().kind(), t.value().device()));
                let frequencies = k.exp2() * std::f64::consts::PI;
                let angle = t.times(&Jet::constant(&frequencies));
                let cat = |a: &Tensor, b: &Tensor| Tensor::cat(&[a, b], 1);
                t.zip(&angle.sin(), cat).zip(&angle.cos(), cat)
            }
        }
    }
}

/// Times (B,) as a column.
fn column(t: &Jet) -> Jet {
    t.view(|t| t.unsqueeze(1))
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
    layers: Layers,
    config: MlpConfig,
}

impl Mlp {
    /// Makes the layers under `scope`, named `0.weight`, `0.bias`, `1.weight`, ...
    ///
    /// # Errors
    /// `Parameter` where a name is taken; libtorch's when memory runs out.
    pub fn new(config: &MlpConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Ok(Self { layers: Layers::new(config, 1, scope)?, config: config.clone() })
    }

    fn parts(&self, x: &Tensor, t: &Tensor, order: Order) -> Result<[Jet; 2], Error> {
        check_batch(x, t)?;
        let flat = self.config.flat(x)?;
        Ok([Jet::constant(&flat), self.config.time.of(&column(&Jet::variable(t, order)))])
    }
}

impl VelocityField for Mlp {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let [flat, time] = &self.parts(x, t, Order::Value)?;
        self.config.like(x, self.layers.value(&[flat, time])?)
    }
}

impl TimeFunction for Mlp {
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        let [x, time] = &self.parts(context, t, order)?;
        self.layers.jet(&[x, time], order)
    }
}

/// A flow map whose average velocity $u(x, s, t)$ is a multilayer perceptron that sees s and t - s; its velocity is the
/// diagonal, $u(x, t, t)$.
///
/// Derivatives in t, and along a direction in x and s, are written out as one jet where the activation is smooth, and taken
/// by a JVP elsewhere.
///
/// ```
/// use strait_core::{FlowMap, Parameters, Seed, VelocityField};
/// use strait_nets::{Activation, MlpConfig, MlpFlowMap, TimeFeatures};
/// use tch::{Device, Kind, Tensor};
/// let config = MlpConfig {
///     input: 2, hidden: vec![64, 64, 64], output: 2,
///     activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: false,
/// };
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let map = MlpFlowMap::new(&config, &mut parameters.root())?;
/// let x = Tensor::ones([5, 2], (Kind::Float, Device::Cpu));
/// let (s, t) = (x.new_zeros([5], (Kind::Float, Device::Cpu)), x.new_ones([5], (Kind::Float, Device::Cpu)));
/// let samples = map.carry(&x, &s, &t)?; // one evaluation, from source to data
/// assert_eq!(samples, &x + map.average_velocity(&x, &s, &t)?);
/// assert_eq!(map.velocity(&x, &t)?, map.average_velocity(&x, &t, &t)?);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct MlpFlowMap {
    layers: Layers,
    config: MlpConfig,
}

impl MlpFlowMap {
    /// Makes the layers under `scope`, named as those of [`Mlp`].
    ///
    /// # Errors
    /// `Shape` where input and output differ; `Parameter` where a name is taken; libtorch's when memory runs out.
    pub fn new(config: &MlpConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        if config.output != config.input {
            let expected = format!("{} numbers, as it sees", config.input);
            return Err(Error::Shape { what: "a flow map's result", expected, found: vec![config.output] });
        }
        Ok(Self { layers: Layers::new(config, 2, scope)?, config: config.clone() })
    }

    fn parts(&self, x: &Jet, s: &Jet, t: &Jet) -> Result<[Jet; 3], Error> {
        check_times(x.value(), s.value(), t.value())?;
        let flat = x.try_map(|x| self.config.flat(x), |dx| self.config.flat(dx))?;
        let (s, t) = (column(s), column(t));
        let span = t.plus(&s.scale(-1.0));
        Ok([flat, self.config.time.of(&s), self.config.time.of(&span)])
    }
}

impl VelocityField for MlpFlowMap {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity(x, t, t)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

impl FlowMap for MlpFlowMap {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let parts = self.parts(&Jet::constant(x), &Jet::constant(s), &Jet::constant(t))?;
        self.config.like(x, self.layers.value(&parts.each_ref())?)
    }

    fn average_velocity_jet(&self, x: &Jet, s: &Jet, t: &Jet) -> Result<Jet, Error> {
        if !self.config.activation.is_smooth() {
            return average_velocity_jvp(self, x, s, t);
        }
        let order = Jet::order_of([x, s, t]).min(Order::First);
        let u = self.layers.jet(&self.parts(x, s, t)?.each_ref(), order)?;
        Ok(if x.value().dim() == 2 { u } else { u.view(|u| u.view_as(x.value())) })
    }
}

impl MlpConfig {
    /// (B, ...) to (B, input).
    fn flat(&self, x: &Tensor) -> Result<Tensor, Error> {
        let flat = if x.dim() == 2 { x.shallow_clone() } else { x.f_flatten(1, -1)? };
        if flat.size()[1] == self.input {
            return Ok(flat);
        }
        let expected = format!("(B, ...) with {} in all", self.input);
        Err(Error::Shape { what: "x", expected, found: x.size() })
    }

    /// (B, output) to the shape of x.
    fn like(&self, x: &Tensor, v: Tensor) -> Result<Tensor, Error> {
        if self.output != self.input {
            return Err(Error::Shape { what: "velocity", expected: format!("{:?}", x.size()), found: v.size() });
        }
        Ok(if x.dim() == 2 { v } else { v.f_view_as(x)? })
    }
}

/// The layers of a perceptron over parts that stand side by side: a flattened sample and features of times.
#[derive(Debug)]
struct Layers {
    /// Weight and bias of each.
    layers: Vec<(Tensor, Tensor)>,
    activation: Activation,
}

impl Layers {
    fn new(config: &MlpConfig, times: i64, scope: &mut Scope<'_>) -> Result<Self, Error> {
        let mut widths = vec![config.input + times * config.time.count()];
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
        Ok(Self { layers, activation: config.activation })
    }

    fn value(&self, parts: &[&Jet]) -> Result<Tensor, Error> {
        let mut h = Tensor::cat(&parts.iter().map(|part| part.value()).collect::<Vec<_>>(), 1);
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            if i > 0 {
                h = self.activation.apply(h)?;
            }
            h = h.f_linear(weight, Some(bias))?;
        }
        Ok(h)
    }

    fn jet(&self, parts: &[&Jet], order: Order) -> Result<Jet, Error> {
        if order == Order::Value {
            return Ok(Jet::constant(&self.value(parts)?));
        }
        if self.activation == Activation::Silu
            && let Some(jet) = perceptron(parts, &self.layers, order)?
        {
            return Ok(jet);
        }
        self.jet_by_layers(parts, order)
    }

    /// Of what the first layer sees, only the columns of parts that move have derivatives.
    fn jet_by_layers(&self, parts: &[&Jet], order: Order) -> Result<Jet, Error> {
        let ((weight, bias), rest) = self.layers.split_first().ok_or(Error::Shape {
            what: "network",
            expected: "at least one layer".into(),
            found: vec![0],
        })?;
        let seen = Tensor::cat(&parts.iter().map(|part| part.value()).collect::<Vec<_>>(), 1);
        let value = seen.f_linear(weight, Some(bias))?;
        let (mut first, mut second, mut from) = (value.zeros_like(), value.zeros_like(), 0);
        for part in parts {
            let columns = part.value().size()[1];
            if part.order() != Order::Value {
                let weight = weight.f_narrow(1, from, columns)?;
                first += part.first().f_linear(&weight, None::<&Tensor>)?;
                if order == Order::Second {
                    second += part.second().f_linear(&weight, None::<&Tensor>)?;
                }
            }
            from += columns;
        }
        let mut h = Jet::with_derivatives(value, first, (order == Order::Second).then_some(second));
        for (weight, bias) in rest {
            h = self.activation.jet(&h).ok_or(Error::Shape {
                what: "activation",
                expected: "a smooth one (silu or tanh) where derivatives in t are taken".into(),
                found: vec![],
            })?;
            h = h.map(|x| x.linear(weight, Some(bias)), |d| d.linear(weight, None::<&Tensor>));
        }
        Ok(h)
    }
}
