use super::{Spans, mean_square_norm};
use strait_autodiff::{Jet, Order};
use strait_core::{Batch, Error, Loss, Models, Objective, PathCurve, Sampling, per_sample, sum_per_sample};
use tch::Tensor;

/// The part of the paths' field that a flow map cannot fit, with a penalty on acceleration, for the interpolant:
///
/// $$ E [2 q \cdot r - |r|^2] + \lambda E|x_{ss}|^2, \qquad
///    r = \partial_s X_{s,t} + (\nabla X_{s,t}) v, \quad q = \partial_s X_{s,t} + (\nabla X_{s,t}) x'_s
///    \qquad\text{at } (x_s, s) $$
///
/// r is the residual of the map along its own diagonal v, 0 for the map of a field. The diagonal approximates the
/// marginal field $E[x'_s \mid x_s]$, and there the value is $E|r|^2$. A path changes it through its points and through
/// their marginal field; the second part is the change of $E[g \cdot x'_s]$ with $g = 2 (\nabla X)^\top r$, which this
/// includes as the `Energy` does: the energy is the same with the identity in place of X. (Lowering $E|q|^2$ would
/// lower the spread of $x'_s$ as well, at the cost of the path's quality.) The interpolant lowers it with the map held
/// fixed, and the map takes steps between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapResidual {
    /// $\lambda$, for data of unit variance.
    pub acceleration: f64,
}

impl Objective for MapResidual {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let PathCurve { x_t, velocity, acceleration } = models.interpolant.curve(&batch.x0, &batch.x1, &batch.t)?;
        let spans = Spans::of(batch, self.name())?;
        let (x, x_dot) = (spans.off(&x_t), spans.off(&velocity));
        let velocity_off = spans.velocity_off(models)?;
        let map = velocity_off.as_flow_map().ok_or(Error::NotFlowMap { what: self.name() })?;
        let (start, end) = (Jet::variable(&spans.s, Order::First), Jet::constant(&spans.t));
        let h = per_sample(&(&spans.t - &spans.s), &x);
        // X = x + (t - s) u, so that its derivative along (dx, 1) is dx - u + (t - s) du.
        let along = |dx: &Tensor| -> Result<Tensor, Error> {
            let at = Jet::with_derivatives(x.shallow_clone(), dx.shallow_clone(), None);
            let u = map.average_velocity_jet(&at, &start, &end)?;
            Ok(dx - u.value() + &h * u.first())
        };
        let (r, q) = (along(&velocity_off.velocity(&x, &spans.s)?)?, along(&x_dot)?);
        let residual = sum_per_sample(&(&r * (q * 2.0 - &r))).mean(r.kind());
        let penalty = mean_square_norm(&acceleration);
        let terms = vec![("map_residual", residual.detach()), ("acceleration", penalty.detach())];
        Ok(Loss { total: residual + penalty * self.acceleration, terms })
    }

    fn name(&self) -> &'static str {
        "map_residual"
    }

    fn sampling(&self) -> Sampling {
        Sampling::Spans
    }
}
