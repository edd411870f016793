use super::parts;
use crate::reversible::Direction;
use strait_autodiff::{Jet, affine, affine_jet};
use strait_core::{Error, per_sample, sum_per_sample};
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
    if let Some(done) = affine(x, raw, gate, bound, direction == Direction::Inverse)? {
        return Ok(done);
    }
    let gate = gate.map(|gate| per_sample(gate, x));
    let half = raw.size()[1] / 2;
    let (scale, shift) = parts(raw, [half, half]);
    let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
    // tanh by way of the logistic function, which libtorch computes five times as fast.
    let log_slope = ((scale * (2.0 / bound)).sigmoid() - 0.5) * (sign * 2.0 * bound);
    let (log_slope, shift) = match gate {
        Some(g) => (log_slope * &g, shift * g),
        None => (log_slope, shift),
    };
    let slope = log_slope.exp();
    let y = match direction {
        Direction::Forward => shift.addcmul(x, &slope),
        Direction::Inverse => (x - shift) * slope,
    };
    Ok((y, sum_per_sample(&log_slope)))
}

/// $y = e^{g s} x + g m$ for what moves.
pub(super) fn push(x: &Jet, raw: &Jet, gate: Option<&Jet>, bound: f64) -> Result<Jet, Error> {
    let order = Jet::order_of([x, raw].into_iter().chain(gate));
    if let Some(done) = affine_jet(x, raw, gate, bound, order)? {
        return Ok(done);
    }
    let half = raw.value().size()[1] / 2;
    let (scale, shift) = raw.unzip(|raw| parts(raw, [half, half]));
    let log_slope = scale.scale(1.0 / bound).tanh().scale(bound);
    Ok(match gate.map(|gate| gate.view(|g| per_sample(g, x.value()))) {
        Some(gate) => log_slope.times(&gate).exp().times(x).plus(&shift.times(&gate)),
        None => log_slope.exp().times(x).plus(&shift),
    })
}
