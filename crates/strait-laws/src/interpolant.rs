//! The laws of [`Interpolant`] and [`InvertibleInterpolant`], in float64, on perturbed parameters.
//!
//! [`check`] builds the path afresh for every case, moves each of its parameters by normal noise (a learned family
//! starts as a known path, where a wrong derivative would pass), and holds it to every [`Law`];
//! [`check_invertible`] adds the laws of the inverse. Both report the first broken law in a line, on a case shrunk
//! as far as it goes.
//!
//! ```
//! use strait_core::{Error, Interpolant, PathCurve, PathSample, per_sample};
//! use strait_laws::interpolant::check;
//! use tch::Tensor;
//!
//! struct Line;
//! impl Interpolant for Line {
//!     fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
//!         let s = per_sample(t, x0);
//!         Ok(PathSample { x_t: (1f64 - &s) * x0 + s * x1, velocity: x1 - x0 })
//!     }
//!     fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
//!         let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
//!         Ok(PathCurve { x_t, acceleration: velocity.zeros_like(), velocity })
//!     }
//! }
//!
//! check("line", |_, _| Ok(Line)).unwrap();
//! ```

use crate::suite;
use proptest::prelude::{Strategy, any};
use std::fmt;
use strait_autodiff::{Graph, vjp};
use strait_core::{Error, Interpolant, InvertibleInterpolant, Parameters, Scope, Seed, event_size};
use tch::{Device, Kind, Tensor};

/// What every interpolant must satisfy; the last two hold of invertible ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// Position, velocity and acceleration have the shape of $x_0$ and are finite.
    Shape,
    /// $\varphi_0 = x_0$ and $\varphi_1 = x_1$ to the bit, in float64 and float32.
    Endpoints,
    /// The velocity is the central difference of the position, for every sample and entry, within $10^{-6}$.
    Velocity,
    /// `curve` has the position and velocity of `at`, and its acceleration is the difference of the velocity.
    Acceleration,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// $\varphi_t^{-1}(\varphi_t(x_0; x_1); x_1) = x_0$ within $10^{-9}$ for $t \le 0.95$.
    RoundTrip,
    /// The inverse's log-determinant is that of the autograd Jacobian of its own map, for every sample.
    LogDet,
}

/// A generated case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// How many pairs.
    pub batch: i64,
    /// The shape of one sample.
    pub event: Vec<i64>,
    /// Seed of parameters, noise and inputs.
    pub seed: u64,
}

/// In the words of its fields.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A broken law of an interpolant.
pub type Broken = suite::Broken<Law, Case>;

type Fault = suite::Fault<Law>;

fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}

/// Holds an interpolant to the laws of [`Interpolant`].
///
/// `build` makes the path for a case, its parameters in the scope; it is called anew for each case, with the element
/// kind of the scope.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check<I: Interpolant>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<(), Broken> {
    run(subject, |case| path_laws(case, &build))
}

/// Holds an invertible interpolant to the laws of [`Interpolant`] and of its inverse.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_invertible<I: InvertibleInterpolant>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<(), Broken> {
    run(subject, |case| {
        path_laws(case, &build)?;
        inverse_laws(case, &build)
    })
}

fn run(subject: &str, examine: impl Fn(&Case) -> Result<(), Fault>) -> Result<(), Broken> {
    let events = proptest::collection::vec(1i64..=3, 1..=3);
    let cases =
        (1i64..=4, events, any::<u32>()).prop_map(|(batch, event, seed)| Case { batch, event, seed: u64::from(seed) });
    suite::run(subject, Law::Runs, suite::config(), &cases, examine)
}

/// A path for a case with perturbed parameters, and pairs and times to try it on.
struct Trial<I> {
    path: I,
    _parameters: Parameters,
    x0: Tensor,
    x1: Tensor,
    t: Tensor,
}

fn trial<I>(
    case: &Case,
    kind: Kind,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<Trial<I>, Fault> {
    let seed = Seed(case.seed);
    let mut parameters = Parameters::new(seed, kind, Device::Cpu);
    let path = build(case, &mut parameters.root()).map_err(runs)?;
    let mut draws = seed.stream("laws").at(0);
    let mut normal = |shape: &[i64]| draws.normal(shape, kind, Device::Cpu).map_err(runs);
    for p in parameters.tensors() {
        let noise = normal(&p.size())? * 0.3;
        let _ = tch::no_grad(|| p.shallow_clone().g_add_(&noise));
    }
    let shape: Vec<i64> = std::iter::once(case.batch).chain(case.event.iter().copied()).collect();
    let (x0, x1) = (normal(&shape)?, normal(&shape)? * 2.0);
    let t = seed.stream("laws").at(1).uniform(&[case.batch], kind, Device::Cpu).map_err(runs)? * 0.9 + 0.05;
    Ok(Trial { path, _parameters: parameters, x0, x1, t })
}

/// The largest entry of |a - b| in units of 1 + |b|; infinite where the shapes differ or something is not finite.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    if a.size() != b.size() {
        return f64::INFINITY;
    }
    let worst = ((a - b).abs() / (b.abs() + 1.0)).max().to_kind(Kind::Double).double_value(&[]);
    if worst.is_finite() { worst } else { f64::INFINITY }
}

