use super::{Spans, average_square_error};
use strait_core::{Batch, Error, Loss, Models, Objective, PathSample, Sampling, per_sample};
use tch::Tensor;

/// Progressive self-distillation (Boffi et al., arXiv 2505.18825; with steps of powers of two the shortcut models of Frans et
/// al., arXiv 2410.12557), for a flow map along any paths of any coupling: flow matching on the diagonal, and off it two steps
/// of half the length in the place of one,
///
/// $$ E |u(x_t, t, t) - x_t'|^2, \qquad
///    E \bigl|u(x_s, s, t) - \operatorname{sg} \tfrac12 \bigl[u(x_s, s, m) + u(X_{s,m}(x_s), m, t)\bigr]\bigr|^2,
///    \qquad m = \tfrac{s+t}{2} $$
///
/// averaged over the batch; each pair is either on the diagonal or off it. The gradient is stopped at the two steps, so that
/// no derivative of the map is taken: off the diagonal a pair costs two evaluations more than on it, and no JVP. Its value is 0
/// off the diagonal for the map of any flow; that the flow is the paths' own is told by the diagonal alone, from which steps
/// learn theirs half by half.
///
/// ```
/// use strait_optim::{LevelName, LevelPlan, Spans, objectives::ProgressiveDistillation};
/// let spans = Spans { off_diagonal: 0.25, from_start: 0.5 };
/// let plan = LevelPlan { spans, ..LevelPlan::of(LevelName::Velocity, ProgressiveDistillation, 256, 1e-3) };
/// assert_eq!(plan.objective(), "progressive_distillation");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressiveDistillation;

impl Objective for ProgressiveDistillation {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let map = models.flow_map(self.name())?;
        let PathSample { x_t, velocity } = tch::no_grad(|| models.interpolant.at(&batch.x0, &batch.x1, &batch.t))?;
        let spans = Spans::of(batch, self.name())?;
        let velocity_off = spans.velocity_off(models)?;
        let off = velocity_off.as_flow_map().ok_or(Error::NotFlowMap { what: self.name() })?;
        let target = tch::no_grad(|| -> Result<Tensor, Error> {
            let (x, s, t) = (spans.off(&x_t), &spans.s, &spans.t);
            let middle = (s + t) * 0.5;
            let first = off.average_velocity(&x, s, &middle)?;
            let there = &x + per_sample(&(&middle - s), &first) * &first;
            let second = off.average_velocity(&there, &middle, t)?;
            Ok(Tensor::f_cat(&[spans.on(&velocity), (first + second) * 0.5], 0)?)
        })?;
        let error = average_square_error(map, &x_t, (&batch.t, &spans.all_t(batch)?), &target)?;
        Ok(Loss { total: error.mean, terms: spans.terms(&error.of_each, "distillation") })
    }

    fn name(&self) -> &'static str {
        "progressive_distillation"
    }

    fn sampling(&self) -> Sampling {
        Sampling::Spans
    }
}
