//! Step size control: the size of the next step.

use strait_core::{Error, event_size, sum_per_sample};
use tch::{Kind, Tensor};

/// Whether all samples share one step, or each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Control {
    /// One step size for the samples carried together, by their common root mean square error. Fewest evaluations
    /// of the field when samples are alike; a result depends on the samples beside it.
    #[default]
    Batch,
    /// A step size for each sample, by its own error. A result does not depend on the samples beside it, and each
    /// keeps to the tolerance; those that have arrived are dropped whenever they are half of those carried.
    Sample,
}

const SAFETY: f64 = 0.9;
const SHRINK: f64 = 0.2;
const GROW: f64 = 10.0;
/// The part of the previous error in the choice ("PI" control; Hairer, Norsett and Wanner, IV.2).
const BETA: f64 = 0.04;
/// The error that is assumed before the first step, and the least that is remembered.
const LEAST: f64 = 1e-4;

/// Tolerances and what they ask of a step. Step sizes, times and errors are (B,), in float64.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Controller {
    pub(crate) rtol: f64,
    pub(crate) atol: f64,
    pub(crate) control: Control,
}

impl Controller {
    /// The root mean square of `y` in units of the tolerance at `x`, `atol + rtol |x|`. Where that is 0, a `y` of 0 is
    /// within it and no other.
    pub(crate) fn norm(&self, y: &Tensor, x: &Tensor) -> Result<Tensor, Error> {
        let scale = x.f_abs()?.f_mul_scalar(self.rtol)?.f_add_scalar(self.atol)?;
        let scale = scale.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
        let squares = y.f_div(&scale)?.f_square()?;
        let mean = sum_per_sample(&squares).f_to_kind(Kind::Double)?.f_div_scalar(event_size(x).max(1))?;
        match self.control {
            Control::Sample => Ok(mean.f_sqrt()?),
            Control::Batch => Ok(mean.f_mean(Kind::Double)?.f_sqrt()?.f_expand_as(&mean)?),
        }
    }

    /// A first step from `least` to `span` (Hairer, Norsett and Wanner, II.4), from the state, its slope, and the slope
    /// after an Euler step, which `slope_after` finds.
    pub(crate) fn first_step(
        &self,
        x: &Tensor,
        slope: &Tensor,
        (least, span): (f64, f64),
        slope_after: impl FnOnce(&Tensor) -> Result<Tensor, Error>,
    ) -> Result<Tensor, Error> {
        let (size, speed) = (self.norm(x, x)?, self.norm(slope, x)?);
        let tiny = size.lt(1e-5).logical_or(&speed.lt(1e-5));
        let euler = (size / &speed * 0.01).masked_fill(&tiny, 1e-6).clamp(least, span);
        let change = slope_after(&euler)?.f_sub(slope)?;
        let fastest = (self.norm(&change, x)? / &euler).maximum(&speed);
        let by_change = (fastest.reciprocal() * 0.01).pow_tensor_scalar(0.2);
        let guess = (&euler * 1e-3).clamp_min(1e-6);
        let step = by_change.where_self(&fastest.gt(1e-15), &guess).minimum(&(&euler * 100.0));
        // Near the origin, and without a tolerance there, the guess may be far below what a step can be.
        Ok(step.where_self(&step.isfinite(), &euler).clamp(least, span))
    }

    /// The next step size after one of size `h` with error `error`: grown or shrunk where it was accepted, shrunk
    /// where not, by the smallest factor where the error is not a number.
    pub(crate) fn next_step(&self, h: &Tensor, error: &Tensor, previous: &Tensor) -> Tensor {
        let wanted = error.pow_tensor_scalar(BETA * 0.75 - 0.2) * SAFETY;
        let grown = (&wanted * previous.pow_tensor_scalar(BETA)).clamp(SHRINK, GROW);
        let shrunk = wanted.nan_to_num(SHRINK, SHRINK, SHRINK).clamp(SHRINK, 1.0);
        h * grown.where_self(&error.le(1.0), &shrunk)
    }

    /// The error to remember before the first step.
    pub(crate) fn no_error(like: &Tensor) -> Tensor {
        like.full_like(LEAST)
    }

    /// The error to remember after a step.
    pub(crate) fn remember(error: &Tensor, previous: &Tensor, accepted: &Tensor) -> Tensor {
        error.clamp_min(LEAST).where_self(accepted, previous)
    }
}
