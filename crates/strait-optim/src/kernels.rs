//! Calls of the kernels of `strait-kernels`. Without the feature `kernels` each returns None, and the caller uses
//! libtorch's operations.

#[cfg(not(feature = "kernels"))]
pub(crate) use none::{mean_square_distance, square_distance};
#[cfg(feature = "kernels")]
pub(crate) use strait_kernels::{mean_square_distance, square_distance};

#[cfg(not(feature = "kernels"))]
mod none {
    use strait_core::Error;
    use tch::Tensor;

    #[expect(clippy::unnecessary_wraps, reason = "a kernel may fail")]
    pub(crate) fn mean_square_distance(_: &Tensor, _: &Tensor) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }

    #[expect(clippy::unnecessary_wraps, reason = "a kernel may fail")]
    pub(crate) fn square_distance(_: &Tensor, _: &Tensor) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }
}
