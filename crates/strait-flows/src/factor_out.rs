use crate::backward::{BackwardRequest, BackwardStep, Cotangent, Point};
use crate::{FlowError, Layer};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Error, Transformed};
use tch::Tensor;

/// Factor-out: the first channels continue through a deeper layer, the rest are factored out here (Dinh and others,
/// arXiv 1605.08803, section 3.6).
///
/// The factored-out channels are not removed; they stay unchanged beside the others. So a multi-scale flow has one
/// shape from end to end, and its base is one distribution over that shape. A prior of the factored-out half that
/// depends on the other is a [`CouplingLayer`](crate::CouplingLayer) after this layer.
pub struct FactorOut<L> {
    inner: L,
    channels: i64,
}

impl<L: Layer> FactorOut<L> {
    /// `inner` acts on the first `channels` channels.
    ///
    /// # Errors
    /// `FlowError::Setting` when none would go on.
    pub fn new(inner: L, channels: i64) -> Result<Self, Error> {
        if channels < 1 {
            let rule = "at least one channel goes on";
            return Err(FlowError::Setting { setting: "channels", value: channels.to_string(), rule }.into());
        }
        Ok(Self { inner, channels })
    }

    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let size = x.size();
        if size.len() < 2 || size[1] < self.channels {
            let expected = format!("(B, {} or more, ...)", self.channels);
            return Err(Error::Shape { what: "x", expected, found: size });
        }
        Ok((x.narrow(1, 0, self.channels), x.narrow(1, self.channels, size[1] - self.channels)))
    }

    fn apply(&self, x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Transformed, Error>) -> Result<Transformed, Error> {
        let (on, out) = self.parts(x)?;
        let on = f(&on)?;
        Ok(Transformed { value: Tensor::cat(&[on.value, out], 1), log_det: on.log_det })
    }
}

impl<L: Layer> Bijection for FactorOut<L> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(x, |on| self.inner.forward(on, condition))
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(y, |on| self.inner.inverse(on, condition))
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let on = |x: &Tensor| self.parts(x).map(|(on, _)| on);
        let out = |x: &Tensor| self.parts(x).map(|(_, out)| out);
        let (on, out) = (x.try_map(on, on)?, x.try_map(out, out)?);
        Ok(self.inner.push(&on, condition)?.map(|on| on.zip(&out, |on, out| Tensor::cat(&[on, out], 1))))
    }
}

impl<L: Layer> Layer for FactorOut<L> {
    fn parameters(&self) -> Vec<Tensor> {
        self.inner.parameters()
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        let (on, out) = self.parts(y)?;
        Ok(Tensor::cat(&[self.inner.initialise(&on, condition)?, out], 1))
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        let maybe = |x: &Option<Tensor>| x.as_ref().map(|x| self.parts(x)).transpose().map(Option::unzip);
        let (value, out) = self.parts(&at.output.value)?;
        let (tangent, tangent_out) = maybe(&at.output.tangent)?;
        let (value_bar, out_bar) = self.parts(&at.cotangent.value)?;
        let (tangent_bar, tangent_out_bar) = maybe(&at.cotangent.tangent)?;
        let cotangent = Cotangent { value: value_bar, tangent: tangent_bar, log_det: at.cotangent.of_log_det() };
        let on = self.inner.reversible_backward(BackwardRequest {
            output: &Point { value, tangent },
            cotangent: &cotangent,
            ..at
        })?;
        let join = |on: Option<Tensor>, out: Option<Tensor>| on.zip(out).map(|(on, out)| Tensor::cat(&[on, out], 1));
        Ok(BackwardStep {
            input: Point {
                value: Tensor::cat(&[on.input.value, out], 1),
                tangent: join(on.input.tangent, tangent_out),
            },
            value: Tensor::cat(&[on.value, out_bar], 1),
            tangent: join(on.tangent, tangent_out_bar),
            parameters: on.parameters,
            context: on.context,
            t: on.t,
        })
    }
}

impl<L: Layer> fmt::Display for FactorOut<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FactorOut(first {} channels: {})", self.channels, self.inner)
    }
}
