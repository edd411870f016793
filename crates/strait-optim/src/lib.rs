//! The multi-level optimizer: levels (which parameters), objectives (what is lowered), phases (who steps how often),
//! with all optimizer state in plain tensors, so that a run resumes to the bit.
//!
//! A run is a list of [`Phase`]s. In each, every level named takes its steps in turn; the last phase always fits a
//! velocity on a frozen interpolant. [`Trainer`] takes turns; the caller owns the loop, the log and the
//! [`checkpoint`]s.

pub mod checkpoint;
mod ema;
mod error;
mod level;
mod multilevel;
pub mod objectives;
mod phase;
mod schedule;
mod term;
mod times;

pub use ema::Ema;
pub use error::OptimError;
pub use level::{Level, LevelName};
pub use multilevel::{LevelLog, Pairing, Position, System, Trainer};
pub use phase::{LevelPlan, Phase, check_plan};
pub use schedule::{Decay, LearningRate};
pub use term::Term;
pub use times::Times;
