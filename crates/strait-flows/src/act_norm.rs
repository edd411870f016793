use crate::backward::{BackwardRequest, BackwardStep, reversible_backward_linear};
use crate::kernels::diagonal;
use crate::layer::{at_all_places, check_input, for_each_sample, places};
use crate::{FlowError, Gate, Layer};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Direction, Error, Init, Scope, Transformed, per_sample};
use tch::{Kind, Tensor};

/// A scale and a shift for each channel: activation normalisation (Kingma and Dhariwal, arXiv 1807.03039).
///
/// $$ y = e^{g s} \odot x + g b, \qquad \log|\det| = g H W \sum_c s_c $$
///
/// with the gate $g$. A fresh layer is the identity. [`Layer::initialise`] sets $b$ and $s$ to the mean and the
/// logarithm of the standard deviation of each channel of a data batch, so that at an open gate ($g = 1$) the inverse
/// standardises it; the values are only in the two parameters, so a file of the parameters includes the initialisation,
/// and after loading no second one is needed. Calling it again sets them again. A channel that is constant in the batch
/// is centred and gets the average scale of the others: it may vary in the next batch.
#[derive(Debug)]
pub struct ActNorm {
    log_scale: Tensor,
    shift: Tensor,
    gate: Gate,
}

impl ActNorm {
    /// The identity over `channels` channels. Parameters: `log_scale`, `shift`.
    ///
    /// # Errors
    /// `Parameter` when the names are taken.
    pub fn new(scope: &mut Scope<'_>, channels: i64, gate: Gate) -> Result<Self, Error> {
        let log_scale = scope.tensor("log_scale", &[channels], Init::Constant(0.0))?;
        let shift = scope.tensor("shift", &[channels], Init::Constant(0.0))?;
        Ok(Self { log_scale, shift, gate })
    }

    pub(crate) fn channels(&self) -> i64 {
        self.log_scale.size()[0]
    }

    /// The log-scale and the shift, ready to be broadcast over x.
    fn wide(&self, x: &Tensor) -> (Tensor, Tensor) {
        let wide = |channels: &Tensor| if x.dim() == 4 { channels.view([-1, 1, 1]) } else { channels.shallow_clone() };
        (wide(&self.log_scale), wide(&self.shift))
    }

    fn apply(&self, direction: Direction, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        check_input(x, self.channels(), &self.shift)?;
        let gate = self.gate.factor("ActNorm", x, condition)?;
        if gate.is_none()
            && let Some((value, log_det)) = diagonal(direction, x, &self.log_scale, &self.shift)?
        {
            return Ok(Transformed { value, log_det: for_each_sample(&log_det, x) });
        }
        let (s, b) = self.wide(x);
        let log_det = at_all_places(self.log_scale.sum(self.log_scale.kind()), x);
        let (s, b, log_det) = match gate {
            None => (s, b, for_each_sample(&log_det, x)),
            Some(g) => {
                let wide = per_sample(&g, x);
                (s * &wide, b * &wide, log_det * g)
            }
        };
        Ok(match direction {
            Direction::Forward => Transformed { value: b.addcmul(x, &s.exp()), log_det },
            Direction::Inverse => Transformed { value: (x - b) * (-s).exp(), log_det: -log_det },
        })
    }
}

impl Bijection for ActNorm {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(Direction::Forward, x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(Direction::Inverse, y, condition)
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        check_input(x.value(), self.channels(), &self.shift)?;
        let (s, b) = self.wide(x.value());
        Ok(Some(match self.gate.moving(x.value(), condition)? {
            None => x.times(&Jet::constant(&s.exp())).plus(&Jet::constant(&b)),
            Some(g) => {
                let g = g.view(|g| per_sample(g, x.value()));
                x.times(&g.view(|g| g * &s).exp()).plus(&g.view(|g| g * &b))
            }
        }))
    }

    #[cfg(feature = "kernels")]
    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        strait_kernels::Lowering::answer(question, self)
    }
}

impl Layer for ActNorm {
    fn parameters(&self) -> Vec<Tensor> {
        vec![self.log_scale.shallow_clone(), self.shift.shallow_clone()]
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        // The inverse itself would take the offset away once more.
        let solve = |x: &Tensor, rest: &Tensor| {
            let g = self.gate.factor("ActNorm", x, at.condition)?;
            let (s, _) = self.wide(x);
            let s = g.map_or_else(|| s.shallow_clone(), |g| &s * per_sample(&g, x));
            Ok(rest * s.neg().exp())
        };
        reversible_backward_linear(self, &self.parameters(), at, solve)
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        check_input(y, self.channels(), &self.shift)?;
        let values = y.size()[0] * places(y);
        if values == 0 {
            return Err(FlowError::EmptyBatch.into());
        }
        if values == 1 {
            return Err(FlowError::OneValue.into());
        }
        strait_core::check_finite("the initialising batch", y, String::new)?;
        // In float64 and in two passes, so that a channel far from zero keeps its digits.
        let columns = y.detach().to_kind(Kind::Double).transpose(0, 1).flatten(1, -1);
        let mean = columns.mean_dim([1i64].as_slice(), true, Kind::Double);
        let deviation = (&columns - &mean).square().mean_dim([1i64].as_slice(), false, Kind::Double).sqrt();
        let value = columns.f_amin([1i64].as_slice(), false)?;
        let varies = columns.f_amax([1i64].as_slice(), false)?.ne_tensor(&value);
        if !bool::try_from(varies.any())? {
            return Err(FlowError::ConstantBatch { value: value.double_value(&[0]) }.into());
        }
        let usual = deviation.masked_select(&varies).mean(Kind::Double);
        tch::no_grad(|| {
            self.shift.shallow_clone().f_copy_(&mean.squeeze_dim(1).where_self(&varies, &value))?;
            self.log_scale.shallow_clone().f_copy_(&deviation.where_self(&varies, &usual).log())?;
            Ok(self.inverse(y, condition)?.value)
        })
    }
}

impl fmt::Display for ActNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActNorm({} channels{})", self.channels(), self.gate)
    }
}
