//! Named distributions with exact samplers and, where there is a closed form, exact log-densities.
//!
//! Data sets that go by one name differ from paper to paper, and so do the distances measured on them. Every toy here
//! therefore takes its parameters in the open, and [`Toy::name`] states them in full.

mod checkerboard;
mod gaussian;
mod mixture;
mod moons;
mod pinwheel;
mod rings;
mod s_curve;
mod two_spirals;

pub use checkerboard::Checkerboard;
pub use gaussian::Gaussian;
pub use mixture::Mixture;
pub use moons::Moons;
pub use pinwheel::Pinwheel;
pub use rings::Rings;
pub use s_curve::SCurve;
pub use two_spirals::TwoSpirals;

use crate::DataError;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// A distribution with a name that states its variant in full, such as `8gaussians (8 centres, radius 5, sd 1)`.
pub trait Toy: Source {
    /// The name with every parameter.
    fn name(&self) -> &str;

    /// How many classes its points have: its modes, arms or circles; None where it is of one piece.
    fn classes(&self) -> Option<i64> {
        None
    }

    /// The points of [`Source::sample`] of the same draws, with the class of each, (n,) of 64-bit integers: all 0 where there
    /// are no classes.
    ///
    /// # Errors
    /// As there.
    fn sample_classes(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<(Tensor, Tensor), Error> {
        Ok((self.sample(n, draws, kind, device)?, Tensor::f_zeros([n], (Kind::Int64, device))?))
    }
}

/// $\log 2\pi$.
const LOG_2_PI: f64 = 1.837_877_066_409_345_6;

/// Refuses an x that is not a batch of samples of shape `event`.
fn check_event(x: &Tensor, event: &[i64]) -> Result<(), Error> {
    let found = x.size();
    if found.is_empty() || found[1..] != *event {
        return Err(Error::Shape { what: "x", expected: format!("a batch of {event:?}"), found });
    }
    Ok(())
}

/// $\log \sum_k e^{a_{ik}}$ over the last dimension, from operations whose forward derivative has a gradient.
fn log_sum_exp(a: &Tensor) -> Result<Tensor, Error> {
    let top = a.f_detach()?.f_amax([-1i64].as_slice(), true)?;
    // Of nothing but zeros the sum is zero.
    let top = top.f_masked_fill(&top.f_eq(f64::NEG_INFINITY)?, 0.0)?;
    let sum = a.f_sub(&top)?.f_exp()?.f_sum_dim_intlist([-1i64].as_slice(), false, a.kind())?;
    Ok(sum.f_log()?.f_add(&top.f_squeeze_dim(-1)?)?)
}

/// Two coordinates side by side, (n,) and (n,) to (n, 2).
fn planar(x: &Tensor, y: &Tensor) -> Result<Tensor, Error> {
    Ok(Tensor::f_stack(&[x, y], 1)?)
}

fn positive(toy: &'static str, parameter: &'static str, value: f64) -> Result<(), DataError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(DataError::Parameter { of: toy, parameter, value: value.to_string(), must: "a positive number" })
}

fn not_negative(toy: &'static str, parameter: &'static str, value: f64) -> Result<(), DataError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(DataError::Parameter { of: toy, parameter, value: value.to_string(), must: "a number that is not negative" })
}

fn finite(toy: &'static str, parameter: &'static str, value: f64) -> Result<(), DataError> {
    if value.is_finite() {
        return Ok(());
    }
    Err(DataError::Parameter { of: toy, parameter, value: value.to_string(), must: "finite" })
}

/// Adds `sd` times standard normal noise in place of a fresh (n, 2) tensor.
fn with_noise(x: Tensor, sd: f64, draws: &mut Draws) -> Result<Tensor, Error> {
    let noise = draws.normal(&x.size(), x.kind(), x.device())?;
    Ok(x + noise * sd)
}

/// Fair coin flips, (n,) of 0 and 1.
fn coin(n: i64, draws: &mut Draws, device: Device) -> Result<Tensor, Error> {
    draws.integers(2, &[n], device)
}
