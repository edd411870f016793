//! The laws of [`Stepper`], in float64 and once in float32, on fields whose flow is known in closed form.
//!
//! [`check`] runs a stepper over generated trajectories, forward and backward, with equal and unequal steps, and checks
//! every [`Law`]. It reports the first broken law in one line.
//!
//! ```
//! use strait_core::{Error, Stepper, VelocityField};
//! use strait_laws::stepper::check;
//! use tch::Tensor;
//!
//! struct Euler;
//! impl Stepper for Euler {
//!     fn order(&self) -> u32 {
//!         1
//!     }
//!     fn evaluations(&self, steps: usize) -> usize {
//!         steps
//!     }
//!     fn start(&mut self) {}
//!     fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
//!         let t = Tensor::full([x.size()[0]], from, (x.kind(), x.device()));
//!         let velocity = field.velocity(x, &t)?;
//!         strait_core::check_same(x, "velocity", &velocity)?;
//!         *x += velocity * (to - from);
//!         Ok(())
//!     }
//! }
//!
//! check("euler", || Euler).unwrap();
//! ```

use crate::suite;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::Config;
use std::cell::{Cell, RefCell};
use std::fmt;
use strait_core::{Error, Seed, Stepper, VelocityField, per_sample};
use tch::{Device, Kind, Tensor};

/// What every rule must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// No call fails.
    Runs,
    /// The regression of log error on log step size has a slope within 0.15 of the nominal order.
    Order,
    /// The field is evaluated exactly as often as announced.
    Evaluations,
    /// Every evaluation is at one time for all samples, within the step.
    Times,
    /// Backward over the same times returns, to the order of the rule.
    Return,
    /// After `start` a trajectory comes out as on the first run, to the bit.
    Start,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// A field may hand back the very tensors it was given, or views of them.
    Sharing,
    /// A trajectory in float32 stays there, asks at times of that kind, and is that of float64 within $10^{-4}$.
    SinglePrecision,
    /// A velocity of another shape than the state is an error.
    Shape,
}

/// A field with a flow in closed form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Known {
    /// $\dot x = A x$, A a spiral.
    #[default]
    Linear,
    /// $\dot x = \sin x$: $\tan(x/2)$ grows like $e^t$.
    Nonlinear,
    /// $\dot x = (x + 1) [\cos 2t,\ 2/(1+t)]$: $x + 1$ grows like $[e^{\sin(2t)/2},\ (1+t)^2]$.
    TimeDependent,
}

/// A generated case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// The field.
    pub field: Known,
    /// From 1 to 0 in place of from 0 to 1.
    pub backward: bool,
    /// Steps whose lengths differ threefold, in place of equal ones.
    pub uneven: bool,
    /// Seed of the points.
    pub seed: u64,
}

/// In the words of its fields.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A broken law of a stepper.
pub type Broken = suite::Broken<Law, Case>;

type Fault = suite::Fault<Law>;

fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

/// Holds a rule to the laws of [`Stepper`]; `build` makes a fresh one.
///
/// # Errors
/// The first broken law.
pub fn check<S: Stepper>(subject: &str, build: impl Fn() -> S) -> Result<(), Broken> {
    let fields = prop_oneof![Just(Known::Linear), Just(Known::Nonlinear), Just(Known::TimeDependent)];
    let cases = (fields, any::<bool>(), any::<bool>(), any::<u32>()).prop_map(|(field, backward, uneven, seed)| Case {
        field,
        backward,
        uneven,
        seed: u64::from(seed),
    });
    let config = Config { max_shrink_iters: 40, ..suite::config(12) };
    suite::run(subject, Law::Runs, config, &cases, |case| {
        let _no_grad = tch::no_grad_guard();
        laws(case, &mut build())
    })
}

impl VelocityField for Known {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(match self {
            Self::Linear => {
                let (a, b) = (x.select(1, 0), x.select(1, 1));
                Tensor::stack(&[&a * -0.5 - &b * 2.0, &a * 2.0 - &b * 0.5], 1)
            }
            Self::Nonlinear => x.sin(),
            Self::TimeDependent => {
                let t = per_sample(t, x);
                (x + 1.0) * Tensor::cat(&[(&t * 2.0).cos(), 2.0 / (&t + 1.0)], 1)
            }
        })
    }
}

