use super::channels::parts;
use crate::kernels::{affine, affine_jet};
use strait_autodiff::Jet;
use strait_core::{Direction, Error, per_sample, sum_per_sample};
use tch::Tensor;

/// $g s$ and $g m$ of $s = \beta \tanh(r / \beta)$, for numbers `raw` that hold $r$ and then $m$ along the channels, and a
/// gate of each sample.
fn log_slope_and_shift(raw: &Jet, gate: Option<&Jet>, bound: f64) -> (Jet, Jet) {
    let half = raw.value().size()[1] / 2;
    let (r, shift) = raw.unzip(|raw| parts(raw, [half, half]));
    // tanh by way of the logistic function, which libtorch computes five times as fast.
    let half_tanh = (r.value() * (2.0 / bound)).sigmoid() - 0.5;
    let slope = || 1f64 - half_tanh.square() * 4.0;
    let log_slope = r.compose(&half_tanh * (2.0 * bound), slope, |slope| slope * &half_tanh * (-4.0 / bound));
    match gate.map(|gate| gate.view(|g| per_sample(g, log_slope.value()))) {
        Some(gate) => (log_slope.times(&gate), shift.times(&gate)),
        None => (log_slope, shift),
    }
}

/// $y = e^{g s} x + g m$ or its inverse, and the log-determinant of what was applied.
pub(super) fn apply(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    gate: Option<&Tensor>,
    bound: f64,
) -> Result<(Tensor, Tensor), Error> {
    if let Some(done) = affine(direction, x, raw, gate, bound)? {
        return Ok(done);
    }
    let gate = gate.map(Jet::constant);
    let (log_slope, shift) = log_slope_and_shift(&Jet::constant(raw), gate.as_ref(), bound);
    let (log_slope, shift) = (log_slope.value(), shift.value());
    Ok(match direction {
        Direction::Forward => (shift.addcmul(x, &log_slope.exp()), sum_per_sample(log_slope)),
        Direction::Inverse => {
            let log_slope = log_slope.neg();
            ((x - shift) * log_slope.exp(), sum_per_sample(&log_slope))
        }
    })
}

/// The jet of $y = e^{g s} x + g m$.
pub(super) fn push(x: &Jet, raw: &Jet, gate: Option<&Jet>, bound: f64) -> Result<Jet, Error> {
    let order = Jet::order_of([x, raw].into_iter().chain(gate));
    if let Some(done) = affine_jet(x, raw, gate, bound, order)? {
        return Ok(done);
    }
    let (log_slope, shift) = log_slope_and_shift(raw, gate, bound);
    Ok(log_slope.exp().times(x).plus(&shift))
}
