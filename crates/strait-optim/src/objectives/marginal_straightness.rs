use super::mean_square_norm;
use strait_autodiff::{Graph, vjp};
use strait_core::{Batch, Error, Loss, Models, Objective, PathSample, per_sample, sum_per_sample};
use tch::Tensor;

/// The residual of the paths' marginal field, for the interpolant, in any dimension and without a density: the
/// learned field takes the place of the marginal one, and is assumed to follow it as the paths change.
///
/// Over times uniform in $[0, 1]$, with a step h along the flow:
///
/// $$ S_h = E |a(x_t, t)|^2, \qquad a(x, t) = \tfrac1h\bigl(v(x^+, t + h) - v(x, t)\bigr), \quad
///    x^+ = x + h v(x, t), \quad t \le 1 - h $$
///
/// which is $E|Dv/Dt|^2$ as h falls. At $v = v^\ast = E[u \mid x_t]$ it depends on the paths in two ways: through their
/// points, and through their marginal field. The change of a functional F of the field by the second is known without
/// knowing the field's change: with g its gradient, $\delta F = E[g \cdot \delta v]$, the change of $E[g \cdot (u -
/// v)]$ with g and v held fixed as functions. (For $F = E|v|^2$, g is $2v$, and the sum of both parts is the `Energy`.)
/// So this is
///
/// $$ E |a|^2 + E[g(x_t, t) \cdot (u - v(x_t, t))], \qquad
///    g(x, t) = 2 (\nabla v(x^+))^\top a(x, t) - \tfrac2h\bigl(a(x, t) - a(x^-, t - h)\bigr) $$
///
/// with $x^-$ the point whose step leads to x, and each part where its times lie in $[0, 1]$. At $v^\ast$ the value of
/// the second half is 0, but its gradient is not; where the velocity lags behind the paths its value is not 0. The
/// interpolant lowers the sum with the velocity held fixed, and the velocity takes flow-matching steps between, as for
/// the energy.
///
/// `FieldStraightness` is the first half alone, which is why a path that lowers it with the velocity held fixed
/// diverges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginalStraightness {
    /// h, above 0 and at most 1/2: shorter is nearer to the derivative, longer is less noisy.
    pub step: f64,
}

impl Objective for MarginalStraightness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let h = self.step;
        let Batch { x0, x1, t, .. } = batch;
        let PathSample { x_t, velocity: u } = models.interpolant.at(x0, x1, t)?;
        tch::with_grad(|| {
            let v = models.velocity.velocity(&x_t, t)?;
            let within = |inside: Tensor| per_sample(&inside.to_kind(x_t.kind()), &x_t);
            let (ahead, behind) = (within(t.le(1.0 - h)), within(t.ge(h)));
            let next = &x_t + &v * h;
            let next = if next.requires_grad() { next } else { next.set_requires_grad(true) };
            let after = models.velocity.velocity(&next, &(t + h).clamp_max(1.0))?;
            let a = (&after - &v) / h * ahead;
            // Where the step came from: one correction of x - hv, whose error of h^2 would not vanish from g.
            let past = (t - h).clamp_min(0.0);
            let earlier = |v: &Tensor| models.velocity.velocity(&(&x_t - v * h), &past);
            let a_before = (&v - earlier(&earlier(&v)?)?) / h * behind;
            let pulled = vjp(&[after], &[a.shallow_clone()], &[next], Graph::Record)?.remove(0);
            let g = (pulled + (a_before - &a) / h) * 2.0;
            let straightness = mean_square_norm(&a);
            let response = sum_per_sample(&(g * (u - v))).mean(x_t.kind());
            let terms = vec![("marginal_straightness", straightness.detach()), ("response", response.detach())];
            Ok(Loss { total: straightness + response, terms })
        })
    }

    fn name(&self) -> &'static str {
        "marginal_straightness"
    }
}
