//! The laws of [`Bijection`], in float64 and once in float32, on perturbed parameters, over generated shapes, contexts,
//! times and inputs.
//!
//! [`check`] builds the layer afresh for every case, moves each of its parameters by normal noise (at initialisation
//! most log-determinants are zero, and a wrong one would pass), and checks every [`Law`]. It reports the first broken
//! law in one line, on a case that is shrunk as far as possible. There are 96 cases by default; the environment
//! variable `PROPTEST_CASES` sets another number. The same cases are drawn in every run.
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
mod law;
mod trial;

pub use case::{Case, Domain};
pub use law::Law;

use crate::suite;
use strait_core::{Bijection, Error, Scope};

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
    suite::run(subject, Law::Runs, domain.config.clone(), &domain.strategy(), |case| trial::examine(case, &build))
}
