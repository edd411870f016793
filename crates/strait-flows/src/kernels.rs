//! Calls of the kernels of `strait-kernels`. Without the feature `kernels` each returns None, and the caller uses
//! libtorch's operations.

#[cfg(not(feature = "kernels"))]
pub(crate) use none::*;
#[cfg(feature = "kernels")]
pub(crate) use some::*;
#[cfg(feature = "kernels")]
pub(crate) use strait_kernels::{affine, affine_jet, diagonal, silu, silu_jet, spline, spline_jet, triangular};

#[cfg(feature = "kernels")]
mod some {
    use strait_autodiff::{AutodiffError, Jet, Order};
    use strait_kernels::Between;
    use tch::Tensor;

    pub(crate) fn perceptron(
        parts: &[&Jet],
        layers: &[(Tensor, Tensor)],
        order: Order,
    ) -> Result<Option<Jet>, AutodiffError> {
        strait_kernels::perceptron(parts, layers, Between::Silu, order)
    }
}

#[cfg(not(feature = "kernels"))]
mod none {
    use strait_autodiff::{AutodiffError, Jet, Order};
    use strait_core::Direction;
    use tch::Tensor;

    type Image = (Tensor, Tensor);

    macro_rules! none {
        ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
            $(pub(crate) fn $name($(_: $argument),*) -> Result<Option<$result>, AutodiffError> {
                Ok(None)
            })*
        };
    }

    none! {
        affine(Direction, &Tensor, &Tensor, Option<&Tensor>, f64) -> Image;
        affine_jet(&Jet, &Jet, Option<&Jet>, f64, Order) -> Jet;
        diagonal(Direction, &Tensor, &Tensor, &Tensor) -> Image;
        perceptron(&[&Jet], &[(Tensor, Tensor)], Order) -> Jet;
        silu(&Tensor) -> Tensor;
        silu_jet(&Jet) -> Jet;
        spline(Direction, &Tensor, &Tensor, i64, f64) -> Image;
        spline_jet(&Jet, &Jet, i64, f64, Order) -> Jet;
        triangular(Direction, &Tensor) -> Image;
    }
}
