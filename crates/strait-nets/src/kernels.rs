//! Calls of the kernels of `strait-kernels`. Without the feature `kernels` each returns None, and the caller uses
//! libtorch's operations.

#[cfg(not(feature = "kernels"))]
pub(crate) use none::*;
#[cfg(feature = "kernels")]
pub(crate) use some::*;
#[cfg(feature = "kernels")]
pub(crate) use strait_kernels::{attention, channels_last, group_norm_silu, selu, silu_jet};

#[cfg(feature = "kernels")]
mod some {
    use crate::Activation;
    use strait_autodiff::{AutodiffError, Jet, Order};
    use strait_kernels::{Between, RightSide};
    use tch::Tensor;

    pub(crate) fn perceptron(
        parts: &[&Jet],
        layers: &[(Tensor, Tensor)],
        activation: Activation,
        order: Order,
    ) -> Result<Option<Jet>, AutodiffError> {
        let Some(between) = between(activation) else { return Ok(None) };
        strait_kernels::perceptron(parts, layers, between, order)
    }

    pub(crate) fn perceptron_square_error(
        parts: &[&Jet],
        layers: &[(Tensor, Tensor)],
        activation: Activation,
        target: &Tensor,
    ) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
        let Some(between) = between(activation) else { return Ok(None) };
        strait_kernels::perceptron_square_error(parts, layers, between, target)
    }

    pub(crate) fn perceptron_identity_error(
        parts: &[&Jet],
        layers: &[(Tensor, Tensor)],
        activation: Activation,
        velocity: &Tensor,
        span: &Tensor,
        end: Option<&[&Tensor]>,
    ) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
        let Some(between) = between(activation) else { return Ok(None) };
        let right = end.map_or(RightSide::Derivative, RightSide::End);
        strait_kernels::perceptron_identity_error(parts, layers, between, velocity, span, right)
    }

    fn between(activation: Activation) -> Option<Between> {
        match activation {
            Activation::Silu => Some(Between::Silu),
            Activation::Selu => Some(Between::Selu),
            Activation::Tanh => None,
        }
    }
}

#[cfg(not(feature = "kernels"))]
mod none {
    use crate::Activation;
    use strait_autodiff::{AutodiffError, Jet, Order};
    use tch::Tensor;

    pub(crate) fn perceptron(
        _: &[&Jet],
        _: &[(Tensor, Tensor)],
        _: Activation,
        _: Order,
    ) -> Result<Option<Jet>, AutodiffError> {
        Ok(None)
    }

    pub(crate) fn perceptron_square_error(
        _: &[&Jet],
        _: &[(Tensor, Tensor)],
        _: Activation,
        _: &Tensor,
    ) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
        Ok(None)
    }

    pub(crate) fn perceptron_identity_error(
        _: &[&Jet],
        _: &[(Tensor, Tensor)],
        _: Activation,
        _: &Tensor,
        _: &Tensor,
        _: Option<&[&Tensor]>,
    ) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
        Ok(None)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a kernel uses its memory again")]
    pub(crate) fn selu(x: Tensor) -> Result<Tensor, AutodiffError> {
        Ok(x.f_selu()?)
    }

    pub(crate) fn silu_jet(_: &Jet) -> Result<Option<Jet>, AutodiffError> {
        Ok(None)
    }

    pub(crate) fn group_norm_silu(
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: Option<&Tensor>,
        _: i64,
        _: f64,
    ) -> Result<Option<Tensor>, AutodiffError> {
        Ok(None)
    }

    pub(crate) fn channels_last(_: &Tensor) -> Result<Option<Tensor>, AutodiffError> {
        Ok(None)
    }

    pub(crate) fn attention(_: &Tensor, _: i64) -> Result<Option<Tensor>, AutodiffError> {
        Ok(None)
    }
}
