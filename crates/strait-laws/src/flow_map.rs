//! The laws of [`FlowMap`], in float64, on perturbed parameters.
//!
//! [`check`] builds the map afresh for every case, moves each of its parameters by normal noise, and checks the laws of
//! any map, trained or not; [`check_exact`] adds those that hold only for the exact flow map of its own field. Both
//! report the first broken law in one line, on a case that is shrunk as far as possible.
//!
//! ```
//! use strait_core::{Error, FlowMap, VelocityField, per_sample};
//! use strait_laws::flow_map::check_exact;
//! use tch::Tensor;
//!
//! struct Drift; // v(x, t) = 2t, whose average between s and t is s + t
//! impl VelocityField for Drift {
//!     fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
//!         Ok((per_sample(t, x) * 2.0).expand_as(x))
//!     }
//!     fn as_flow_map(&self) -> Option<&dyn FlowMap> {
//!         Some(self)
//!     }
//! }
//! impl FlowMap for Drift {
//!     fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
//!         Ok(per_sample(&(s + t), x).expand_as(x))
//!     }
//! }
//!
//! check_exact("drift", |_, _| Ok(Drift)).unwrap();
//! ```

use crate::field::hold_square_error;
use crate::gradient::{self, Leaf};
use crate::samples::{Events, Perturbed};
use crate::suite::{self, hold};
use std::fmt;
use strait_autodiff::{Jet, Order};
use strait_core::{Draws, Error, FlowMap, MapBatch, MapIdentity, Parameters, Scope, per_sample};
use tch::{Device, Kind, Tensor};

/// What every flow map must satisfy; the last three hold of the map of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// The average velocity has the shape and kind of x and is finite.
    Shape,
    /// The same points and times give the same average velocity, to the bit.
    Repeats,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// With the same parameters and inputs in float32, it is that of float64 within $10^{-3}$.
    SinglePrecision,
    /// A square error that the map has of its own is that of its average velocity, with its gradient in every parameter.
    SquareError,
    /// Its own square error of an identity is that of the identity composed of jets, with its gradient in every parameter: on
    /// the diagonal it is that of flow matching, and the gradient is stopped at the right side.
    IdentityError,
    /// As a field it says that it is a flow map, and of the same average velocity.
    Named,
    /// $v(x, t) = u(x, t, t)$.
    Diagonal,
    /// $X_{s,t}(x) = x + (t - s) u(x, s, t)$.
    Carry,
    /// $X_{s,s}(x) = x$, to the bit.
    Identity,
    /// The jet's value is u, and its derivative in t at fixed x and s is that of u by differences.
    EndDerivative,
    /// The jet's derivative along a direction in x and s, at fixed t, is that of u by differences.
    StartDerivative,
    /// The gradient of both derivatives in the parameters is their difference.
    Gradient,
    /// $\partial_t X_{s,t}(x) = v(X_{s,t}(x), t)$.
    Lagrangian,
    /// $\partial_s X_{s,t}(x) + \nabla X_{s,t}(x) v(x, s) = 0$.
    Eulerian,
    /// $X_{t,r}(X_{s,t}(x)) = X_{s,r}(x)$.
    Semigroup,
}

pub use crate::samples::Case;

/// A broken law of a flow map.
pub type Broken = suite::Broken<Law, Case>;

type Fault = suite::Fault<Law>;

fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

/// Holds a map to the laws of any [`FlowMap`], on samples of every small shape.
///
/// `build` makes the map for a case, its parameters in the scope; it is called anew for each case, with the element kind
/// of the scope.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check<M: FlowMap>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<M, Error>,
) -> Result<(), Broken> {
    run(subject, |case| laws(&trial(case, &build)?))
}

/// Holds a map to the laws of any [`FlowMap`] and to those of the map of its own field.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_exact<M: FlowMap>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<M, Error>,
) -> Result<(), Broken> {
    run(subject, |case| {
        let trial = trial(case, &build)?;
        laws(&trial)?;
        exact_laws(&trial)
    })
}

fn run(subject: &str, examine: impl Fn(&Case) -> Result<(), Fault>) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(suite::CASES), &Events::Small.cases(4), examine)
}

/// A map for a case, the same in single precision, and points and times to try both on.
struct Trial<M> {
    map: M,
    parameters: Parameters,
    single: M,
    x: Tensor,
    /// Three times in order.
    s: Tensor,
    t: Tensor,
    r: Tensor,
    /// A tangent at x.
    dx: Tensor,
    /// Of the check of gradients.
    draws: Draws,
}

