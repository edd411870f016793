use crate::kernels::linear_path;
use crate::scheduled_marginal;
use strait_autodiff::{Jet, Order};
use strait_core::{
    ConditionalPaths, Error, Interpolant, Inverted, InvertibleInterpolant, Marginal, PathCurve, PathSample, Points,
    Source, check_batch, check_same, event_size, per_sample,
};
use tch::{Kind, Tensor};

/// The linear path $x_t = (1-t)x_0 + t x_1$ with $u = x_1 - x_0$ (Lipman et al., arXiv 2210.02747; Liu et al., arXiv
/// 2209.03003).
///
/// ```
/// use strait_core::Interpolant;
/// use tch::Tensor;
/// let (x0, x1) = (Tensor::from_slice2(&[[0.0f64, 2.0]]), Tensor::from_slice2(&[[4.0f64, 0.0]]));
/// let sample = strait_paths::Linear.at(&x0, &x1, &Tensor::from_slice(&[0.25f64]))?;
/// assert_eq!(sample.x_t, Tensor::from_slice2(&[[1.0f64, 1.5]]));
/// assert_eq!(sample.velocity, Tensor::from_slice2(&[[4.0f64, -2.0]]));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear;

pub(crate) fn check(x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<(), Error> {
    check_batch(x0, t)?;
    check_same(x0, "x1", x1)
}

/// Refuses a batch with a time at or past 1. It waits for the device.
pub(crate) fn check_before_end(what: &'static str, t: &Tensor) -> Result<(), Error> {
    if t.numel() == 0 {
        return Ok(());
    }
    let latest = t.f_max()?.f_to_kind(Kind::Double)?.double_value(&[]);
    if latest < 1.0 {
        return Ok(());
    }
    Err(Error::Time { what, t: latest, domain: "a path is invertible in x0 for t < 1" })
}

impl Interpolant for Linear {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        check(x0, x1, t)?;
        if let Some((x_t, velocity)) = linear_path(x0, x1, t)? {
            return Ok(PathSample { x_t, velocity });
        }
        let s = per_sample(t, x0);
        Ok(PathSample { x_t: (1f64 - &s) * x0 + s * x1, velocity: x1 - x0 })
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
        Ok(PathCurve { x_t, acceleration: velocity.zeros_like(), velocity })
    }

    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        Some(self)
    }
}

impl InvertibleInterpolant for Linear {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        check(x_t, x1, t)?;
        check_before_end("the linear path's inverse", t)?;
        let s = per_sample(t, x_t);
        let rest = 1f64 - &s;
        Ok(Inverted { x0: (x_t - s * x1) / rest, log_det: (1f64 - t).log() * -(event_size(x_t) as f64) })
    }

    fn marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Marginal, Error> {
        let t = Jet::variable(at.t, Order::First);
        let Some(marginal) = scheduled_marginal::marginal(source, at, (&t.map(|t| 1f64 - t, Tensor::neg), &t))? else {
            return self.through(at)?.marginal(source);
        };
        check_before_end("the linear path's inverse", at.t)?;
        Ok(marginal)
    }

    fn through(&self, at: Points<'_>) -> Result<ConditionalPaths, Error> {
        let size = at.check()?;
        check_before_end("the linear path's inverse", at.t)?;
        let (x_t, x1) = (at.x_t.unsqueeze(1), at.x1.unsqueeze(1).unsqueeze(0));
        let s = per_sample(at.t, &x_t);
        let x0 = (x_t - &s * &x1) / (1f64 - s);
        let log_det = (1f64 - at.t).log() * -(size[3..].iter().product::<i64>() as f64);
        Ok(ConditionalPaths { velocity: x1 - &x0, log_det: log_det.view([-1, 1, 1]).expand(&size[..3], false), x0 })
    }
}
