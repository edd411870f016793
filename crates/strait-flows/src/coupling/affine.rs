use super::parts;
use crate::reversible::Direction;
use tch::Tensor;

/// $y = e^{g s} x + g m$ or its inverse, and the log-slope of what was applied. `raw` holds $r$ of the log-scale and
/// then $m$, along the channels.
pub(super) fn apply(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    gate: Option<&Tensor>,
    bound: f64,
) -> (Tensor, Tensor) {
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
    (y, log_slope)
}
