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
    let log_scale = (raw.narrow(1, 0, half) / bound).tanh() * bound;
    let shift = raw.narrow(1, half, half);
    let (log_scale, shift) = match gate {
        Some(g) => (log_scale * g, shift * g),
        None => (log_scale, shift),
    };
    match direction {
        Direction::Forward => (shift.addcmul(x, &log_scale.exp()), log_scale),
        Direction::Inverse => {
            let log_slope = -log_scale;
            ((x - shift) * log_slope.exp(), log_slope)
        }
    }
}
