use super::{Spans, mean_square_distance, square_error};
use strait_autodiff::{Jet, Order};
use strait_core::{Batch, Error, Loss, MapIdentity, Models, Objective, PathSample, Sampling, per_sample};

/// Lagrangian self-distillation (Boffi et al., arXiv 2505.18825), for a flow map along any paths of any coupling: flow
/// matching on the diagonal, and off it the map's own equation of motion,
///
/// $$ E |u(x_t, t, t) - x_t'|^2, \qquad
///    E \bigl|\partial_t X_{s,t}(x_s) - \operatorname{sg} v(X_{s,t}(x_s), t)\bigr|^2, \qquad
///    \partial_t X_{s,t} = u + (t - s) \partial_t u $$
///
/// averaged over the batch; each pair is either on the diagonal or off it. The gradient is stopped at the target field,
/// and at the point where it is evaluated; the derivative is in t alone. Its value bounds the error of one step:
/// $W_2^2$ of the law of $X_{0,1}(x_0)$ to the flow's is at most a constant, of the field's Lipschitz bound, times it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagrangianDistillation;

impl Objective for LagrangianDistillation {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let path = tch::no_grad(|| models.interpolant.at(&batch.x0, &batch.x1, &batch.t))?;
        let spans = Spans::of(batch, self.name())?;
        let map = models.flow_map(self.name())?;
        if let Some(loss) = spans.identity_loss(MapIdentity::Lagrangian, map, batch, &path, "distillation")? {
            return Ok(loss);
        }
        let PathSample { x_t, velocity } = path;
        let (on, x) = spans.split(&x_t);
        let [velocity_on, velocity_off] = spans.velocities(models)?;
        let map = velocity_off.as_flow_map().ok_or(Error::NotFlowMap { what: self.name() })?;
        let (at, velocity) = (spans.split(&batch.t).0, spans.split(&velocity).0);
        let diagonal = || square_error(&*velocity_on, &on, &at, &velocity);

        let end = Jet::variable(&spans.t, Order::First);
        let u = map.average_velocity_jet(&Jet::constant(&x), &Jet::constant(&spans.s), &end)?;
        let h = per_sample(&(&spans.t - &spans.s), &x);
        let taught = tch::no_grad(|| velocity_off.velocity(&(&x + &h * u.value()), &spans.t))?;
        let off = mean_square_distance(&(u.value() + h * u.first()), &taught)?;
        spans.loss(diagonal, off, "distillation")
    }

    fn name(&self) -> &'static str {
        "lagrangian_distillation"
    }

    fn sampling(&self) -> Sampling {
        Sampling::Spans
    }
}
