use crate::time_derivative::push;
use strait_autodiff::{Jet, Order};
use strait_core::{
    Bijection, Condition, Conditions, Error, Interpolant, Inverted, InvertibleInterpolant, Marginal, MovingMarginal,
    PathCurve, PathSample, Points, Source, Transformed,
};
use tch::Tensor;

/// A path through a map of space that depends on time and not on the data point:
///
/// $$ x_t = \Psi_t(z_t), \qquad z_t = \text{the base path}, \qquad \Psi_0 = \Psi_1 = \mathrm{id} $$
///
/// The bijection itself must be the identity at both endpoints (a gate of $t(1-t)$). All conditional paths pass through
/// one and the same map, so the marginal field is the base's field, carried through the map (the effective sample size
/// is the base's too):
///
/// $$ v^\ast(x, t) = \partial_t \Psi_t(z) + \partial_z \Psi_t(z) v^\ast_{\text{base}}(z, t), \qquad z = \Psi_t^{-1}(x) $$
#[derive(Debug)]
pub struct Warped<P, F> {
    base: P,
    warp: F,
}

fn only(t: &Tensor) -> Condition<'_> {
    Condition { context: None, t: Some(t) }
}

impl<P: InvertibleInterpolant, F: Bijection> Warped<P, F> {
    /// A base path through a bijection with $\Psi_0 = \Psi_1 = \mathrm{id}$.
    pub fn new(base: P, warp: F) -> Self {
        Self { base, warp }
    }

    /// The image of moving points: $\Psi_t(z)$ and $\partial_t \Psi_t + \partial_z \Psi_t \dot z$.
    fn push(&self, z: &Tensor, dz: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let z = Jet::with_derivatives(z.shallow_clone(), dz.shallow_clone(), None);
        Ok(push(&self.warp, &z, None, &Jet::variable(t, Order::First))?.into())
    }
}

impl<P: InvertibleInterpolant, F: Bijection> Interpolant for Warped<P, F> {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let PathSample { x_t, velocity } = self.base.at(x0, x1, t)?;
        self.push(&x_t, &velocity, t)
    }

    fn position(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.warp.forward(&self.base.position(x0, x1, t)?, only(t))?.value)
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathCurve { x_t, velocity, acceleration } = self.base.curve(x0, x1, t)?;
        let z = Jet::with_derivatives(x_t, velocity, Some(acceleration));
        Ok(push(&self.warp, &z, None, &Jet::variable(t, Order::Second))?.into())
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        let (base, warp) = (self.base.given(conditions)?, self.warp.given(conditions)?);
        if base.is_none() && warp.is_none() {
            return Ok(None);
        }
        let base = base.unwrap_or_else(|| Box::new(&self.base));
        let warp = warp.unwrap_or_else(|| Box::new(&self.warp));
        Ok(Some(Box::new(Warped { base: GivenBase(base), warp })))
    }

    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        Some(self)
    }
}

/// A base under the conditions of a batch: invertible, as the base is.
struct GivenBase<'a>(Box<dyn Interpolant + 'a>);

impl Interpolant for GivenBase<'_> {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        self.0.at(x0, x1, t)
    }

    fn position(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.0.position(x0, x1, t)
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        self.0.curve(x0, x1, t)
    }

    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        self.0.as_invertible()
    }
}

impl InvertibleInterpolant for GivenBase<'_> {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        let base = self.0.as_invertible().ok_or(Error::NotInvertible { what: "the base of a warped path" })?;
        base.invert(x_t, x1, t)
    }
}

impl<P: InvertibleInterpolant, F: Bijection> InvertibleInterpolant for Warped<P, F> {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        let Transformed { value: z, log_det } = self.warp.inverse(x_t, only(t))?;
        let Inverted { x0, log_det: of_base } = self.base.invert(&z, x1, t)?;
        Ok(Inverted { x0, log_det: log_det + of_base })
    }

    /// The base's marginal, carried through the map: the map is taken once for each point, not for each pair.
    fn marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Marginal, Error> {
        at.check()?;
        let (x, t) = at.points();
        let Transformed { value: z, log_det } = self.warp.inverse(&x, only(&t))?;
        let base = self.base.marginal(source, Points { x_t: &z.view_as(at.x_t), ..at })?;
        let velocity = self.push(&z, &base.velocity.flatten(0, 1), &t)?.velocity;
        Ok(carried(base, &velocity, &log_det))
    }

    /// A trajectory of the field is the image of one of the base's field: $x(s) = \Psi_{t+s}(z + s v + s^2 \dot v / 2)$
    /// to the second order, which is what its acceleration needs.
    fn moving_marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        at.check()?;
        let (x, t) = at.points();
        let Transformed { value: z, log_det } = self.warp.inverse(&x, only(&t))?;
        let at_base = Points { x_t: &z.view_as(at.x_t), ..at };
        let Some(MovingMarginal { marginal: base, derivative }) = self.base.moving_marginal(source, at_base)? else {
            return Ok(None);
        };
        let z = Jet::with_derivatives(z, base.velocity.flatten(0, 1), Some(derivative.flatten(0, 1)));
        let jet = push(&self.warp, &z, None, &Jet::variable(&t, Order::Second))?;
        let derivative = jet.second().view_as(at.x_t);
        Ok(Some(MovingMarginal { marginal: carried(base, &jet.first(), &log_det), derivative }))
    }
}

/// The base's marginal with the velocity (T Q, ...) of the images, and the log-determinants (T Q,) of the way back in all
/// its weights.
fn carried(base: Marginal, velocity: &Tensor, log_det: &Tensor) -> Marginal {
    let log_weight = &base.log_weight + log_det.view_as(&base.log_weight);
    Marginal { velocity: velocity.view_as(&base.velocity), log_weight, log_effective: base.log_effective }
}