fn trial<M>(case: &Case, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<M, Error>) -> Result<Trial<M>, Fault> {
    let Perturbed { double: map, parameters, single } = Perturbed::new(case, build).map_err(runs)?;
    let mut draws = case.stream().at(0);
    let mut normal = || draws.normal(&case.shape(), Kind::Double, Device::Cpu).map_err(runs);
    let (x, dx) = (normal()?, normal()?);
    let times = case.stream().at(1).uniform(&[3, case.batch], Kind::Double, Device::Cpu).map_err(runs)?;
    let (times, _) = (times * 0.9 + 0.05).sort(0, false);
    let [s, t, r] = [0, 1, 2].map(|i| times.get(i));
    Ok(Trial { map, parameters, single, x, s, t, r, dx, draws: case.stream().at(2) })
}

impl<M: FlowMap> Trial<M> {
    fn u(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Fault> {
        self.map.average_velocity(x, s, t).map_err(runs)
    }

    /// The jet in t alone.
    fn in_end(&self) -> Result<Jet, Error> {
        let end = Jet::variable(&self.t, Order::First);
        self.map.average_velocity_jet(&Jet::constant(&self.x), &Jet::constant(&self.s), &end)
    }

    /// The jet along (dx, 1) in x and s.
    fn in_start(&self, dx: &Tensor) -> Result<Jet, Error> {
        let along = Jet::with_derivatives(self.x.shallow_clone(), dx.shallow_clone(), None);
        self.map.average_velocity_jet(&along, &Jet::variable(&self.s, Order::First), &Jet::constant(&self.t))
    }
}

fn laws<M: FlowMap>(trial: &Trial<M>) -> Result<(), Fault> {
    value_laws(trial)?;
    let Trial { map, x, s, t, .. } = trial;
    let u = trial.u(x, s, t)?;
    let named = map.as_flow_map().ok_or_else(|| Fault::new(Law::Named, "as a field it is no flow map"))?;
    hold(Law::Named, "the average velocity", &named.average_velocity(x, s, t).map_err(runs)?, &u, 0.0)?;
    hold(Law::Diagonal, "the velocity", &map.velocity(x, t).map_err(runs)?, &trial.u(x, t, t)?, 1e-12)?;
    let carried = map.carry(x, s, t).map_err(runs)?;
    hold(Law::Carry, "where it carries", &carried, &(x + per_sample(&(t - s), x) * u), 1e-12)?;
    hold(Law::Identity, "where it carries in no time", &map.carry(x, s, s).map_err(runs)?, x, 0.0)?;
    derivative_laws(trial)?;
    identity_laws(trial)
}

fn value_laws<M: FlowMap>(trial: &Trial<M>) -> Result<(), Fault> {
    let Trial { map, parameters, single, x, s, t, dx: target, .. } = trial;
    let u = trial.u(x, s, t)?;
    if u.size() != x.size() || u.kind() != x.kind() {
        let detail = format!("the average velocity is {:?} {:?} for {:?} {:?}", u.size(), u.kind(), x.size(), x.kind());
        return Err(Fault::new(Law::Shape, detail));
    }
    hold(Law::Shape, "the average velocity", &u, &u.detach(), 0.0)?; // off by infinity where it is not finite
    hold(Law::Repeats, "the average velocity asked again", &trial.u(x, s, t)?, &u, 0.0)?;
    for i in 0..x.size()[0] {
        let row = |x: &Tensor| x.narrow(0, i, 1);
        hold(Law::BatchSplit, "one alone", &trial.u(&row(x), &row(s), &row(t))?, &row(&u), 1e-12)?;
    }
    let float = |x: &Tensor| x.to_kind(Kind::Float);
    let in_single = single.average_velocity(&float(x), &float(s), &float(t)).map_err(runs)?;
    if in_single.kind() != Kind::Float {
        let detail = format!("the average velocity of float32 is {:?}", in_single.kind());
        return Err(Fault::new(Law::SinglePrecision, detail));
    }
    hold(Law::SinglePrecision, "the average velocity in float32", &in_single.to_kind(Kind::Double), &u, 1e-3)?;
    let own = map.average_square_error(x, s, t, target).map_err(runs)?;
    let Some(own) = own else { return Ok(()) };
    let each = strait_core::sum_per_sample(&(&u - target).square());
    hold(Law::SquareError, "the square error of each sample", &own.of_each, &each.detach(), 1e-12)?;
    hold_square_error(Law::SquareError, &own.mean, (&u, target), parameters)
}

/// A map's own error of each identity, of half of the samples off the diagonal and of all.
fn identity_laws<M: FlowMap>(trial: &Trial<M>) -> Result<(), Fault> {
    let Trial { map, parameters, x, s, t, dx: velocity, .. } = trial;
    let count = x.size()[0];
    for (identity, off) in [MapIdentity::MeanFlow, MapIdentity::Lagrangian]
        .into_iter()
        .flat_map(|identity| [count.div_euclid(2).max(1), count].map(|off| (identity, off)))
    {
        let t = Tensor::cat(&[s.narrow(0, 0, count - off), t.narrow(0, count - off, off)], 0);
        let batch = MapBatch { x, velocity, s, t: &t, off };
        let Some(own) = map.identity_error(identity, &batch).map_err(runs)? else { continue };
        let (left, right) = composed(map, identity, &batch).map_err(runs)?;
        let each = strait_core::sum_per_sample(&(&left - &right).square());
        hold(Law::IdentityError, "the square error of each sample", &own.of_each, &each.detach(), 1e-11)?;
        hold_square_error(Law::IdentityError, &own.mean, (&left, &right), parameters)?;
    }
    Ok(())
}

/// The two sides of an identity, and of flow matching on the diagonal.
fn composed<M: FlowMap>(map: &M, identity: MapIdentity, batch: &MapBatch<'_>) -> Result<(Tensor, Tensor), Error> {
    let MapBatch { x, velocity, s, t, off } = *batch;
    let h = per_sample(&(t - s), x);
    Ok(match identity {
        MapIdentity::MeanFlow => {
            let along = Jet::with_derivatives(x.shallow_clone(), velocity.shallow_clone(), None);
            let u = map.average_velocity_jet(&along, &Jet::variable(s, Order::First), &Jet::constant(t))?;
            (map.average_velocity(x, s, t)?, velocity + h * u.first().detach())
        }
        MapIdentity::Lagrangian => {
            let u = map.average_velocity_jet(&Jet::constant(x), &Jet::constant(s), &Jet::variable(t, Order::First))?;
            let taught = map.velocity(&(x + &h * u.value()), t)?.detach();
            let on = x.size()[0] - off;
            let right = Tensor::cat(&[velocity.narrow(0, 0, on), taught.narrow(0, on, off)], 0);
            (u.value() + h * u.first(), right)
        }
    })
}

/// Of the fourth order, by a function of the step.
fn difference(f: impl Fn(f64) -> Result<Tensor, Fault>) -> Result<Tensor, Fault> {
    let h = 1e-4;
    Ok(((f(h)? - f(-h)?) * 8.0 - (f(2.0 * h)? - f(-2.0 * h)?)) / (12.0 * h))
}

fn derivative_laws<M: FlowMap>(trial: &Trial<M>) -> Result<(), Fault> {
    let Trial { parameters, x, s, t, dx, draws, .. } = trial;
    let u = trial.u(x, s, t)?;
    let (end, start) = (trial.in_end().map_err(runs)?, trial.in_start(dx).map_err(runs)?);
    hold(Law::EndDerivative, "the jet's value", end.value(), &u, 1e-12)?;
    let wanted = difference(|by| trial.u(x, s, &(t + by)))?;
    hold(Law::EndDerivative, "the derivative in t", &end.first(), &wanted, 1e-6)?;
    hold(Law::StartDerivative, "the jet's value", start.value(), &u, 1e-12)?;
    let wanted = difference(|by| trial.u(&(x + dx * by), &(s + by), t))?;
    hold(Law::StartDerivative, "the derivative in x and s", &start.first(), &wanted, 1e-6)?;

    let leaves: Vec<_> = Leaf::parameters(parameters).collect();
    let both = || {
        let (end, start) = (trial.in_end()?, trial.in_start(dx)?);
        Ok(vec![end.value().shallow_clone(), end.first(), start.first()])
    };
    gradient::hold(Law::Gradient, "the derivatives", &leaves, &mut draws.clone(), both)
}

fn exact_laws<M: FlowMap>(trial: &Trial<M>) -> Result<(), Fault> {
    let Trial { map, x, s, t, r, .. } = trial;
    let h = per_sample(&(t - s), x);
    let carried = map.carry(x, s, t).map_err(runs)?;
    let end = trial.in_end().map_err(runs)?;
    let moved = end.value() + &h * end.first();
    hold(Law::Lagrangian, "its derivative in t", &moved, &map.velocity(&carried, t).map_err(runs)?, 1e-6)?;
    let v = map.velocity(x, s).map_err(runs)?;
    let start = trial.in_start(&v).map_err(runs)?;
    let transported = &v - start.value() + &h * start.first();
    hold(Law::Eulerian, "its derivative along the flow", &transported, &v.zeros_like(), 1e-6)?;
    let on = map.carry(&carried, t, r).map_err(runs)?;
    hold(Law::Semigroup, "two maps", &on, &map.carry(x, s, r).map_err(runs)?, 1e-9)
}
