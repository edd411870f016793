//! The laws of [`Coupling`], and of pairs that were made once and stored
//! ([`PairedDataset`](strait_core::PairedDataset)).
//!
//! [`check`] builds the coupling afresh for every case, gives it batches whose rows can be distinguished, and checks
//! every [`Law`]; [`check_stored`] does the same for stored pairs. Both report the first broken law in one line, on a
//! case that is shrunk as far as possible.
//!
//! ```
//! use strait_core::{Coupling, Draws, Error, Pairs};
//! use strait_laws::coupling::{Marginals, Promise, check};
//! use tch::Tensor;
//!
//! struct Reversed; // the first with the last
//! impl Coupling for Reversed {
//!     fn couple(&self, x0: Tensor, x1: Tensor, _: &mut Draws) -> Result<Pairs, Error> {
//!         let rows = Tensor::arange(x1.size()[0], (tch::Kind::Int64, x1.device())).flip([0]);
//!         Ok(Pairs { x0, x1: x1.index_select(0, &rows), target_rows: Some(rows) })
//!     }
//!     fn is_independent(&self) -> bool {
//!         true // which row goes with which has nothing to do with the points
//!     }
//!     fn name(&self) -> &str {
//!         "reversed"
//!     }
//! }
//!
//! check("reversed", Promise { marginals: Marginals::EachRowOnce, optimal: false }, |_| Ok(Reversed)).unwrap();
//! ```

mod stored;

pub use stored::check_stored;

use crate::samples::Events;
use crate::suite;
use std::{fmt, thread};
use strait_core::{Conditions, Coupling, Draws, Error, Pairs};
use tch::{Device, Kind, Tensor};

/// What a coupling or stored pairs must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// Both sides have the shape of what was given.
    Shape,
    /// The source is as it was given, row by row: training has a time for each of its rows already.
    Source,
    /// The data rows are those that were given: each once, or each once on average over draws.
    Target,
    /// `target_rows` says which data row each pair has: labels carried along by it are right.
    TargetRows,
    /// The same batch and draws give the same pairs.
    Repeatable,
    /// What the coupling gives to another thread makes the same pairs there.
    ForThread,
    /// An optimal pairing never costs more than the pairing of rows as they were given.
    NeverWorse,
    /// An optimal pairing of up to seven points costs as much as the best of all permutations.
    BruteForce,
    /// `is_independent` is true exactly where the choice of rows has nothing to do with the points.
    Independence,
    /// A stored source point always comes with its own partner, and the same row is always the same pair.
    Together,
    /// Every stored pair is drawn equally often.
    Uniform,
    /// Under conditions, a pair of a coupling that keeps them has the condition of the row that its source point was drawn
    /// with: the source under a condition is the whole source.
    KeepsConditions,
    /// Under conditions of rows in another order, with the rows, the same data row goes with each source row of the same
    /// place and condition.
    Order,
}

/// How a coupling keeps the marginal of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Marginals {
    /// Each row is used exactly once in a batch.
    EachRowOnce,
    /// Each row is used once on average over draws.
    OnAverage,
}

/// What a coupling claims beyond the trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Promise {
    /// How it keeps the marginal of the data.
    pub marginals: Marginals,
    /// Whether it minimises the sum of squared distances over the batch.
    pub optimal: bool,
}

pub use crate::samples::Case;

/// A broken law of a coupling.
pub type Broken = suite::Broken<Law, Case>;

type Fault = suite::Fault<Law>;

fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

fn ensure(holds: bool, law: Law, detail: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(law, detail())) }
}

impl Case {
    /// Normal points, the same for the same name.
    fn points(&self, name: &str, n: i64, kind: Kind) -> Result<Tensor, Fault> {
        let shape = [&[n], self.event.as_slice()].concat();
        self.stream().stream(name).at(0).normal(&shape, kind, Device::Cpu).map_err(runs)
    }
}

