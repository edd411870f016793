use crate::linear::check;
use std::f64::consts::FRAC_PI_2;
use strait_autodiff::{Jet, Order};
use strait_core::{Error, Interpolant, Inverted, InvertibleInterpolant, PathCurve, PathSample, event_size, per_sample};
use tch::{Kind, Tensor};

/// Scheduled paths $x_t = a(t)x_0 + b(t)x_1$ (Albergo and Vanden-Eijnden, arXiv 2209.15571) with $a(0) = b(1) = 1$ and
/// $a(1) = b(0) = 0$.
///
/// ```
/// use strait_core::Interpolant;
/// use tch::Tensor;
/// let (x0, x1) = (Tensor::from_slice2(&[[1.0f64, 0.0]]), Tensor::from_slice2(&[[0.0f64, 1.0]]));
/// let sample = strait_paths::Schedule::Trigonometric.at(&x0, &x1, &Tensor::from_slice(&[0.5f64]))?;
/// assert!((sample.x_t.double_value(&[0, 0]) - 0.5f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// $a = \cos(\pi t/2),\ b = \sin(\pi t/2)$: $a^2 + b^2 = 1$ keeps the variance of independent unit-variance pairs.
    Trigonometric,
    /// $a = (1-t)^p,\ b = 1-(1-t)^p$: the linear path re-timed, slower at the end for $p > 1$. p is at least 1.
    Power(f64),
}

impl Schedule {
    /// $(a, b)$ with derivatives in t, each (B, 1, ...).
    fn weights(self, t: &Tensor, order: Order) -> Result<(Jet, Jet), Error> {
        match self {
            Self::Trigonometric => {
                let angle = Jet::variable(t, order).scale(FRAC_PI_2);
                // cos(pi/2) and sin(pi/2) in floating point miss 0 and 1; both ends are set exactly.
                let (start, end) = (t.eq(0.0), t.eq(1.0));
                let pin = |jet: Jet, at: &Tensor| {
                    let zero = at.logical_not();
                    jet.map(|v| v * &zero, Tensor::shallow_clone)
                };
                Ok((pin(angle.cos(), &end), pin(angle.sin(), &start)))
            }
            Self::Power(p) if p >= 1.0 => {
                let rest = 1f64 - t;
                let power = |q: f64| rest.f_pow_tensor_scalar(q);
                let first = power(p - 1.0)? * -p;
                let second = match order {
                    Order::Second if p == 1.0 => Some(t.zeros_like()),
                    // Below p = 2 the second derivative grows without bound at t = 1.
                    Order::Second => Some(power(p - 2.0)? * (p * (p - 1.0))),
                    _ => None,
                };
                let a = Jet::with_derivatives(power(p)?, first, second);
                let b = a.map(|v| 1.0 - v, Tensor::neg);
                Ok((a, b))
            }
            Self::Power(p) => Err(Error::Time { what: "a power schedule", t: p, domain: "its power is at least 1" }),
        }
    }

    fn jet(self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        check(x0, x1, t)?;
        let (a, b) = self.weights(&per_sample(t, x0), order)?;
        Ok(a.times(&Jet::constant(x0)).plus(&b.times(&Jet::constant(x1))))
    }
}

impl Interpolant for Schedule {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let jet = self.jet(x0, x1, t, Order::First)?;
        Ok(PathSample { velocity: jet.first(), x_t: jet.value().shallow_clone() })
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let jet = self.jet(x0, x1, t, Order::Second)?;
        Ok(PathCurve { velocity: jet.first(), acceleration: jet.second(), x_t: jet.value().shallow_clone() })
    }
}

impl InvertibleInterpolant for Schedule {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        check(x_t, x1, t)?;
        let (a, b) = self.weights(&per_sample(t, x_t), Order::Value)?;
        let least = a.value().f_min()?.f_to_kind(Kind::Double)?.double_value(&[]);
        if least <= 0.0 {
            let what = "the scheduled path's inverse";
            return Err(Error::Time { what, t: 1.0, domain: "a path is invertible in x0 for t < 1" });
        }
        let log_det = a.value().log().flatten(0, -1) * -(event_size(x_t) as f64);
        Ok(Inverted { x0: (x_t - b.value() * x1) / a.value(), log_det })
    }
}
