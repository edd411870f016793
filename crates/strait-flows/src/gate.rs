use crate::layer::check_placement;
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Condition, ConditionJet, Error};
use tch::Tensor;

/// How a layer depends on time.
///
/// A gate factor $g(t)$ multiplies the parameters by which a layer differs from the identity (log-scale and shift, the
/// entries of a triangular factor, the generator of a matrix exponential, the logits of a spline), so that where
/// $g(t) = 0$ the layer is the identity to the bit, whatever its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// The layer does not depend on time.
    #[default]
    Timeless,
    /// Conditioners see t; nothing is gated.
    Open,
    /// $g(t) = t$: the identity at $t = 0$.
    Start,
    /// $g(t) = t (1 - t)$: the identity at $t = 0$ and at $t = 1$.
    Endpoints,
}

impl Gate {
    /// Whether conditioners see t.
    pub fn sees_time(self) -> bool {
        self != Self::Timeless
    }

    /// $g(t)$ of each sample, (B,); None where nothing is gated.
    pub(crate) fn factor(
        self,
        layer: &'static str,
        x: &Tensor,
        condition: Condition<'_>,
    ) -> Result<Option<Tensor>, Error> {
        match self {
            Self::Timeless | Self::Open => Ok(None),
            Self::Start => Ok(Some(time(layer, x, condition)?.shallow_clone())),
            Self::Endpoints => {
                let t = time(layer, x, condition)?;
                Ok(Some(t - t * t))
            }
        }
    }

    /// $g(t)$ of each sample, (B,), with its derivatives; None where nothing is gated.
    pub(crate) fn moving(self, x: &Tensor, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let factor = self.of(condition.t);
        if factor.is_some() {
            strait_core::check_batch(x, condition.t.value())?;
            check_placement("t", condition.t.value(), x)?;
        }
        Ok(factor)
    }

    /// $g(t)$ with its derivatives, of the shape of t; None where nothing is gated.
    pub(crate) fn of(self, t: &Jet) -> Option<Jet> {
        match self {
            Self::Timeless | Self::Open => None,
            Self::Start => Some(t.view(Tensor::shallow_clone)),
            Self::Endpoints => Some(t.times(&t.map(|t| 1f64 - t, Tensor::neg))),
        }
    }
}

/// The time of a condition, checked against the batch.
pub(crate) fn time<'a>(layer: &'static str, x: &Tensor, condition: Condition<'a>) -> Result<&'a Tensor, Error> {
    let t = condition.need_time(layer)?;
    strait_core::check_batch(x, t)?;
    check_placement("t", t, x)?;
    Ok(t)
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeless => Ok(()),
            Self::Open => write!(f, ", sees t"),
            Self::Start => write!(f, ", gate t"),
            Self::Endpoints => write!(f, ", gate t(1-t)"),
        }
    }
}