impl Known {
    /// Where the flow leads from time `from` to `to`.
    fn flow(self, x: &Tensor, from: f64, to: f64) -> Tensor {
        let gone = to - from;
        match self {
            Self::Linear => {
                let (a, b) = (x.select(1, 0), x.select(1, 1));
                let (sin, cos) = (2.0 * gone).sin_cos();
                Tensor::stack(&[&a * cos - &b * sin, &a * sin + &b * cos], 1) * (-0.5 * gone).exp()
            }
            Self::Nonlinear => ((x / 2.0).tan() * gone.exp()).atan() * 2.0,
            Self::TimeDependent => {
                let growth = |t: f64| Tensor::from_slice(&[((2.0 * t).sin() / 2.0).exp(), (1.0 + t).powi(2)]);
                (x + 1.0) * growth(to) / growth(from) - 1.0
            }
        }
    }
}

/// A field that notes at what times it is asked.
struct Noted<F> {
    field: F,
    times: RefCell<Vec<(f64, f64)>>,
}

impl<F: VelocityField> VelocityField for Noted<F> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.times.borrow_mut().push((t.min().double_value(&[]), t.max().double_value(&[])));
        self.field.velocity(x, t)
    }
}

/// A field that notes a time of another kind than the state's, which a network would refuse.
struct Kinds {
    field: Known,
    of_time: Cell<Kind>,
}

impl VelocityField for Kinds {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        if t.kind() != x.kind() {
            self.of_time.set(t.kind());
        }
        self.field.velocity(x, t)
    }
}

/// A field that hands back what it was given.
enum Handed {
    /// The state itself: $\dot x = x$.
    State,
    /// A view of one entry of the state: $\dot x_i = x_1$.
    Entry,
    /// A view of the time: $\dot x = t$.
    Time,
}

impl VelocityField for Handed {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(match self {
            Self::State => x.shallow_clone(),
            Self::Entry => x.narrow(1, 1, 1).expand_as(x),
            Self::Time => t.unsqueeze(1).expand_as(x),
        })
    }
}

/// A field with the values of another, in memory of its own.
struct Copied(Handed);

impl VelocityField for Copied {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.0.velocity(x, t)?.copy() + 0.0)
    }
}

/// A field whose velocity lacks an entry.
struct Short;

impl VelocityField for Short {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(x.narrow(1, 0, 1).copy())
    }
}

/// The times of a case in `n` steps.
fn times(case: &Case, n: usize) -> Vec<f64> {
    let warp = |s: f64| {
        if case.uneven { s + (2.0 * std::f64::consts::PI * s).sin() / (4.0 * std::f64::consts::PI) } else { s }
    };
    let mut times: Vec<f64> = (0..=n).map(|i| warp(i as f64 / n as f64)).collect();
    (times[0], times[n]) = (0.0, 1.0);
    if case.backward {
        times.reverse();
    }
    times
}

fn walk(stepper: &mut impl Stepper, field: &dyn VelocityField, x: &Tensor, times: &[f64]) -> Result<Tensor, Fault> {
    stepper.start();
    let mut x = x.copy();
    for pair in times.windows(2) {
        stepper.step(field, &mut x, pair[0], pair[1]).map_err(runs)?;
    }
    Ok(x)
}

/// The root of the mean square difference.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).square().mean(Kind::Double).sqrt().double_value(&[])
}

fn laws(case: &Case, stepper: &mut impl Stepper) -> Result<(), Fault> {
    let mut draws = Seed(case.seed).stream("laws").at(0);
    let x = draws.uniform(&[16, 2], Kind::Double, Device::Cpu).map_err(runs)? * 3.0 - 1.5;
    counts(case, stepper, &x)?;
    orders(case, stepper, &x)?;
    state_of_the_rule(case, stepper, &x)?;
    single_precision(case, stepper, &x)?;
    let refused = stepper.step(&Short, &mut x.copy(), 0.0, 0.5);
    if refused.is_ok() {
        return Err(Fault::new(Law::Shape, "a velocity of shape [16, 1] moved a state of shape [16, 2]"));
    }
    Ok(())
}

fn single_precision(case: &Case, stepper: &mut impl Stepper, x: &Tensor) -> Result<(), Fault> {
    let (law, times) = (Law::SinglePrecision, times(case, 5));
    let double = walk(stepper, &case.field, x, &times)?;
    let field = Kinds { field: case.field, of_time: Cell::new(Kind::Float) };
    let single =
        walk(stepper, &field, &x.to_kind(Kind::Float), &times).map_err(|fault| Fault::new(law, fault.detail))?;
    for (what, kind) in [("the state", single.kind()), ("a time", field.of_time.get())] {
        if kind != Kind::Float {
            return Err(Fault::new(law, format!("{what} is {kind:?} in a trajectory in float32")));
        }
    }
    suite::hold(law, "a trajectory in float32", &single.to_kind(Kind::Double), &double, 1e-4)
}

