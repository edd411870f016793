//! The laws of a [`VelocityField`] under conditions, in float64, on perturbed parameters.
//!
//! [`check`] builds the field afresh for every case, moves each of its parameters by normal noise, draws conditions for
//! the batch, and checks every [`Law`] of the field that is bound to them. If the field is the diagonal of a flow map,
//! it checks the map too. It reports the first broken law in one line, on a case that is shrunk as far as possible.
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

pub use crate::samples::Case;
use crate::samples::{Events, Perturbed, distance};
use crate::suite::{self, hold};
use std::fmt;
use strait_core::{Conditions, Draws, Error, Scope, VelocityField};
use tch::{Device, Kind, Tensor};

/// What every field must satisfy that takes conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// The velocity has the shape of x.
    Shape,
    /// Under other conditions it is another velocity.
    Sees,
    /// A sample's velocity depends on its own condition alone.
    OwnCondition,
    /// A sample alone, under its own condition, comes out as in the batch.
    BatchSplit,
    /// Samples in another order, with their conditions, have the same velocities in that order.
    Order,
    /// The field of some samples of the batch is that of those samples.
    OfSamples,
    /// Where conditions are dropped, the velocity is that of no condition.
    Dropped,
    /// Conditions of another number of samples are an error.
    Mismatch,
}

/// A broken law of a field under conditions.
pub type Broken = suite::Broken<Law, Case>;

type Fault = suite::Fault<Law>;

fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

fn ensure(holds: bool, law: Law, detail: impl Into<String>) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(law, detail)) }
}

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
    run(subject, &Events::Small, draw, build)
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
    run(subject, &Events::Of(events.iter().map(|event| event.to_vec()).collect()), draw, build)
}

fn run<F: VelocityField>(
    subject: &str,
    events: &Events,
    draw: impl Fn(&Case, &mut Draws) -> Result<Conditions, Error>,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<F, Error>,
) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(24), &events.cases(5), |case| {
        let _no_grad = tch::no_grad_guard();
        let Perturbed { double: field, .. } = Perturbed::new(case, &build).map_err(runs)?;
        let draws = |name: &str| case.stream().stream(name).at(0);
        let conditions = draw(case, &mut draws("conditions")).map_err(runs)?;
        let mut points = draws("points");
        let x = points.normal(&case.shape(), Kind::Double, Device::Cpu).map_err(runs)?;
        let t = points.uniform(&[case.batch], Kind::Double, Device::Cpu).map_err(runs)?;
        let trial = Trial { field: &field, conditions, x, t };
        trial.laws(case, |name| draw(case, &mut draws(name)).map_err(runs))
    })
}

struct Trial<'a> {
    field: &'a dyn VelocityField,
    conditions: Conditions,
    x: Tensor,
    t: Tensor,
}

impl Trial<'_> {
    /// The velocity of the samples at some places under conditions and, of a flow map, its average velocity up to 1.
    fn at(&self, field: &dyn VelocityField, places: &Tensor) -> Result<Vec<Tensor>, Fault> {
        let (x, t) = (self.x.index_select(0, places), self.t.index_select(0, places));
        let mut found = vec![field.velocity(&x, &t).map_err(runs)?];
        if let Some(map) = field.as_flow_map() {
            found.push(map.average_velocity(&x, &t, &t.ones_like()).map_err(runs)?);
        }
        Ok(found)
    }

    fn of(&self, conditions: &Conditions, places: &Tensor) -> Result<Vec<Tensor>, Fault> {
        self.at(&*self.field.given(conditions).map_err(runs)?, places)
    }

    fn laws(&self, case: &Case, draw: impl Fn(&str) -> Result<Conditions, Fault>) -> Result<(), Fault> {
        let n = case.batch;
        let all = Tensor::arange(n, (Kind::Int64, Device::Cpu));
        let select = |found: &[Tensor], places: &Tensor| -> Vec<Tensor> {
            found.iter().map(|v| v.index_select(0, places)).collect()
        };
        let same = |law, what: &str, found: &[Tensor], wanted: &[Tensor]| {
            found.iter().zip(wanted).try_for_each(|(a, b)| hold(law, what, a, b, 1e-11))
        };
        let whole = self.of(&self.conditions, &all)?;
        let shape = self.x.size();
        ensure(whole.iter().all(|v| v.size() == shape), Law::Shape, format!("{:?}", whole[0].size()))?;

        // Of three draws one is another, also of few classes.
        let others = (0..12).map(|i| draw(&format!("other {i}"))).collect::<Result<Vec<_>, _>>()?;
        let differ = |other: &Conditions| Ok(distance(&self.of(other, &all)?[0], &whole[0]) > 1e-9);
        let seen = others.iter().map(differ).collect::<Result<Vec<bool>, Fault>>()?;
        ensure(seen.contains(&true), Law::Sees, "the velocity is the same under all conditions")?;

        for other in &others[..2] {
            // Sample 0 keeps its condition, and all others get another.
            let first = self.conditions.part(0, 1).map_err(runs)?;
            let changed = joined(&first, &other.part(1, n - 1).map_err(runs)?)?;
            let zero = Tensor::from_slice(&[0i64]);
            let kept = self.of(&changed, &all)?;
            same(
                Law::OwnCondition,
                "a velocity under others' conditions",
                &select(&kept, &zero),
                &select(&whole, &zero),
            )?;
        }
        for i in 0..n {
            let place = Tensor::from_slice(&[i]);
            let alone = self.of(&self.conditions.part(i, 1).map_err(runs)?, &place)?;
            same(Law::BatchSplit, "a velocity alone", &alone, &select(&whole, &place))?;
        }
        let order = case.stream().stream("order").at(0).permutation(n, Device::Cpu).map_err(runs)?;
        let mixed = self.of(&self.conditions.gather(&order).map_err(runs)?, &order)?;
        same(Law::Order, "a velocity in another order", &mixed, &select(&whole, &order))?;

        let bound = self.field.given(&self.conditions).map_err(runs)?;
        for (start, length) in [(0, n), (n / 2, n - n / 2)] {
            let places = all.narrow(0, start, length);
            let part = self.at(&*bound.of_samples(start, length).map_err(runs)?, &places)?;
            same(Law::OfSamples, "the velocity of some samples", &part, &select(&whole, &places))?;
        }
        self.dropped(&all)?;
        let more = Tensor::cat(&[&all, &all.narrow(0, 0, 1)], 0);
        let refused = self.of(&self.conditions, &more).is_err();
        ensure(refused, Law::Mismatch, format!("{n} conditions serve {} samples", n + 1))
    }

    /// Nothing of a field that has no velocity without conditions.
    fn dropped(&self, all: &Tensor) -> Result<(), Fault> {
        let Ok(null) = self.at(self.field, all) else { return Ok(()) };
        let every_other = all.remainder(2).eq(0);
        let some = self.of(&self.conditions.dropping(every_other.shallow_clone()).map_err(runs)?, all)?;
        let whole = self.of(&self.conditions, all)?;
        for ((found, null), whole) in some.iter().zip(&null).zip(&whole) {
            let wanted = null.where_self(&strait_core::per_sample(&every_other, null), whole);
            hold(Law::Dropped, "the velocity with every other condition dropped", found, &wanted, 1e-11)?;
        }
        Ok(())
    }
}

/// The rows of both, one after the other.
fn joined(first: &Conditions, second: &Conditions) -> Result<Conditions, Fault> {
    let rows = first.named().zip(second.named());
    let rows = rows.map(|((name, a), (_, b))| (name.to_owned(), Tensor::cat(&[a, b], 0))).collect();
    Conditions::new(rows).map_err(runs)
}
