//! One law suite per Strait trait, for Strait's implementors and for your own.
//!
//! Each suite is a function for your tests: it generates cases, holds the implementor to every law of its trait, and
//! reports the first broken law in one line, on a case shrunk as far as it goes.

pub mod bijection;
pub mod coupling;
pub mod field;
pub mod interpolant;
mod samples;
pub mod stepper;
mod suite;

pub use suite::Broken;
