use crate::by_jet::by_jet;
use crate::linear::check;
use crate::monotone::Monotone;
use crate::scheduled_marginal;
use std::f64::consts::FRAC_PI_2;
use strait_autodiff::{Jet, Order};
use strait_core::{
    ConditionalPaths, Error, Interpolant, Inverted, InvertibleInterpolant, Marginal, PathCurve, PathSample, Points,
    Source, event_size, per_sample,
};
use tch::{Kind, Tensor};

/// Scheduled paths $x_t = a(t)x_0 + b(t)x_1$ (Albergo and Vanden-Eijnden, arXiv 2209.15571) with $a(0) = b(1) = 1$ and
/// $a(1) = b(0) = 0$.
///
/// A schedule is the same for every sample, so it cannot change where the flow ends or bend a path: it re-times it.
///
/// ```
/// use strait_core::Interpolant;
/// use tch::Tensor;
/// let (x0, x1) = (Tensor::from_slice2(&[[1.0f64, 0.0]]), Tensor::from_slice2(&[[0.0f64, 1.0]]));
/// let sample = strait_paths::Schedule::Trigonometric.at(&x0, &x1, &Tensor::from_slice(&[0.5f64]))?;
/// assert!((sample.x_t.double_value(&[0, 0]) - 0.5f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub enum Schedule {
    /// $a = \cos(\pi t/2),\ b = \sin(\pi t/2)$: $a^2 + b^2 = 1$ keeps the variance of independent unit-variance pairs.
    Trigonometric,
    /// The trigonometric path re-timed by $1 - (1-t)^4(1+4t)$, whose rate is $20 t(1-t)^3$: at rest at both endpoints, $u = 0$
    /// at $t = 0$ and at $t = 1$, and nearly so over the last quarter.
    Resting,
    /// The variance-preserving diffusion (Song et al., arXiv 2011.13456) run from noise to data, its rate growing
    /// linearly from 0 at the data to $\beta$ at the noise:
    ///
    /// $$ b(t) = \frac{e^{-\beta(1-t)^2/4} - e^{-\beta/4}}{1 - e^{-\beta/4}}, \qquad a = \sqrt{1 - b^2} $$
    ///
    /// The diffusion itself leaves $e^{-\beta/4}$ of the data in the noise (0.7 per cent at $\beta = 20$) and a rate
    /// above 0 at the data makes the velocity infinite there; here both endpoints are exact, and all is smooth on [0, 1).
    VariancePreserving {
        /// $\beta$, above 0.
        beta: f64,
    },
    /// $a = (1-t)^p,\ b = 1-(1-t)^p$: the linear path re-timed, slower at the end for $p > 1$. p is at least 1.
    Power(f64),
    /// Learned: $a = 1 - h(t),\ b = g(t)$ with monotone g and h.
    Monotone(Monotone),
}

/// $a(t)$ and $b(t)$ with derivatives.
type Weights = (Jet, Jet);

impl Schedule {
    /// $(a, b)$ with derivatives in t, of the shape of t, (B,).
    fn weights(&self, t: &Tensor, order: Order) -> Result<Weights, Error> {
        match self {
            Self::Trigonometric => {
                let angle = Jet::variable(t, order).scale(FRAC_PI_2);
                Ok(pinned(&angle.cos(), &angle.sin(), t))
            }
            Self::Resting => {
                // By what is left of the angle a keeps its digits as it vanishes.
                let rest = Jet::variable(t, order).map(|t| 1f64 - t, Tensor::neg);
                let square = rest.times(&rest);
                let left = square.times(&square).times(&rest.map(|rest| 5f64 - rest * 4.0, |rest| rest * -4.0));
                let angle = left.scale(FRAC_PI_2);
                Ok(pinned(&angle.sin(), &angle.cos(), t))
            }
            Self::VariancePreserving { beta } if *beta > 0.0 && beta.is_finite() => {
                let c = beta / 4.0;
                let left = -(-c).exp_m1(); // 1 - e^{-c}
                let rest = Jet::variable(t, order).map(|t| 1f64 - t, Tensor::neg);
                // 1 - b = (1 - e^{-c r^2}) / (1 - e^{-c}) = r^2 q, so that a = r sqrt(q (1 + b)) has no root of 0.
                let q = decay(&rest.times(&rest).scale(c)).scale(c / left);
                let b = rest.times(&rest).times(&q).map(|v| 1f64 - v, Tensor::neg);
                let a = rest.times(&q.times(&b.map(|v| v + 1f64, Tensor::shallow_clone)).sqrt());
                Ok(pinned(&a, &b, t))
            }
            Self::VariancePreserving { beta } => setting("beta of a variance-preserving schedule", *beta, "above 0"),
            Self::Power(p) if *p >= 1.0 && p.is_finite() => {
                let rest = 1f64 - t;
                let power = |q: f64| rest.f_pow_tensor_scalar(q);
                let first = power(p - 1.0)? * -p;
                let second = match order {
                    Order::Second if *p == 1.0 => Some(t.zeros_like()),
                    // Below p = 2 the second derivative grows without bound at t = 1.
                    Order::Second => Some(power(p - 2.0)? * (p * (p - 1.0))),
                    _ => None,
                };
                let a = Jet::with_derivatives(power(*p)?, first, second);
                let b = a.map(|v| 1.0 - v, Tensor::neg);
                Ok((a, b))
            }
            Self::Power(p) => setting("the power of a power schedule", *p, "at least 1"),
            Self::Monotone(learned) => Ok(learned.weights(t, order)),
        }
    }

