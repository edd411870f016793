//! The laws of [`Interpolant`] and [`InvertibleInterpolant`], in float64 and float32, on perturbed parameters.
//!
//! [`check`] builds the path afresh for every case, moves each of its parameters by normal noise (a learned family
//! starts as a known path, where a wrong derivative would pass), and checks every [`Law`]; [`check_invertible`] adds
//! the laws of the inverse. Both report the first broken law in one line, on a case that is shrunk as far as possible.
//! Gradients, a batch of several endpoints and a second source are checked in one case of eight.
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

mod invertible;
mod law;
mod trial;

pub use law::Law;

use crate::samples::Events;
use crate::suite::{self, hold};
use law::{Fault, runs};
use strait_core::{Error, Interpolant, InvertibleInterpolant, PathCurve, PathSample, Scope, StandardNormal};
use tch::{Kind, Tensor};
use trial::{Trial, marginal_at, trial};

pub use crate::samples::Case;

/// A broken law of an interpolant.
pub type Broken = suite::Broken<Law, Case>;

/// Holds an interpolant to the laws of [`Interpolant`], on samples of every small shape.
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
    Suite::new(subject).check(build)
}

/// Holds an invertible interpolant to the laws of [`Interpolant`] and of its inverse.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check_invertible<I: InvertibleInterpolant>(
    subject: &str,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<(), Broken> {
    Suite::new(subject).check_invertible(build)
}

/// The suite with settings of its own: for a path that takes certain shapes only, or whose end is not exact.
///
/// ```
/// use strait_laws::interpolant::Suite;
/// # use strait_core::{Error, Interpolant, PathCurve, PathSample, per_sample};
/// # use tch::Tensor;
/// # struct Line;
/// # impl Interpolant for Line {
/// #     fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
/// #         let s = per_sample(t, x0);
/// #         Ok(PathSample { x_t: (1f64 - &s) * x0 + s * x1, velocity: x1 - x0 })
/// #     }
/// #     fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
/// #         let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
/// #         Ok(PathCurve { x_t, acceleration: velocity.zeros_like(), velocity })
/// #     }
/// # }
/// Suite::new("line, of images").events(&[&[1, 4, 4], &[3, 2, 2]]).check(|_, _| Ok(Line)).unwrap();
/// ```
#[derive(Debug)]
pub struct Suite<'a> {
    subject: &'a str,
    events: Events,
    end: [f64; 2],
    cases: u32,
}

impl<'a> Suite<'a> {
    /// Samples of every small shape, both endpoints to the bit.
    pub fn new(subject: &'a str) -> Self {
        Self { subject, events: Events::Small, end: [0.0, 0.0], cases: suite::CASES }
    }

    /// Samples of these shapes only.
    #[must_use]
    pub fn events(self, events: &[&[i64]]) -> Self {
        Self { events: Events::Of(events.iter().map(|event| event.to_vec()).collect()), ..self }
    }

