//! The laws of [`VelocityField`], in float64, on perturbed parameters.
//!
//! [`check`] builds the field afresh for every case, moves each of its parameters by normal noise, and checks
//! the laws of its values; [`check_differentiable`] adds those of its derivatives, in forward and in reverse mode. Both
//! report the first broken law in one line, on a case that is shrunk as far as possible.
//!
//! ```
//! use strait_core::{Error, VelocityField, per_sample};
//! use strait_laws::field::check_differentiable;
//! use tch::Tensor;
//!
//! struct Swirl;
//! impl VelocityField for Swirl {
//!     fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
//!         Ok((x * 2.0).sin() * (1f64 + per_sample(t, x)))
//!     }
//! }
//!
//! check_differentiable("swirl", |_, _| Ok(Swirl)).unwrap();
//! ```

use crate::gradient::{self, Leaf};
use crate::samples::{Events, Perturbed};
use crate::suite::{self, hold};
use std::fmt;
use strait_autodiff::{Graph, gradient as gradient_of, jvp, vjp};
use strait_core::{Draws, Error, Parameters, Scope, VelocityField};
use tch::{Device, Kind, Tensor};

/// What every velocity field must satisfy; the last four hold of differentiable ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// The velocity has the shape and kind of x and is finite.
    Shape,
    /// The same points and times give the same velocity, to the bit.
    Repeats,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// With the same parameters and inputs in float32, the velocity is that of float64 within $10^{-3}$.
    SinglePrecision,
    /// A square error that the field has of its own is that of its velocity, with its gradient in every parameter.
    SquareError,
    /// The derivative along the flow by forward mode, $\partial_t v + (\nabla_x v) v$, is the difference of the
    /// velocity along a fine Runge-Kutta path, for every sample and entry.
    MaterialDerivative,
    /// Forward and reverse mode agree: $w \cdot (J \dot x) = (J^\top w) \cdot \dot x$ for every sample.
    Transpose,
    /// Along one random direction in all parameters, the gradient of the velocity is its central difference.
    Gradient,
    /// Along one random direction in all parameters, x and t, the gradient of a tangent is its central difference.
    ThroughTangent,
}

pub use crate::samples::Case;

/// A broken law of a velocity field.
pub type Broken = suite::Broken<Law, Case>;

type Fault = suite::Fault<Law>;

pub(crate) fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

/// Holds a field to the laws of [`VelocityField`], on samples of every small shape.
///
/// `build` makes the field for a case, its parameters in the scope; it is called anew for each case, with the element
/// kind of the scope.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check<F: VelocityField>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<(), Broken> {
    Suite::new(subject).check(build)
}

/// Holds a field to the laws of [`VelocityField`] and of its derivatives.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_differentiable<F: VelocityField>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<(), Broken> {
    Suite::new(subject).check_differentiable(build)
}

/// The suite with settings of its own: for a field on certain shapes only.
#[derive(Debug)]
pub struct Suite<'a> {
    subject: &'a str,
    events: Events,
    cases: u32,
}

impl<'a> Suite<'a> {
    /// Samples of every small shape.
    pub fn new(subject: &'a str) -> Self {
        Self { subject, events: Events::Small, cases: suite::CASES }
    }

    /// Samples of these shapes only.
    #[must_use]
    pub fn events(self, events: &[&[i64]]) -> Self {
        Self { events: Events::Of(events.iter().map(|event| event.to_vec()).collect()), ..self }
    }

    /// This many cases in place of 96, where `PROPTEST_CASES` sets no number.
    #[must_use]
    pub fn cases(self, cases: u32) -> Self {
        Self { cases, ..self }
    }

    /// As [`check`].
    ///
    /// # Errors
    /// The first broken law, on a shrunk case.
    pub fn check<F: VelocityField>(
        &self,
        build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
    ) -> Result<(), Broken> {
        self.run(|case| value_laws(&trial(case, &build)?))
    }

    /// As [`check_differentiable`].
    ///
    /// # Errors
    /// The first broken law, on a shrunk case.
    pub fn check_differentiable<F: VelocityField>(
        &self,
        build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
    ) -> Result<(), Broken> {
        self.run(|case| {
            let trial = trial(case, &build)?;
            value_laws(&trial)?;
            derivative_laws(&trial)
        })
    }

    pub(crate) fn run(&self, examine: impl Fn(&Case) -> Result<(), Fault>) -> Result<(), Broken> {
        suite::run(self.subject, Law::Runs, suite::config(self.cases), &self.events.cases(4), examine)
    }
}

/// A field for a case, the same in single precision, and points and times to try both on.
pub(crate) struct Trial<F> {
    pub(crate) field: F,
    pub(crate) parameters: Parameters,
    single: F,
    pub(crate) x: Tensor,
    pub(crate) t: Tensor,
    /// A tangent and a cotangent.
    pub(crate) directions: [Tensor; 2],
    /// Of the check of gradients.
    pub(crate) draws: Draws,
}

