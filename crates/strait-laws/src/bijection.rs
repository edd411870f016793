//! The laws of [`Bijection`], in float64 and once in float32, on perturbed parameters, over generated shapes, contexts,
//! times and inputs.
//!
//! [`check`] builds the layer afresh for every case, moves each of its parameters by normal noise (at initialisation
//! most log-determinants are zero, and a wrong one would pass), and holds it to every [`Law`]. It reports the first
//! broken one in a line, on a case shrunk as far as it goes. 256 cases by default; the environment variable
//! `PROPTEST_CASES` sets another number. The same cases are drawn in every run.
//!
//! A layer of your own, in three lines:
//!
//! ```
//! use strait_core::{Bijection, Condition, Error, Init, Scope, Transformed, sum_per_sample};
//! use strait_laws::bijection::{Domain, check};
//! use tch::Tensor;
//!
//! struct Scale(Tensor); // y = exp(s) x
//! impl Scale {
//!     fn new(scope: &mut Scope<'_>, d: i64) -> Result<Self, Error> {
//!         Ok(Self(scope.tensor("log_scale", &[d], Init::Constant(0.0))?))
//!     }
//! }
//! impl Bijection for Scale {
//!     fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
//!         Ok(Transformed { value: x * self.0.exp(), log_det: sum_per_sample(&self.0.expand_as(x)) })
//!     }
//!     fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
//!         Ok(Transformed { value: y * (-&self.0).exp(), log_det: -sum_per_sample(&self.0.expand_as(y)) })
//!     }
//! }
//!
//! check("scale", &Domain::vectors(1..=6), |case, scope| Scale::new(scope, case.event[0])).unwrap();
//! ```

mod case;
mod derivatives;
mod trial;

pub use case::{Case, Domain};

use crate::suite;
use strait_core::{Bijection, Error, Scope};

/// What every bijection must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and neither direction fails.
    Runs,
    /// As many numbers come out as go in, batch first, and the log-determinant is (B,).
    Shape,
    /// Every value is finite.
    Finite,
    /// The same input has the same output to the bit, whatever was called in between: nothing initialises itself.
    Pure,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// $f^{-1}(f(x)) = x$ and $f(f^{-1}(y)) = y$, within $10^{-10}$.
    RoundTrip,
    /// The two directions' log-determinants at corresponding points are opposite.
    Opposite,
    /// The log-determinant of each sample is that of the autograd Jacobian, within $10^{-8}$, in both directions.
    LogDet,
    /// Along one random direction in the input, the condition and all parameters at once, the gradients of value and
    /// log-determinant are their central difference, in both directions. At a time of 0 or 1 that in t need only be
    /// finite.
    Gradient,
    /// The forward-mode derivatives of value and log-determinant along $(\dot x, \dot t)$ are the reverse-mode ones,
    /// and that of the value can itself be differentiated.
    ForwardMode,
    /// `push`, where a layer has it, is the image of a point that moves with two derivatives: those of libtorch.
    Push,
    /// Another instance that is given the same parameters by name has the same output to the bit.
    Restore,
    /// Another one in float32, with the same parameters and inputs, has outputs of its own kind, those of float64
    /// within 0.05: as many of its digits as `RoundTrip` asks for.
    SinglePrecision,
}

impl Law {
    /// Every law, in the order in which they are held against a case.
    pub const ALL: [Law; 13] = [
        Law::Runs,
        Law::Shape,
        Law::Finite,
        Law::Pure,
        Law::BatchSplit,
        Law::RoundTrip,
        Law::Opposite,
        Law::LogDet,
        Law::Gradient,
        Law::ForwardMode,
        Law::Push,
        Law::Restore,
        Law::SinglePrecision,
    ];
}

/// A broken law of a bijection.
pub type Broken = suite::Broken<Law, Case>;

/// Holds a bijection to every law, over the cases of a domain.
///
/// `build` makes the layer for a case, its parameters in the scope; it is called anew for each case.
///
/// # Errors
/// The first broken law, on a shrunk case.
pub fn check<B: Bijection>(
    subject: &str,
    domain: &Domain,
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>,
) -> Result<(), Broken> {
    suite::run(subject, Law::Runs, suite::config(), &domain.cases(), |case| trial::examine(case, &build))
}
