//! Calls of the kernels of `strait-kernels`. Without the feature `kernels` each returns None, and the caller uses
//! libtorch's operations.

#[cfg(not(feature = "kernels"))]
pub(crate) use none::*;
#[cfg(feature = "kernels")]
pub(crate) use strait_kernels::{perceptron, selu, silu_jet};

#[cfg(not(feature = "kernels"))]
mod none {
    use strait_autodiff::{AutodiffError, Jet, Order};
    use tch::Tensor;

    pub(crate) fn perceptron(_: &[&Jet], _: &[(Tensor, Tensor)], _: Order) -> Result<Option<Jet>, AutodiffError> {
        Ok(None)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a kernel uses its memory again")]
    pub(crate) fn selu(x: Tensor) -> Result<Tensor, AutodiffError> {
        Ok(x.f_selu()?)
    }

    pub(crate) fn silu_jet(_: &Jet) -> Result<Option<Jet>, AutodiffError> {
        Ok(None)
    }
}