fn hold(law: Law, what: &str, a: &Tensor, b: &Tensor, tolerance: f64) -> Result<(), Fault> {
    let off = distance(a, b);
    if off <= tolerance { Ok(()) } else { Err(Fault::new(law, format!("{what} is off by {off:.3e}"))) }
}

fn path_laws<I: Interpolant>(
    case: &Case,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<(), Fault> {
    let Trial { path, x0, x1, t, .. } = &trial(case, Kind::Double, build)?;
    let sample = path.at(x0, x1, t).map_err(runs)?;
    let curve = path.curve(x0, x1, t).map_err(runs)?;
    for (what, part) in
        [("the position", &sample.x_t), ("the velocity", &sample.velocity), ("the acceleration", &curve.acceleration)]
    {
        if part.size() != x0.size() {
            return Err(Fault::new(Law::Shape, format!("{what} is {:?} for {:?}", part.size(), x0.size())));
        }
        hold(Law::Shape, what, part, &part.detach(), 0.0)?; // off by infinity where it is not finite
    }
    ends(path, x0, x1)?;
    let single = trial(case, Kind::Float, build)?;
    ends(&single.path, &single.x0, &single.x1)?;

    let h = 1e-5;
    let (after, before) = (path.at(x0, x1, &(t + h)).map_err(runs)?, path.at(x0, x1, &(t - h)).map_err(runs)?);
    hold(Law::Velocity, "the velocity", &sample.velocity, &((after.x_t - before.x_t) / (2.0 * h)), 1e-6)?;
    hold(Law::Acceleration, "the position of `curve`", &curve.x_t, &sample.x_t, 1e-12)?;
    hold(Law::Acceleration, "the velocity of `curve`", &curve.velocity, &sample.velocity, 1e-12)?;
    let numeric = (after.velocity - before.velocity) / (2.0 * h);
    hold(Law::Acceleration, "the acceleration", &curve.acceleration, &numeric, 1e-6)?;

    for i in 0..case.batch {
        let row = |x: &Tensor| x.narrow(0, i, 1);
        let alone = path.at(&row(x0), &row(x1), &row(t)).map_err(runs)?;
        hold(Law::BatchSplit, "a position alone", &alone.x_t, &row(&sample.x_t), 1e-12)?;
        hold(Law::BatchSplit, "a velocity alone", &alone.velocity, &row(&sample.velocity), 1e-12)?;
    }
    Ok(())
}

fn ends(path: &impl Interpolant, x0: &Tensor, x1: &Tensor) -> Result<(), Fault> {
    let batch = x0.size()[0];
    for (end, wanted) in [(0.0, x0), (1.0, x1)] {
        let t = Tensor::full([batch], end, (x0.kind(), x0.device()));
        let found = path.at(x0, x1, &t).map_err(runs)?.x_t;
        hold(Law::Endpoints, &format!("the path at t = {end} ({:?})", x0.kind()), &found, wanted, 0.0)?;
    }
    Ok(())
}

fn inverse_laws<I: InvertibleInterpolant>(
    case: &Case,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<(), Fault> {
    let Trial { path, x0, x1, t, .. } = &trial(case, Kind::Double, build)?;
    let x_t = path.at(x0, x1, t).map_err(runs)?.x_t.detach().set_requires_grad(true);
    let inverted = path.invert(&x_t, x1, t).map_err(runs)?;
    hold(Law::RoundTrip, "the inverse of the path", &inverted.x0, x0, 1e-9)?;

    let (b, d) = (case.batch, event_size(x0));
    let flat = inverted.x0.view([b, d]);
    let rows = (0..d)
        .map(|i| {
            let cotangent = flat.zeros_like();
            let _ = cotangent.narrow(1, i, 1).fill_(1.0);
            vjp(&[flat.shallow_clone()], &[cotangent], &[x_t.shallow_clone()], Graph::Keep).map(|g| g[0].view([b, d]))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(runs)?;
    let (_, log_det) = Tensor::stack(&rows, 1).slogdet();
    hold(Law::LogDet, "the inverse's log-determinant", &inverted.log_det, &log_det, 1e-8)
}
