use super::parts;
use crate::reversible::Direction;
use strait_autodiff::affine;
use strait_core::{Error, sum_per_sample};
use tch::Tensor;

/// $y = e^{g s} x + g m$ or its inverse, and the log-determinant of what was applied. `raw` holds $r$ of the log-scale
/// and then $m$, along the channels.
pub(super) fn apply(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    gate: Option<&Tensor>,
    bound: f64,
) -> Result<(Tensor, Tensor), Error> {
    if gate.is_none()
        && let Some(done) = affine(x, raw, bound, direction == Direction::Inverse)?
    {
        return Ok(done);
    }
    let half = raw.size()[1] / 2;
    let (scale, shift) = parts(raw, [half, half]);
    let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
    // tanh by way of the logistic function, which libtorch computes five times as fast.
    let log_slope = ((scale * (2.0 / bound)).sigmoid() - 0.5) * (sign * 2.0 * bound);
    let (log_slope, shift) = match gate {
        Some(g) => (log_slope * g, shift * g),
        None => (log_slope, shift),
    };
    let slope = log_slope.exp();
    let y = match direction {
        Direction::Forward => shift.addcmul(x, &slope),
        Direction::Inverse => (x - shift) * slope,
    };
    Ok((y, sum_per_sample(&log_slope)))
}