    /// The path reaches $x_1$ to the error of a round trip of a bijection: $10^{-9}$ in float64, $10^{-3}$ in float32. Its
    /// velocity in float32 is then right within three times that, as the error goes with the path's speed.
    #[must_use]
    pub fn ends_by_round_trip(self) -> Self {
        Self { end: [1e-9, 1e-3], ..self }
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
    pub fn check<I: Interpolant>(
        &self,
        build: impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
    ) -> Result<(), Broken> {
        self.run(|case| {
            let trial = trial(case, &build)?;
            self.path_laws(&trial)?;
            if in_full(case) { path_gradients(&trial) } else { Ok(()) }
        })
    }

    /// As [`check_invertible`].
    ///
    /// # Errors
    /// The first broken law, on a shrunk case.
    pub fn check_invertible<I: InvertibleInterpolant>(
        &self,
        build: impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
    ) -> Result<(), Broken> {
        self.run(|case| {
            let trial = trial(case, &build)?;
            self.path_laws(&trial)?;
            if in_full(case) {
                path_gradients(&trial)?;
            }
            invertible::laws(&trial, in_full(case))
        })
    }

    fn run(&self, examine: impl Fn(&Case) -> Result<(), Fault>) -> Result<(), Broken> {
        suite::run(self.subject, Law::Runs, suite::config(self.cases), &self.events.cases(4), examine)
    }
}

/// Whether a case, one in eight, is also held to what takes longer than all else: gradients, batches of several endpoints,
/// and a second source.
fn in_full(case: &Case) -> bool {
    case.seed.is_multiple_of(8)
}

impl Suite<'_> {
    fn path_laws<I: Interpolant>(&self, trial: &Trial<I>) -> Result<(), Fault> {
        let Trial { path, single, x0, x1, t, .. } = trial;
        let sample = path.at(x0, x1, t).map_err(runs)?;
        let curve = path.curve(x0, x1, t).map_err(runs)?;
        for (what, part) in [
            ("the position", &sample.x_t),
            ("the velocity", &sample.velocity),
            ("the acceleration", &curve.acceleration),
        ] {
            if part.size() != x0.size() {
                return Err(Fault::new(Law::Shape, format!("{what} is {:?} for {:?}", part.size(), x0.size())));
            }
            hold(Law::Shape, what, part, &part.detach(), 0.0)?; // off by infinity where it is not finite
        }
        let float = |x: &Tensor| x.to_kind(Kind::Float);
        let [double_end, single_end] = self.end;
        endpoints(path, x0, x1, double_end)?;
        endpoints(single, &float(x0), &float(x1), single_end)?;

        // Central differences of the fourth order.
        let h = 2e-5;
        let moved = |steps: f64| path.at(x0, x1, &(t + steps * h)).map_err(runs);
        let (far, near) = ([moved(-2.0)?, moved(2.0)?], [moved(-1.0)?, moved(1.0)?]);
        let slope = |of: fn(&PathSample) -> &Tensor| {
            let change = |pair: &[PathSample; 2]| of(&pair[1]) - of(&pair[0]);
            (change(&near) * 8.0 - change(&far)) / (12.0 * h)
        };
        let position = path.position(x0, x1, t).map_err(runs)?;
        hold(Law::Position, "the position alone", &position, &sample.x_t, 1e-12)?;
        hold(Law::Velocity, "the velocity", &sample.velocity, &slope(|s| &s.x_t), 1e-6)?;
        hold(Law::Acceleration, "the position of `curve`", &curve.x_t, &sample.x_t, 1e-12)?;
        hold(Law::Acceleration, "the velocity of `curve`", &curve.velocity, &sample.velocity, 1e-12)?;
        hold(Law::Acceleration, "the acceleration", &curve.acceleration, &slope(|s| &s.velocity), 1e-6)?;

        for i in 0..x0.size()[0] {
            let row = |x: &Tensor| x.narrow(0, i, 1);
            let alone = path.at(&row(x0), &row(x1), &row(t)).map_err(runs)?;
            hold(Law::BatchSplit, "a position alone", &alone.x_t, &row(&sample.x_t), 1e-12)?;
            hold(Law::BatchSplit, "a velocity alone", &alone.velocity, &row(&sample.velocity), 1e-12)?;
        }

        let (end, early) = (x1.narrow(0, 0, 1).expand_as(x1), t * 0.95);
        let endpoints = Tensor::cat(&[&end, &end], 0);
        if let Some(found) = marginal_at(path, &StandardNormal::new(&x0.size()[1..]), x0, &endpoints, &early)? {
            let wanted = path.at(x0, &end, &early).map_err(runs)?;
            hold(Law::OneEnd, "the position of `marginal_at`", &found.x_t, &wanted.x_t, 1e-6)?;
            hold(Law::OneEnd, "the velocity of `marginal_at`", &found.velocity, &wanted.velocity, 1e-6)?;
        }

        let in_single = single.at(&float(x0), &float(x1), &float(t)).map_err(runs)?;
        let of_velocity = 1e-3f64.max(3.0 * single_end);
        for (what, found, wanted, tolerance) in [
            ("the position in float32", &in_single.x_t, &sample.x_t, 1e-3),
            ("the velocity in float32", &in_single.velocity, &sample.velocity, of_velocity),
        ] {
            if found.kind() != Kind::Float {
                return Err(Fault::new(Law::SinglePrecision, format!("{what} is {:?}", found.kind())));
            }
            hold(Law::SinglePrecision, what, &found.to_kind(Kind::Double), wanted, tolerance)?;
        }
        Ok(())
    }
}

fn path_gradients<I: Interpolant>(trial: &Trial<I>) -> Result<(), Fault> {
    let Trial { path, x0, x1, t, .. } = trial;
    trial.gradient("`at`", || {
        let PathSample { x_t, velocity } = path.at(x0, x1, t)?;
        Ok(vec![path.position(x0, x1, t)?, x_t, velocity])
    })?;
    trial.gradient("`curve`", || {
        let PathCurve { x_t, velocity, acceleration } = path.curve(x0, x1, t)?;
        Ok(vec![x_t, velocity, acceleration])
    })
}

fn endpoints(path: &impl Interpolant, x0: &Tensor, x1: &Tensor, at_end: f64) -> Result<(), Fault> {
    let batch = x0.size()[0];
    for (end, wanted, tolerance) in [(0.0, x0, 0.0), (1.0, x1, at_end)] {
        let t = Tensor::full([batch], end, (x0.kind(), x0.device()));
        let PathSample { x_t, velocity } = path.at(x0, x1, &t).map_err(runs)?;
        let position = path.position(x0, x1, &t).map_err(runs)?;
        let words = |what: &str| format!("{what} at t = {end} ({:?})", x0.kind());
        hold(Law::Endpoints, &words("the path"), &x_t, wanted, tolerance)?;
        hold(Law::Endpoints, &words("the position alone"), &position, wanted, tolerance)?;
        hold(Law::Endpoints, &words("the velocity"), &velocity, &velocity.detach(), 0.0)?; // that it is finite
    }
    Ok(())
}
