use crate::kernels::{is_standard_normal, posterior};
use strait_autodiff::Jet;
use strait_core::{Error, Marginal, Points, Source, per_sample};
use tch::Tensor;

/// The marginal of $x_t = a(t)x_0 + b(t)x_1$ under a standard normal source, in one pass:
///
/// $$ w_j = \operatorname{softmax}_j\bigl(-|x - b x_1^{(j)}|^2 / 2a^2\bigr), \qquad
///    v = \frac{a'}{a}(x - b \bar x_1) + b' \bar x_1, \qquad \bar x_1 = \sum_j w_j x_1^{(j)} $$
///
/// `a` and `b` are of the shape of t, with their first derivatives. None under another source, and where the kernel
/// cannot be used.
pub(crate) fn marginal(source: &dyn Source, at: Points<'_>, (a, b): (&Jet, &Jet)) -> Result<Option<Marginal>, Error> {
    let size = at.check()?;
    if !is_standard_normal(source, &size[3..]) {
        return Ok(None);
    }
    let (points, d) = (size[2], size[3..].iter().product::<i64>());
    let row = |w: &Tensor| w.repeat_interleave_self_int(points, 0, None);
    let (x, x1) = (at.x_t.flatten(2, -1).flatten(0, 1), at.x1.flatten(1, -1));
    let Some(found) = posterior(&x, &x1, &row(a.value()), &row(b.value()))? else { return Ok(None) };
    let (mean, wide) = (found.mean.view_as(at.x_t), |w: &Tensor| per_sample(w, at.x_t));
    let x0 = (at.x_t - wide(b.value()) * &mean) / wide(a.value());
    let velocity = wide(&a.first()) * x0 + wide(&b.first()) * mean;
    let constant = -(a.value().log() + 0.5 * (2.0 * std::f64::consts::PI).ln()).unsqueeze(1) * d as f64;
    let by_time = |x: Tensor| x.view([size[0], points]);
    Ok(Some(Marginal {
        velocity,
        log_weight: by_time(found.log_weight) + constant,
        log_effective: by_time(found.log_effective),
    }))
}
