//! What a perceptron is made of: its shape, and its layers over parts that stand side by side.

use crate::embedding::ConditionEmbedding;
use crate::kernels::{perceptron, perceptron_identity_error, perceptron_square_error};
use crate::{Activation, NetError, TimeFeatures};
use strait_autodiff::{Jet, Order};
use strait_core::{ConditionKind, Conditions, Error, Init, Scope, SquareError, check_same};
use tch::Tensor;

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

impl MlpConfig {
    /// (B, ...) to (B, input).
    pub(crate) fn flat(&self, x: &Tensor) -> Result<Tensor, Error> {
        let flat = if x.dim() == 2 { x.shallow_clone() } else { x.f_flatten(1, -1)? };
        if flat.size()[1] == self.input {
            return Ok(flat);
        }
        let expected = format!("(B, ...) with {} in all", self.input);
        Err(Error::Shape { what: "x", expected, found: x.size() })
    }

    /// A target of the shape of x as (B, output).
    pub(crate) fn target(&self, x: &Tensor, target: &Tensor) -> Result<Tensor, Error> {
        check_same(x, "target", target)?;
        self.flat(target)
    }

    /// (B, output) to the shape of x.
    pub(crate) fn like(&self, x: &Tensor, v: Tensor) -> Result<Tensor, Error> {
        if self.output != self.input {
            return Err(Error::Shape { what: "velocity", expected: format!("{:?}", x.size()), found: v.size() });
        }
        Ok(if x.dim() == 2 { v } else { v.f_view_as(x)? })
    }
}

/// The width of the vector that a condition is for a perceptron.
const CONDITION: i64 = 16;

/// Layers over a flattened sample, features of times and the vector of a condition.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Weight and bias of each.
    layers: Vec<(Tensor, Tensor)>,
    activation: Activation,
    condition: Option<ConditionEmbedding>,
}

impl Layers {
    pub(crate) fn new(
        config: &MlpConfig,
        times: i64,
        condition: Option<ConditionKind>,
        scope: &mut Scope<'_>,
    ) -> Result<Self, Error> {
        let seen = config.input + times * config.time.count();
        let mut widths = vec![seen + condition.map_or(0, |_| CONDITION)];
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
        // As large as the sample that it stands beside.
        let condition = condition.map(|kind| ConditionEmbedding::spread(kind, CONDITION, 1.0, scope)).transpose()?;
        Ok(Self { layers, activation: config.activation, condition })
    }

    pub(crate) fn check_conditional(&self) -> Result<(), Error> {
        if self.condition.is_some() { Ok(()) } else { Err(Error::Unconditional) }
    }

    /// Parts with the vector of a condition beside them, in a network that sees one.
    pub(crate) fn beside<const N: usize>(&self, parts: [Jet; N], conditions: &Conditions) -> Result<Vec<Jet>, Error> {
        let batch = parts[0].value().size()[0];
        let mut parts = Vec::from(parts);
        match &self.condition {
            Some(embedding) => parts.push(Jet::constant(&embedding.of(conditions, batch)?)),
            None if conditions.is_empty() => {}
            None => return Err(NetError::NoCondition.into()),
        }
        Ok(parts)
    }

    fn kernel(&self, parts: &[Jet], order: Order) -> Result<Option<Jet>, Error> {
        Ok(perceptron(&parts.iter().collect::<Vec<_>>(), &self.layers, self.activation, order)?)
    }

    pub(crate) fn square_error(&self, parts: &[Jet], target: &Tensor) -> Result<Option<SquareError>, Error> {
        let parts: Vec<&Jet> = parts.iter().collect();
        let error = perceptron_square_error(&parts, &self.layers, self.activation, target)?;
        Ok(error.map(|(mean, of_each)| SquareError { mean, of_each }))
    }

    /// Of the right side of the Lagrangian identity, the parts beside x at its end.
    pub(crate) fn identity_error(
        &self,
        parts: &[Jet],
        velocity: &Tensor,
        span: &Tensor,
        end: Option<&[&Tensor]>,
    ) -> Result<Option<SquareError>, Error> {
        let parts: Vec<&Jet> = parts.iter().collect();
        let error = perceptron_identity_error(&parts, &self.layers, self.activation, velocity, span, end)?;
        Ok(error.map(|(mean, of_each)| SquareError { mean, of_each }))
    }

    pub(crate) fn value(&self, parts: &[Jet]) -> Result<Tensor, Error> {
        if let Some(jet) = self.kernel(parts, Order::Value)? {
            return Ok(jet.value().shallow_clone());
        }
        let mut h = Tensor::cat(&parts.iter().map(Jet::value).collect::<Vec<_>>(), 1);
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            if i > 0 {
                h = self.activation.apply(h)?;
            }
            h = h.f_linear(weight, Some(bias))?;
        }
        Ok(h)
    }

    pub(crate) fn jet(&self, parts: &[Jet], order: Order) -> Result<Jet, Error> {
        if order == Order::Value {
            return Ok(Jet::constant(&self.value(parts)?));
        }
        self.kernel(parts, order)?.map_or_else(|| self.jet_by_layers(parts, order), Ok)
    }

    /// Of what the first layer sees, only the columns of parts that move have derivatives.
    fn jet_by_layers(&self, parts: &[Jet], order: Order) -> Result<Jet, Error> {
        let ((weight, bias), rest) = self.layers.split_first().ok_or(Error::Shape {
            what: "network",
            expected: "at least one layer".into(),
            found: vec![0],
        })?;
        let seen = Tensor::cat(&parts.iter().map(Jet::value).collect::<Vec<_>>(), 1);
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
            h = self.activation.jet(&h).ok_or(NetError::NotSmooth)?;
            h = h.map(|x| x.linear(weight, Some(bias)), |d| d.linear(weight, None::<&Tensor>));
        }
        Ok(h)
    }
}