fn counts(case: &Case, stepper: &mut impl Stepper, x: &Tensor) -> Result<(), Fault> {
    for steps in [1, 2, 5] {
        let field = Noted { field: case.field, times: RefCell::new(vec![]) };
        let times = times(case, steps);
        stepper.start();
        let mut state = x.copy();
        for pair in times.windows(2) {
            let before = field.times.borrow().len();
            stepper.step(&field, &mut state, pair[0], pair[1]).map_err(runs)?;
            for &(least, most) in &field.times.borrow()[before..] {
                let within = pair[0].min(pair[1]) <= least && most <= pair[0].max(pair[1]);
                if least != most || !within {
                    let asked = format!("asked at t = {least} to {most} in a step from {} to {}", pair[0], pair[1]);
                    return Err(Fault::new(Law::Times, asked));
                }
            }
        }
        let (found, announced) = (field.times.borrow().len(), stepper.evaluations(steps));
        if found != announced {
            return Err(Fault::new(
                Law::Evaluations,
                format!("{found} in {steps} steps, where {announced} are announced"),
            ));
        }
    }
    Ok(())
}

fn orders(case: &Case, stepper: &mut impl Stepper, x: &Tensor) -> Result<(), Fault> {
    let order = f64::from(stepper.order());
    // Small enough for the leading term, large enough for errors above rounding.
    let base = match stepper.order() {
        0..=2 => 32,
        3 => 32,
        4 | 5 => 16,
        _ => 8,
    };
    let (start, end) = if case.backward { (1.0, 0.0) } else { (0.0, 1.0) };
    let exact = case.field.flow(x, start, end);
    let (mut errors, mut gaps) = (vec![], vec![]);
    for steps in [base, base * 3 / 2, base * 2, base * 3, base * 4] {
        let mut times = times(case, steps);
        let there = walk(stepper, &case.field, x, &times)?;
        times.reverse();
        let back = walk(stepper, &case.field, &there, &times)?;
        let log_h = -(steps as f64).ln();
        errors.push((log_h, distance(&there, &exact).ln()));
        gaps.push((log_h, distance(&back, x).ln()));
    }
    let measured = slope(&errors);
    if measured.is_nan() || (measured - order).abs() > 0.15 {
        return Err(Fault::new(Law::Order, format!("measured {measured:.3}, nominal {order}")));
    }
    // The way back may undo errors of the way there, so it may return better than to the order, not worse.
    let (returns, left) = (slope(&gaps), gaps[gaps.len() - 1].1.exp());
    let at_rounding = left < 1e-12;
    if !at_rounding && (returns.is_nan() || returns < order - 0.15) {
        return Err(Fault::new(
            Law::Return,
            format!("the way back is off by {left:.1e}, of order {returns:.3}, not {order}"),
        ));
    }
    Ok(())
}

/// The slope of y over x by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let along: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    along / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

fn state_of_the_rule(case: &Case, stepper: &mut impl Stepper, x: &Tensor) -> Result<(), Fault> {
    let times = times(case, 5);
    let whole = walk(stepper, &case.field, x, &times)?;
    let again = walk(stepper, &case.field, x, &times)?;
    if again != whole {
        let off = distance(&again, &whole);
        return Err(Fault::new(Law::Start, format!("a second trajectory is off by {off:.1e}")));
    }
    for row in [0, 7, 15] {
        let alone = walk(stepper, &case.field, &x.narrow(0, row, 1), &times)?;
        let off = distance(&alone, &whole.narrow(0, row, 1));
        if off.is_nan() || off > 1e-12 {
            return Err(Fault::new(Law::BatchSplit, format!("sample {row} alone is off by {off:.1e}")));
        }
    }
    for (what, handed, copied) in [
        ("the state", Handed::State, Copied(Handed::State)),
        ("an entry of the state", Handed::Entry, Copied(Handed::Entry)),
        ("the time", Handed::Time, Copied(Handed::Time)),
    ] {
        let off = distance(&walk(stepper, &handed, x, &times)?, &walk(stepper, &copied, x, &times)?);
        if off.is_nan() || off > 1e-12 {
            return Err(Fault::new(Law::Sharing, format!("off by {off:.1e} where a field hands back {what}")));
        }
    }
    Ok(())
}
