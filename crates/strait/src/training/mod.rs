//! Training: a run from its first step to its last, and the teachers before it; and loading, which only reads.

pub mod context;
mod gaussian;
mod iterate;
pub mod made_pairs;
pub mod models;
mod preview;
pub mod threads;
pub mod training_run;
