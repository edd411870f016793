//! Training: a run from its first step to its last, and the teachers before it.

pub mod context;
mod gaussian;
pub mod models;
mod preview;
pub mod reflow;
pub mod training_run;
