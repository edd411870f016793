mod map;
mod moving;

pub use map::{Affine, AffineConfig, Mixing};

use crate::by_jet::by_jet;
use crate::kernels::affine_curve;
use crate::linear::{check, check_before_end};
use strait_autodiff::{Jet, Order};
use strait_core::{
    ConditionalPaths, Conditions, Error, Interpolant, Inverted, InvertibleInterpolant, MovingMarginal, PathCurve,
    PathSample, Points, Source, TimeFunction,
};
use tch::Tensor;

impl<F: TimeFunction> Affine<F> {
    fn jet(&self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        check(x0, x1, t)?;
        let numbers = self.numbers(x1, t, order)?;
        let (y, end) = (x0.flatten(1, -1), x1.flatten(1, -1));
        let placed = match affine_curve(&numbers, self.config.log_scale_bound, &y, &end, t, order)? {
            Some(placed) => placed,
            None => self.place(&self.parts(&numbers, t, order), &y.unsqueeze(1), &end, t, order),
        };
        Ok(placed.view(|v| v.view_as(x0)))
    }
}

impl<F: TimeFunction> Interpolant for Affine<F> {
    by_jet!();

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        let network = self.network().given(conditions)?;
        Ok(network.map(|network| Box::new(self.with(network)) as Box<dyn Interpolant>))
    }

    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        Some(self)
    }
}

impl<F: TimeFunction> InvertibleInterpolant for Affine<F> {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        check(x_t, x1, t)?;
        check_before_end(INVERSE, t)?;
        let parts = self.parts(&self.numbers(x1, t, Order::Value)?, t, Order::Value);
        let (x0, log_det) = self.sources(&parts, &x_t.flatten(1, -1).unsqueeze(1), &x1.flatten(1, -1), t);
        Ok(Inverted { x0: x0.view_as(x_t), log_det })
    }

    /// The network sees endpoints and times alone: T K rows of it serve T K Q paths.
    fn through(&self, at: Points<'_>) -> Result<ConditionalPaths, Error> {
        let size = at.check()?;
        check_before_end(INVERSE, at.t)?;
        let [times, endpoints, points] = [size[0], size[1], size[2]];
        let d = self.config.dimensions;
        let (x1, t) = at.endpoints();
        let x1 = x1.flatten(1, -1);
        let parts = self.parts(&self.numbers(&x1, &t, Order::First)?, &t, Order::First);
        let x_t = at.x_t.flatten(2, -1).unsqueeze(1).expand([times, endpoints, points, d], false).flatten(0, 1);
        let (x0, log_det) = self.sources(&parts, &x_t, &x1, &t);
        let velocity = self.place(&parts, &x0, &x1, &t, Order::First).first();
        Ok(ConditionalPaths {
            x0: x0.view(size.as_slice()),
            log_det: log_det.view([times, endpoints, 1]).expand(&size[..3], false),
            velocity: velocity.view(size.as_slice()),
        })
    }

    fn moving_marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        if self.config.dimensions > moving::MOST_DIMENSIONS {
            return Ok(None);
        }
        check_before_end(INVERSE, at.t)?;
        moving::marginal(self, source, at).map(Some)
    }
}

const INVERSE: &str = "the affine path's inverse";