pub(crate) fn trial<F>(
    case: &Case,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<Trial<F>, Fault> {
    let Perturbed { double: field, parameters, single } = Perturbed::new(case, build).map_err(runs)?;
    let mut draws = case.stream().at(0);
    let mut normal = || draws.normal(&case.shape(), Kind::Double, Device::Cpu).map_err(runs);
    let (x, directions) = (normal()?, [normal()?, normal()?]);
    let t = case.stream().at(1).uniform(&[case.batch], Kind::Double, Device::Cpu).map_err(runs)? * 0.9 + 0.05;
    Ok(Trial { field, parameters, single, x, t, directions, draws: case.stream().at(2) })
}

fn value_laws<F: VelocityField>(trial: &Trial<F>) -> Result<(), Fault> {
    let Trial { field, parameters, single, x, t, directions: [target, _], .. } = trial;
    let v = field.velocity(x, t).map_err(runs)?;
    if v.size() != x.size() || v.kind() != x.kind() {
        let detail = format!("the velocity is {:?} {:?} for {:?} {:?}", v.size(), v.kind(), x.size(), x.kind());
        return Err(Fault::new(Law::Shape, detail));
    }
    hold(Law::Shape, "the velocity", &v, &v.detach(), 0.0)?; // off by infinity where it is not finite
    hold(Law::Repeats, "the velocity asked again", &field.velocity(x, t).map_err(runs)?, &v, 0.0)?;
    for i in 0..x.size()[0] {
        let row = |x: &Tensor| x.narrow(0, i, 1);
        let alone = field.velocity(&row(x), &row(t)).map_err(runs)?;
        hold(Law::BatchSplit, "a velocity alone", &alone, &row(&v), 1e-12)?;
    }
    let float = |x: &Tensor| x.to_kind(Kind::Float);
    let in_single = single.velocity(&float(x), &float(t)).map_err(runs)?;
    if in_single.kind() != Kind::Float {
        let detail = format!("the velocity of float32 is {:?}", in_single.kind());
        return Err(Fault::new(Law::SinglePrecision, detail));
    }
    hold(Law::SinglePrecision, "the velocity in float32", &in_single.to_kind(Kind::Double), &v, 1e-3)?;
    let own = field.square_error(x, t, target).map_err(runs)?;
    own.map_or(Ok(()), |own| hold_square_error(Law::SquareError, &own, (&v, target), parameters))
}

/// A model's own square error and its gradient beside those of the distance of its value to a target.
pub(crate) fn hold_square_error<L: Copy>(
    law: L,
    own: &Tensor,
    (value, target): (&Tensor, &Tensor),
    parameters: &Parameters,
) -> Result<(), suite::Fault<L>> {
    let fault = |error: strait_autodiff::AutodiffError| suite::Fault::new(law, error.to_string());
    let error = strait_core::sum_per_sample(&(value - target).square()).mean(Kind::Double);
    hold(law, "the square error", own, &error, 1e-12)?;
    if !error.requires_grad() {
        return Ok(());
    }
    let own = gradient_of(own, parameters.tensors(), Graph::Free).map_err(fault)?;
    let theirs = gradient_of(&error, parameters.tensors(), Graph::Keep).map_err(fault)?;
    own.iter().zip(&theirs).try_for_each(|(a, b)| hold(law, "the square error's gradient", a, b, 1e-11))
}

fn derivative_laws<F: VelocityField>(trial: &Trial<F>) -> Result<(), Fault> {
    let Trial { field, parameters, x, t, directions: [tangent, cotangent], draws, .. } = trial;
    let push = |x: &Tensor, t: &Tensor, dx: &Tensor, dt: &Tensor| -> Result<Tensor, Fault> {
        let inputs = [x.shallow_clone(), t.shallow_clone()];
        let tangents = [dx.shallow_clone(), dt.shallow_clone()];
        let moved = jvp(|at| Ok::<_, Error>(vec![field.velocity(&at[0], &at[1])?]), &inputs, &tangents);
        Ok(moved.map_err(runs)?.remove(0).tangent)
    };
    let v = field.velocity(x, t).map_err(runs)?;
    let exact = push(x, t, &v.detach(), &t.ones_like())?;
    let h = 2e-5;
    let along = |by: f64| {
        let moved = tch::no_grad(|| runge_kutta(field, x, t, by))?;
        field.velocity(&moved, &(t + by)).map_err(runs)
    };
    let numeric = ((along(h)? - along(-h)?) * 8.0 - (along(2.0 * h)? - along(-2.0 * h)?)) / (12.0 * h);
    hold(Law::MaterialDerivative, "the derivative along the flow", &exact, &numeric, 1e-5)?;

    let forward = push(x, t, tangent, &t.zeros_like())?;
    let leaf = x.detach().set_requires_grad(true);
    let v = field.velocity(&leaf, t).map_err(runs)?;
    let back = if v.requires_grad() {
        vjp(&[v], &[cotangent.shallow_clone()], &[leaf], Graph::Free).map_err(runs)?.remove(0)
    } else {
        cotangent.zeros_like()
    };
    let inner = |a: &Tensor, b: &Tensor| strait_core::sum_per_sample(&(a * b));
    hold(Law::Transpose, "the pull-back", &inner(&back, tangent), &inner(cotangent, &forward), 1e-9)?;

    let leaves: Vec<_> = Leaf::parameters(parameters).collect();
    let velocity = || Ok(vec![field.velocity(x, t)?]);
    gradient::hold(Law::Gradient, "the velocity", &leaves, &mut draws.clone(), velocity)
}

/// One classical Runge-Kutta step.
fn runge_kutta(field: &impl VelocityField, x: &Tensor, t: &Tensor, h: f64) -> Result<Tensor, Fault> {
    let v = |x: &Tensor, by: f64| field.velocity(x, &(t + by)).map_err(runs);
    let a = v(x, 0.0)?;
    let b = v(&(x + &a * (h / 2.0)), h / 2.0)?;
    let c = v(&(x + &b * (h / 2.0)), h / 2.0)?;
    let d = v(&(x + &c * h), h)?;
    Ok(x + (a + b * 2.0 + c * 2.0 + d) * (h / 6.0))
}