/// Holds a coupling to the laws of [`Coupling`].
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check<C: Coupling>(
    subject: &str,
    promise: Promise,
    build: impl Fn(&Case) -> Result<C, Error>,
) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(suite::CASES), &Events::Small.cases(7), |case| {
        let coupling = build(case).map_err(runs)?;
        for kind in [Kind::Double, Kind::Float] {
            let (x0, x1) = (case.points("x0", case.batch, kind)?, case.points("x1", case.batch, kind)? * 2.0 + 0.5);
            pairing_laws(case, promise, &coupling, &x0, &x1)?;
        }
        independence(case, &coupling)?;
        if promise.marginals == Marginals::OnAverage { on_average(case, &coupling) } else { Ok(()) }
    })
}

/// Holds a coupling to the laws of [`Coupling`] under conditions: those of pairs alone, for batches in which each row has a
/// class, a vector or nothing, and that the conditions of a pair are those of its data row. One that `keeps` them pairs rows of
/// a class with rows of the same class, and is optimal within each.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_given<C: Coupling>(
    subject: &str,
    keeps: bool,
    build: impl Fn(&Case) -> Result<C, Error>,
) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(suite::CASES), &Events::Small.cases(7), |case| {
        let coupling = build(case).map_err(runs)?;
        let n = case.batch;
        let (x0, x1) = (case.points("x0", n, Kind::Double)?, case.points("x1", n, Kind::Double)? * 2.0 + 0.5);
        let mut draws = case.stream().stream("conditions").at(0);
        let labels = draws.integers(3, &[n], Device::Cpu).map_err(runs)?;
        let vectors = draws.normal(&[n, 2], Kind::Double, Device::Cpu).map_err(runs)?;
        for (rows, classes) in [(Some(labels), true), (Some(vectors), false), (None, false)] {
            let conditions = match &rows {
                Some(rows) => Conditions::of("c", rows.shallow_clone()).map_err(runs)?,
                None => Conditions::default(),
            };
            under_conditions(case, &coupling, (&x0, &x1), (&conditions, keeps && classes))?;
        }
        Ok(())
    })
}

fn under_conditions(
    case: &Case,
    coupling: &impl Coupling,
    (x0, x1): (&Tensor, &Tensor),
    (conditions, keeps): (&Conditions, bool),
) -> Result<(), Fault> {
    let n = case.batch;
    let draws = || case.stream().stream("coupling").at(0);
    let pair = |x0: &Tensor, x1: &Tensor, conditions: &Conditions| {
        coupling.couple_given(x0.copy(), x1.copy(), conditions, &mut draws()).map_err(runs)
    };
    let pairs = pair(x0, x1, conditions)?;
    ensure(pairs.x0 == *x0, Law::Source, || "the rows are not those that were given, in their order".into())?;
    let rows = rows_of(&pairs, n)?;
    let places = Tensor::from_slice(&rows);
    let named = x1.index_select(0, &places);
    ensure(pairs.x1 == named, Law::TargetRows, || format!("the data rows are not {rows:?} of the given ones"))?;
    let again = pair(x0, x1, conditions)?;
    ensure(again.x1 == pairs.x1, Law::Repeatable, || "other pairs from the same draws".into())?;
    for_thread(case, coupling, (x0, x1, conditions), &pairs)?;
    let given = conditions.only().map_err(runs)?;
    let carried = pairs.carried(conditions.shallow_clone()).map_err(runs)?;
    let carried = carried.only().map_err(runs)?;
    let wanted = given.map(|rows| rows.index_select(0, &places));
    ensure(carried == wanted.as_ref(), Law::TargetRows, || format!("the conditions are not those of rows {rows:?}"))?;
    if !keeps {
        return Ok(());
    }
    ensure(carried == given, Law::KeepsConditions, || format!("the classes are {carried:?} for {given:?}"))?;
    ensure(sorted(&pairs.x1)? == sorted(x1)?, Law::Target, || format!("the rows are {rows:?}"))?;
    let Some(labels) = given else { return Ok(()) };
    for class in 0..3 {
        let own = labels.eq(class).nonzero().view([-1]);
        if own.size()[0] > 0 {
            let of = |x: &Tensor| x.index_select(0, &own);
            optimality(&of(x0), &of(x1), squared(&of(x0), &of(&pairs.x1)))?;
        }
    }
    // No two of these points are alike, and the best pairs are the same in any order.
    let order = case.stream().stream("order").at(0).permutation(n, Device::Cpu).map_err(runs)?;
    let of = |x: &Tensor| x.index_select(0, &order);
    let mixed = pair(&of(x0), &of(x1), &conditions.gather(&order).map_err(runs)?)?;
    let same = mixed.x1.allclose(&of(&pairs.x1), 0.0, 0.0, false);
    ensure(same, Law::Order, || "other pairs of the same rows in another order".into())
}