    fn jet(&self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        check(x0, x1, t)?;
        Ok(mix(&self.weights(t, order)?, x0, x1))
    }
}

fn setting(what: &'static str, value: f64, must: &'static str) -> Result<Weights, Error> {
    Err(Error::Setting { what, value, must })
}

/// The weights with their values at both endpoints set exactly: floating point misses them.
fn pinned(a: &Jet, b: &Jet, t: &Tensor) -> Weights {
    let (start, end) = (t.eq(0.0), t.eq(1.0));
    let pin = |jet: &Jet, one: &Tensor, zero: &Tensor| {
        jet.map(|v| v.masked_fill(one, 1.0).masked_fill(zero, 0.0), Tensor::shallow_clone)
    };
    (pin(a, &start, &end), pin(b, &end, &start))
}

/// $(1 - e^{-z}) / z$ for $z \ge 0$: by its power series near 0.
fn decay(z: &Jet) -> Jet {
    const NEAR: f64 = 0.5;
    const TERMS: i32 = 13;
    let value = z.value();
    let near = value.lt(NEAR);
    let (small, large) = (value.clamp_max(NEAR), value.clamp_min(NEAR));
    // The k-th derivative of sum_n (-z)^n / (n + 1)!, by Horner's rule.
    let series = |k: i32| {
        let coefficient = |n: i32| {
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            let falling: f64 = (0..k).map(|i| f64::from(n - i)).product();
            let factorial: f64 = (1..=n + 1).map(f64::from).product();
            sign * falling / factorial
        };
        (k..TERMS).rev().fold(small.zeros_like(), |sum, n| sum * &small + coefficient(n))
    };
    let fall = large.neg().exp();
    let closed = (1f64 - &fall) / &large;
    let closed_first = (&fall - &closed) / &large;
    let pick = |k, closed: &Tensor| series(k).where_self(&near, closed);
    let first = pick(1, &closed_first);
    z.compose(pick(0, &closed), || first, |_| pick(2, &((&fall + &closed_first * 2.0) / &large).neg()))
}

/// $a x_0 + b x_1$ with weights for each sample.
fn mix((a, b): &Weights, x0: &Tensor, x1: &Tensor) -> Jet {
    let weight = |w: &Jet, x| w.view(|w| per_sample(w, x)).times(&Jet::constant(x));
    weight(a, x0).plus(&weight(b, x1))
}

/// Refuses weights of $x_0$ that vanish. It waits for the device.
fn check_positive(a: &Tensor) -> Result<(), Error> {
    if a.numel() == 0 {
        return Ok(());
    }
    let least = a.f_min()?.f_to_kind(Kind::Double)?.double_value(&[]);
    if least > 0.0 {
        return Ok(());
    }
    let what = "the scheduled path's inverse";
    Err(Error::Time { what, t: 1.0, domain: "a path is invertible in x0 for t < 1" })
}

impl Interpolant for Schedule {
    by_jet!();

    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        Some(self)
    }
}

impl InvertibleInterpolant for Schedule {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        check(x_t, x1, t)?;
        let (a, b) = self.weights(t, Order::Value)?;
        check_positive(a.value())?;
        let log_det = a.value().log() * -(event_size(x_t) as f64);
        let (a, b) = (per_sample(a.value(), x_t), per_sample(b.value(), x_t));
        Ok(Inverted { x0: (x_t - b * x1) / a, log_det })
    }

    fn marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Marginal, Error> {
        let (a, b) = self.weights(at.t, Order::First)?;
        let Some(marginal) = scheduled_marginal::marginal(source, at, (&a, &b))? else {
            return self.through(at)?.marginal(source);
        };
        check_positive(a.value())?;
        Ok(marginal)
    }

    fn through(&self, at: Points<'_>) -> Result<ConditionalPaths, Error> {
        let size = at.check()?;
        let (a, b) = self.weights(at.t, Order::First)?;
        check_positive(a.value())?;
        let (x_t, x1) = (at.x_t.unsqueeze(1), at.x1.unsqueeze(1).unsqueeze(0));
        let wide = |w: &Tensor| per_sample(w, &x_t);
        let x0 = (&x_t - wide(b.value()) * &x1) / wide(a.value());
        let velocity = wide(&a.first()) * &x0 + wide(&b.first()) * x1;
        let log_det = a.value().log() * -(size[3..].iter().product::<i64>() as f64);
        Ok(ConditionalPaths { x0, log_det: log_det.view([-1, 1, 1]).expand(&size[..3], false), velocity })
    }
}
