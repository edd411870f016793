//! Evaluation: what a trained run is worth.

pub mod averages;
pub mod diagnostics;
pub mod exact;
pub mod features;
pub mod grids;
pub mod likelihood;
pub mod measure;
pub mod scores;
pub mod stress;