fn couple(coupling: &impl Coupling, x0: &Tensor, x1: &Tensor, draws: &mut Draws) -> Result<Pairs, Fault> {
    coupling.couple(x0.copy(), x1.copy(), draws).map_err(runs)
}

/// The rows of a batch in the order of their bits: two batches of the same rows come out the same.
fn sorted(x: &Tensor) -> Result<Vec<Vec<u64>>, Fault> {
    let flat = x.to_kind(Kind::Double).view([x.size()[0], -1]);
    let rows = Vec::<Vec<f64>>::try_from(&flat).map_err(runs)?;
    let mut rows: Vec<Vec<u64>> = rows.into_iter().map(|row| row.into_iter().map(f64::to_bits).collect()).collect();
    rows.sort_unstable();
    Ok(rows)
}

/// Which data row each pair has.
fn rows_of(pairs: &Pairs, n: i64) -> Result<Vec<i64>, Fault> {
    match &pairs.target_rows {
        None => Ok((0..n).collect()),
        Some(rows) => {
            ensure(rows.size() == [n] && rows.kind() == Kind::Int64, Law::TargetRows, || {
                format!("they are {:?} of {:?} for {n} pairs", rows.size(), rows.kind())
            })?;
            let rows = Vec::<i64>::try_from(rows).map_err(runs)?;
            ensure(rows.iter().all(|row| (0..n).contains(row)), Law::TargetRows, || format!("{rows:?} of {n}"))?;
            Ok(rows)
        }
    }
}

fn squared(x0: &Tensor, x1: &Tensor) -> f64 {
    (x0.to_kind(Kind::Double) - x1.to_kind(Kind::Double)).square().sum(Kind::Double).double_value(&[])
}

fn pairing_laws(
    case: &Case,
    promise: Promise,
    coupling: &impl Coupling,
    x0: &Tensor,
    x1: &Tensor,
) -> Result<(), Fault> {
    let pairs = couple(coupling, x0, x1, &mut case.stream().stream("coupling").at(0))?;
    for (what, given, found) in [("source", x0, &pairs.x0), ("data", x1, &pairs.x1)] {
        ensure(found.size() == given.size() && found.kind() == given.kind(), Law::Shape, || {
            format!("the {what} is {:?} {:?} for {:?} {:?}", found.kind(), found.size(), given.kind(), given.size())
        })?;
    }
    ensure(pairs.x0 == *x0, Law::Source, || "the rows are not those that were given, in their order".into())?;
    let rows = rows_of(&pairs, case.batch)?;
    let named = x1.index_select(0, &Tensor::from_slice(&rows));
    ensure(pairs.x1 == named, Law::TargetRows, || format!("the data rows are not {rows:?} of the given ones"))?;
    if promise.marginals == Marginals::EachRowOnce {
        ensure(sorted(&pairs.x1)? == sorted(x1)?, Law::Target, || format!("the rows are {rows:?}"))?;
    }
    let again = couple(coupling, x0, x1, &mut case.stream().stream("coupling").at(0))?;
    ensure(again.x0 == pairs.x0 && again.x1 == pairs.x1, Law::Repeatable, || "other pairs from the same draws".into())?;
    for_thread(case, coupling, (x0, x1, &Conditions::default()), &pairs)?;
    if promise.optimal { optimality(x0, x1, squared(&pairs.x0, &pairs.x1)) } else { Ok(()) }
}

