//! The speed, acceleration and log-determinant of conditional paths between pairs of points.

use crate::MetricError;
use strait_core::{Error, Interpolant, event_size, sum_per_sample};
use tch::{Kind, Tensor, no_grad};

/// The last time that a log-determinant is taken at: at 1 no path is invertible in its source point.
const LAST: f64 = 0.999;
/// Of the squared speeds, the share below the tail that is reported.
const TAIL: f64 = 0.999;

/// How a path moves between pairs of points, over all of t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionalMotion {
    /// $E|u|^2$, the mean squared speed: what a velocity has to be fitted to.
    pub squared_speed: f64,
    /// The 99.9% quantile of $|u|^2$.
    pub squared_speed_tail: f64,
    /// $E|x_{tt}|^2$.
    pub squared_acceleration: f64,
    /// The least and the largest of $\frac1d \log|\det \partial\varphi_t/\partial x_0| - \log(1-t)$, that is, of what a
    /// path scales a dimension by beyond what the linear one does; None where the path is not invertible in $x_0$.
    pub log_det: Option<(f64, f64)>,
}

/// The motion between pairs x0, x1 (n, ...), each at `repeats` of n `repeats` evenly spaced times: no layer of t wider
/// than their distance is missed. None where it is not finite everywhere.
///
/// ```
/// use strait_paths::Linear;
/// use tch::{Device, Kind, Tensor};
/// let x0 = Tensor::zeros([10, 2], (Kind::Double, Device::Cpu));
/// let x1 = &x0 + Tensor::from_slice(&[3.0, 4.0]);
/// let found = strait_metrics::conditional_motion(&Linear, &x0, &x1, 4)?.unwrap();
/// assert!((found.squared_speed - 25.0).abs() < 1e-12 && found.squared_acceleration == 0.0);
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
///
/// # Errors
/// Those of the path.
pub fn conditional_motion(
    path: &dyn Interpolant,
    x0: &Tensor,
    x1: &Tensor,
    repeats: i64,
) -> Result<Option<ConditionalMotion>, MetricError> {
    let (n, options) = (x0.size()[0], (x0.kind(), x0.device()));
    let (mut speeds, mut accelerations, mut log_dets) = (vec![], vec![], vec![]);
    for repeat in 0..repeats {
        let first = repeat * n;
        let t = (Tensor::arange_start(first, first + n, options) + 0.5) / (n * repeats) as f64;
        let curve = no_grad(|| path.curve(x0, x1, &t))?;
        speeds.push(sum_per_sample(&curve.velocity.square()));
        accelerations.push(sum_per_sample(&curve.acceleration.square()));
        if let Some(path) = path.as_invertible() {
            let t = t.clamp_max(LAST);
            let log_det = no_grad(|| path.at(x0, x1, &t).and_then(|at| path.invert(&at.x_t, x1, &t)))?.log_det;
            log_dets.push(-log_det / event_size(x0) as f64 - (1f64 - t).log());
        }
    }
    let joined = |parts: &[Tensor]| -> Result<Tensor, Error> { Ok(Tensor::f_cat(parts, 0)?.f_to_kind(Kind::Double)?) };
    let (speeds, accelerations) = (joined(&speeds)?, joined(&accelerations)?);
    let number = |x: Tensor| x.double_value(&[]);
    let log_det = match log_dets.is_empty() {
        true => None,
        false => joined(&log_dets).map(|all| Some((number(all.min()), number(all.max()))))?,
    };
    let index = (TAIL * speeds.numel() as f64).ceil() as i64;
    let found = ConditionalMotion {
        squared_speed: number(speeds.mean(Kind::Double)),
        squared_speed_tail: number(speeds.kthvalue(index.max(1), 0, false).0),
        squared_acceleration: number(accelerations.mean(Kind::Double)),
        log_det,
    };
    let (low, high) = found.log_det.unwrap_or_default();
    let numbers = [found.squared_speed, found.squared_speed_tail, found.squared_acceleration, low, high];
    Ok(numbers.iter().all(|x| x.is_finite()).then_some(found))
}
