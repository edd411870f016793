use crate::backward::{BackwardRequest, BackwardStep, Cotangent, Point};
use crate::layer::for_each_sample;
use crate::{FlowError, Layer};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Error, Transformed};
use tch::Tensor;

/// Space to channels: (B, C, H, W) to (B, 4C, H/2, W/2), each 2x2 block of a channel becoming four channels in a
/// row (Dinh and others, arXiv 1605.08803, section 3.6). The log-determinant is 0.
///
/// # Errors
/// `Shape` for an odd side, or anything that is no image.
pub fn squeeze(x: &Tensor) -> Result<Tensor, Error> {
    let size = x.size();
    match size[..] {
        [b, c, h, w] if h % 2 == 0 && w % 2 == 0 => {
            Ok(x.reshape([b, c, h / 2, 2, w / 2, 2]).permute([0, 1, 3, 5, 2, 4]).reshape([b, 4 * c, h / 2, w / 2]))
        }
        _ => Err(Error::Shape { what: "x", expected: "(B, C, H, W) with H and W even".into(), found: size }),
    }
}

/// Channels to space: the inverse of [`squeeze`].
///
/// # Errors
/// `Shape` where the channels are no multiple of four.
pub fn unsqueeze(y: &Tensor) -> Result<Tensor, Error> {
    let size = y.size();
    match size[..] {
        [b, c, h, w] if c % 4 == 0 => {
            Ok(y.reshape([b, c / 4, 2, 2, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([b, c / 4, 2 * h, 2 * w]))
        }
        _ => Err(Error::Shape { what: "x", expected: "(B, 4 C, H, W)".into(), found: size }),
    }
}

/// [`squeeze`] as a layer of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Squeeze;

fn volume_preserving(value: Tensor) -> Transformed {
    let zero = value.new_zeros([] as [i64; 0], (value.kind(), value.device()));
    Transformed { log_det: for_each_sample(&zero, &value), value }
}

impl Bijection for Squeeze {
    fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Ok(volume_preserving(squeeze(x)?))
    }

    fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Ok(volume_preserving(unsqueeze(y)?))
    }

    fn push(&self, x: &Jet, _: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        x.try_map(squeeze, squeeze).map(Some)
    }
}

impl Layer for Squeeze {
    fn parameters(&self) -> Vec<Tensor> {
        vec![]
    }
}

impl fmt::Display for Squeeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Squeeze")
    }
}

/// A layer at half the resolution: squeeze, the layer, unsqueeze. A context of maps is squeezed with x.
pub struct Squeezed<L> {
    inner: L,
}

impl<L: Layer> Squeezed<L> {
    /// `inner` sees (B, 4C, H/2, W/2), and of a context (B, n, H, W) it sees (B, 4n, H/2, W/2).
    pub fn new(inner: L) -> Self {
        Self { inner }
    }

    /// Calls `f` with the condition that the inner layer sees.
    fn with<T>(condition: Condition<'_>, f: impl FnOnce(Condition<'_>) -> Result<T, Error>) -> Result<T, Error> {
        match condition.context {
            Some(context) if context.dim() == 4 => f(Condition { context: Some(&squeeze(context)?), t: condition.t }),
            _ => f(condition),
        }
    }
}

fn each(point: &Point, f: fn(&Tensor) -> Result<Tensor, Error>) -> Result<Point, Error> {
    Ok(Point { value: f(&point.value)?, tangent: point.tangent.as_ref().map(f).transpose()? })
}

impl<L: Layer> Bijection for Squeezed<L> {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let y = Self::with(condition, |c| self.inner.forward(&squeeze(x)?, c))?;
        Ok(Transformed { value: unsqueeze(&y.value)?, log_det: y.log_det })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let x = Self::with(condition, |c| self.inner.inverse(&squeeze(y)?, c))?;
        Ok(Transformed { value: unsqueeze(&x.value)?, log_det: x.log_det })
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let squeezed = x.try_map(squeeze, squeeze)?;
        let still = Condition { context: condition.context, t: None };
        let y = Self::with(still, |c| self.inner.push(&squeezed, ConditionJet { context: c.context, ..condition }))?;
        y.map(|y| y.try_map(unsqueeze, unsqueeze)).transpose()
    }
}

impl<L: Layer> Layer for Squeezed<L> {
    fn parameters(&self) -> Vec<Tensor> {
        self.inner.parameters()
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        if y.size().first() == Some(&0) {
            return Err(FlowError::EmptyBatch.into());
        }
        unsqueeze(&Self::with(condition, |c| self.inner.initialise(&squeeze(y)?, c))?)
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        let output = each(at.output, squeeze)?;
        let cotangent = Cotangent {
            value: squeeze(&at.cotangent.value)?,
            tangent: at.cotangent.tangent.as_ref().map(squeeze).transpose()?,
            log_det: at.cotangent.of_log_det(),
        };
        let inner = |condition: Condition<'_>| {
            self.inner.reversible_backward(BackwardRequest { output: &output, cotangent: &cotangent, condition, ..at })
        };
        // The condition's tensors are leaves of the backward step, and so is the squeezed context.
        let inside = match at.condition.context {
            Some(context) if context.dim() == 4 => {
                let squeezed = squeeze(context)?.detach().set_requires_grad(context.requires_grad());
                let mut inside = inner(Condition { context: Some(&squeezed), t: at.condition.t })?;
                inside.context = inside.context.as_ref().map(unsqueeze).transpose()?;
                inside
            }
            _ => inner(at.condition)?,
        };
        Ok(BackwardStep {
            input: each(&inside.input, unsqueeze)?,
            value: unsqueeze(&inside.value)?,
            tangent: inside.tangent.as_ref().map(unsqueeze).transpose()?,
            ..inside
        })
    }
}

impl<L: Layer> fmt::Display for Squeezed<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Squeezed({})", self.inner)
    }
}
