//! Calls of the kernels of `strait-kernels`. Without the feature `kernels` each returns None, and the caller uses
//! libtorch's operations.

use strait_core::{Source, StandardNormal};

/// Whether a source is $N(0, I)$ over samples of a shape, for which a marginal may have a kernel.
pub(crate) fn is_standard_normal(source: &dyn Source, event: &[i64]) -> bool {
    let normal = source.as_any().and_then(|source| source.downcast_ref::<StandardNormal>());
    normal.is_some_and(|normal| normal.event_shape() == event)
}

#[cfg(not(feature = "kernels"))]
pub(crate) use none::{affine_curve, affine_field, chain_field, linear_path, posterior};
#[cfg(feature = "kernels")]
pub(crate) use some::{affine_curve, affine_field, chain_field, linear_path, posterior};

#[cfg(feature = "kernels")]
mod some {
    use strait_autodiff::Jet;
    use strait_core::{Bijection, Error, Marginal, MovingMarginal, Points};
    use strait_kernels::{AffinePaths, ChainPaths, MarginalField, lower};
    pub(crate) use strait_kernels::{affine_curve, linear_path, posterior};

    /// The marginal of affine paths, of the numbers that their network makes of endpoints and times.
    pub(crate) fn affine_field(numbers: &Jet, bound: f64, at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        let (x, x1) = (at.x_t.flatten(2, -1), at.x1.flatten(1, -1));
        let paths = AffinePaths { numbers, bound, x: &x, x1: &x1, t: at.t };
        Ok(paths.field()?.map(|field| moving(field, at)))
    }

    /// The marginal of paths of vectors through a bijection.
    pub(crate) fn chain_field<F: Bijection>(flow: &F, at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        let Some(stages) = lower(flow, Some(at.x1), at.t)? else { return Ok(None) };
        let paths = ChainPaths { stages: &stages, x: at.x_t, x1: at.x1, t: at.t };
        Ok(paths.field()?.map(|field| moving(field, at)))
    }

    /// From a kernel's, whose points are flat.
    fn moving(field: MarginalField, at: Points<'_>) -> MovingMarginal {
        let MarginalField { velocity, derivative, log_weight, log_effective } = field;
        let event = |x: tch::Tensor| if at.x_t.dim() == 3 { x } else { x.view_as(at.x_t) };
        let marginal = Marginal { velocity: event(velocity), log_weight, log_effective };
        MovingMarginal { marginal, derivative: event(derivative) }
    }
}

#[cfg(not(feature = "kernels"))]
mod none {
    use strait_autodiff::{Jet, Order};
    use strait_core::{Bijection, Error, MovingMarginal, Points};
    use tch::Tensor;

    pub(crate) struct Posterior {
        pub(crate) mean: Tensor,
        pub(crate) log_weight: Tensor,
        pub(crate) log_effective: Tensor,
    }

    pub(crate) fn affine_curve(
        _: &Jet,
        _: f64,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: Order,
    ) -> Result<Option<Jet>, Error> {
        Ok(None)
    }

    pub(crate) fn affine_field(_: &Jet, _: f64, _: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        Ok(None)
    }

    pub(crate) fn chain_field<F: Bijection>(_: &F, _: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        Ok(None)
    }

    pub(crate) fn linear_path(_: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<(Tensor, Tensor)>, Error> {
        Ok(None)
    }

    pub(crate) fn posterior(_: &Tensor, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Posterior>, Error> {
        Ok(None)
    }
}
