use super::{Spans, square_distance};
use strait_autodiff::{Jet, Order};
use strait_core::{Batch, Error, Loss, MapIdentity, Models, Objective, PathSample, Sampling, per_sample};
use tch::Tensor;

/// MeanFlow (Geng et al., arXiv 2505.13447), for a flow map along any paths of any coupling.
///
/// For the flow of v, $(t - s) u(x_s, s, t) = \int_s^t v(x_r, r) dr$ along $\dot x = v$. Its derivative in s, with t
/// held, is
///
/// $$ u(x, s, t) = v(x, s) + (t - s) \bigl(\partial_s u + (\nabla_x u) v(x, s)\bigr) $$
///
/// (in the time of its authors, from data to noise, the sign of the second term is the other one). It is affine in
/// $v = E[x'_s \mid x_s]$, so a pair's own velocity may replace v in a regression:
///
/// $$ E w \bigl|u(x_s, s, t) - \operatorname{sg}\bigl[x'_s + (t - s) (\partial_s u + (\nabla_x u) x'_s)\bigr]\bigr|^2,
///    \qquad w = \operatorname{sg} (|\cdot|^2 + \epsilon)^{-p} $$
///
/// On the diagonal, $s = t$, it is flow matching. The gradient is stopped at the target, which is one JVP of the pairs off the
/// diagonal, and at the weight. With $p = 0$ the map of the paths' marginal field is its stationary point; a weight makes far
/// targets count less, which is more stable and changes that point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanFlow {
    /// p, the power of the adaptive weight; 0: every pair counts alike.
    pub power: f64,
    /// $\epsilon$, above 0.
    pub epsilon: f64,
}

impl Default for MeanFlow {
    /// Plain squares.
    fn default() -> Self {
        Self { power: 0.0, epsilon: 1e-3 }
    }
}

impl Objective for MeanFlow {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let map = models.flow_map(self.name())?;
        let path = tch::no_grad(|| models.interpolant.at(&batch.x0, &batch.x1, &batch.t))?;
        let spans = Spans::of(batch, self.name())?;
        if self.power == 0.0
            && let Some(loss) = spans.identity_loss(MapIdentity::MeanFlow, map, batch, &path, self.name())?
        {
            return Ok(loss);
        }
        let PathSample { x_t: x, velocity } = path;
        let velocity_off = spans.velocity_off(models)?;
        let map_off = velocity_off.as_flow_map().ok_or(Error::NotFlowMap { what: self.name() })?;
        // On the diagonal the target is the pair's velocity.
        let target = tch::no_grad(|| -> Result<Tensor, Error> {
            let along = Jet::with_derivatives(spans.off(&x), spans.off(&velocity), None);
            let start = Jet::variable(&spans.s, Order::First);
            let slope = map_off.average_velocity_jet(&along, &start, &Jet::constant(&spans.t))?.first();
            let further = per_sample(&(&spans.t - &spans.s), &slope) * slope;
            Ok(Tensor::f_cat(&[spans.on(&velocity), spans.off(&velocity) + further], 0)?)
        })?;
        let squares = square_distance(&map.average_velocity(&x, &batch.t, &spans.all_t(batch)?)?, &target)?;
        let terms = spans.terms(&squares, self.name());
        let weighted = match self.power {
            0.0 => squares,
            power => (squares.detach() + self.epsilon).f_pow_tensor_scalar(-power)? * squares,
        };
        Ok(Loss { total: weighted.mean(x.kind()), terms })
    }

    fn name(&self) -> &'static str {
        "mean_flow"
    }

    fn sampling(&self) -> Sampling {
        Sampling::Spans
    }
}