/// The same points and draws on another thread.
fn for_thread(
    case: &Case,
    coupling: &impl Coupling,
    (x0, x1, conditions): (&Tensor, &Tensor, &Conditions),
    pairs: &Pairs,
) -> Result<(), Fault> {
    let Some(other) = coupling.for_thread() else { return Ok(()) };
    let mut draws = case.stream().stream("coupling").at(0);
    let (x0, x1, conditions) = (x0.copy(), x1.copy(), conditions.shallow_clone());
    let there = thread::spawn(move || other.couple_given(x0, x1, &conditions, &mut draws)).join();
    let there = there.map_err(|_| Fault::new(Law::ForThread, "it panics there"))?.map_err(runs)?;
    ensure(there.x0 == pairs.x0 && there.x1 == pairs.x1, Law::ForThread, || "other pairs on another thread".into())
}

fn optimality(x0: &Tensor, x1: &Tensor, found: f64) -> Result<(), Fault> {
    let rounding = |cost: f64| cost + 1e-5 * (1.0 + cost.abs());
    let identity = squared(x0, x1);
    ensure(found <= rounding(identity), Law::NeverWorse, || format!("{found} where rows as given cost {identity}"))?;
    let n = x0.size()[0];
    let costs: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| squared(&x0.get(i), &x1.get(j))).collect()).collect();
    let least = cheapest(&costs, 0, &mut vec![false; n as usize]);
    ensure(found <= rounding(least), Law::BruteForce, || format!("{found} where the best permutation costs {least}"))
}

/// The least cost of assigning rows from `row` on to the columns that are not taken.
fn cheapest(costs: &[Vec<f64>], row: usize, taken: &mut [bool]) -> f64 {
    if row == costs.len() {
        return 0.0;
    }
    let mut least = f64::INFINITY;
    for column in 0..costs.len() {
        if !taken[column] {
            taken[column] = true;
            least = least.min(costs[row][column] + cheapest(costs, row + 1, taken));
            taken[column] = false;
        }
    }
    least
}

/// Two batches of the same far separated points, the data in two orders, under the same draws: an independent coupling
/// chooses the same rows for both, any other one does not.
fn independence(case: &Case, coupling: &impl Coupling) -> Result<(), Fault> {
    let n = case.batch.max(2);
    let far = Tensor::arange(n, (Kind::Double, Device::Cpu)) * 50.0;
    let shape: Vec<i64> = std::iter::once(n).chain(case.event.iter().map(|_| 1)).collect();
    let x0 = case.points("apart", n, Kind::Double)? * 0.1 + far.view(shape.as_slice());
    let choose = |x1: &Tensor| rows_of(&couple(coupling, &x0, x1, &mut case.stream().stream("apart").at(1))?, n);
    let chosen = choose(&x0)?;
    let again = choose(&x0)?;
    ensure(chosen == again, Law::Repeatable, || "other rows from the same draws".into())?;
    let same = chosen == choose(&x0.flip([0]))?;
    let claim = coupling.is_independent();
    ensure(same == claim, Law::Independence, || {
        let found = if same { "do not depend" } else { "depend" };
        format!("`is_independent` is {claim}, and the rows chosen {found} on the points")
    })
}

/// How often each data row comes, over many draws: within six standard deviations of once a batch.
fn on_average(case: &Case, coupling: &impl Coupling) -> Result<(), Fault> {
    const BATCHES: u64 = 400;
    let (n, kind) = (case.batch.min(4), Kind::Double);
    let (x0, x1) = (case.points("x0", n, kind)?, case.points("x1", n, kind)?);
    let mut counts = vec![0.0; n as usize];
    for step in 0..BATCHES {
        let pairs = couple(coupling, &x0, &x1, &mut case.stream().stream("average").at(step))?;
        rows_of(&pairs, n)?.into_iter().for_each(|row| counts[row as usize] += 1.0);
    }
    // The variance of a count in a batch is at most that of n independent choices, each at most 1/4.
    let widest = 6.0 * (BATCHES as f64 * n as f64 / 4.0).sqrt();
    let off = |count: &f64| (count - BATCHES as f64).abs() > widest;
    ensure(!counts.iter().any(off), Law::Target, || format!("in {BATCHES} batches the rows came {counts:?} times"))
}
