//! The laws of a [`VelocityField`], an [`Interpolant`] and a [`Bijection`] under conditions, in float64, on perturbed
//! parameters.
//!
//! [`check`] builds the field afresh for every case, moves each of its parameters by normal noise, draws conditions for
//! the batch, and checks every [`Law`] of the field that is bound to them. If the field is the diagonal of a flow map,
//! it checks the map too. [`check_path`] and [`check_bijection`] do the same with a path and with a flow that depend on
//! conditions. Each reports the first broken law in one line, on a case that is shrunk as far as possible.
//!
//! ```
//! use strait_core::{Bound, Conditional, Conditions, Error};
//! use strait_laws::conditions::check;
//! use tch::{Device, Kind, Tensor};
//!
//! struct Towards; // its condition, or the origin where there is none
//! impl Conditional for Towards {
//!     fn velocity_given(&self, x: &Tensor, _t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
//!         let Some(end) = conditions.only()? else { return Ok(-x) };
//!         let end = match conditions.dropped() {
//!             Some(dropped) => end.masked_fill(&dropped.unsqueeze(1), 0.0),
//!             None => end.shallow_clone(),
//!         };
//!         Ok(end.view_as(x) - x)
//!     }
//! }
//!
//! let endpoints = |case: &strait_laws::conditions::Case, draws: &mut strait_core::Draws| {
//!     let d = case.event.iter().product::<i64>();
//!     Conditions::of("end", draws.normal(&[case.batch, d], Kind::Double, Device::Cpu)?)
//! };
//! check("towards", endpoints, |_, _| Ok(Bound::new(Towards))).unwrap();
//! ```

mod bijection;
mod law;
mod path;
mod rows;

pub use crate::samples::Case;
pub use law::Law;

use crate::samples::{Events, Perturbed};
use crate::suite::{self, hold};
use law::{Fault, ensure, runs};
use rows::{Draw, Samples};
use strait_core::{Bijection, Conditions, Draws, Error, Interpolant, Scope, VelocityField};
use tch::Tensor;

/// A broken law of a model under conditions.
pub type Broken = suite::Broken<Law, Case>;

/// Holds a field to the laws of conditions, over generated shapes; `draw` makes the conditions of `case.batch` samples, no
/// two draws alike.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check<F: VelocityField>(
    subject: &str,
    draw: impl Fn(&Case, &mut Draws) -> Result<Conditions, Error>,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<(), Broken> {
    run(subject, &Events::Small, draw, build, field)
}

/// As [`check`], for a field of samples of these shapes.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_on<F: VelocityField>(
    subject: &str,
    events: &[&[i64]],
    draw: impl Fn(&Case, &mut Draws) -> Result<Conditions, Error>,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<(), Broken> {
    run(subject, &these(events), draw, build, field)
}

/// Holds a path that depends on conditions to their laws, on samples of these shapes.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_path<I: Interpolant>(
    subject: &str,
    events: &[&[i64]],
    draw: impl Fn(&Case, &mut Draws) -> Result<Conditions, Error>,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<(), Broken> {
    run(subject, &these(events), draw, build, path::laws)
}

/// Holds a bijection that depends on conditions to their laws, on samples of these shapes; it is called with a time and
/// without a context.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_bijection<B: Bijection>(
    subject: &str,
    events: &[&[i64]],
    draw: impl Fn(&Case, &mut Draws) -> Result<Conditions, Error>,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>,
) -> Result<(), Broken> {
    run(subject, &these(events), draw, build, bijection::laws)
}

fn these(events: &[&[i64]]) -> Events {
    Events::Of(events.iter().map(|event| event.to_vec()).collect())
}

fn run<M>(
    subject: &str,
    events: &Events,
    draw: impl Fn(&Case, &mut Draws) -> Result<Conditions, Error>,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<M, Error>,
    laws: impl Fn(&M, &Samples, &Draw<'_>) -> Result<(), Fault>,
) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(24), &events.cases(5), |case| {
        let _no_grad = tch::no_grad_guard();
        let Perturbed { double: model, .. } = Perturbed::new(case, &build).map_err(runs)?;
        let draws = |name: &str| case.stream().stream(name).at(0);
        let conditions = draw(case, &mut draws("conditions")).map_err(runs)?;
        let samples = Samples::new(case, conditions)?;
        laws(&model, &samples, &|name| draw(case, &mut draws(name)).map_err(runs))
    })
}

/// The velocity of the samples at some places and, of a flow map, its average velocity up to 1.
fn velocities(field: &dyn VelocityField, samples: &Samples, places: &Tensor) -> Result<Vec<Tensor>, Fault> {
    let (x, t) = (samples.x.index_select(0, places), samples.t.index_select(0, places));
    let mut found = vec![field.velocity(&x, &t).map_err(runs)?];
    if let Some(map) = field.as_flow_map() {
        found.push(map.average_velocity(&x, &t, &t.ones_like()).map_err(runs)?);
    }
    Ok(found)
}

fn field<F: VelocityField>(field: &F, samples: &Samples, draw: &Draw<'_>) -> Result<(), Fault> {
    let of = |conditions: &Conditions, places: &Tensor| {
        velocities(&*field.given(conditions).map_err(runs)?, samples, places)
    };
    let whole = samples.laws("a velocity", draw, &of)?;
    let shape = samples.x.size();
    ensure(whole.iter().all(|v| v.size() == shape), Law::Shape, format!("{:?}", whole[0].size()))?;

    let (n, all) = (samples.count(), samples.all());
    let bound = field.given(&samples.conditions).map_err(runs)?;
    for (start, length) in [(0, n), (n / 2, n - n / 2)] {
        let places = all.narrow(0, start, length);
        let part = velocities(&*bound.of_samples(start, length).map_err(runs)?, samples, &places)?;
        for (found, whole) in part.iter().zip(&whole) {
            let wanted = whole.index_select(0, &places);
            hold(Law::OfSamples, "the velocity of some samples", found, &wanted, 1e-11)?;
        }
    }
    // Nothing of a field that has no velocity without conditions.
    let Ok(null) = velocities(field, samples, &all) else { return Ok(()) };
    let every_other = all.remainder(2).eq(0);
    let some = of(&samples.conditions.dropping(every_other.shallow_clone()).map_err(runs)?, &all)?;
    for ((found, null), whole) in some.iter().zip(&null).zip(&whole) {
        let wanted = null.where_self(&strait_core::per_sample(&every_other, null), whole);
        hold(Law::Dropped, "the velocity with every other condition dropped", found, &wanted, 1e-11)?;
    }
    Ok(())
}
