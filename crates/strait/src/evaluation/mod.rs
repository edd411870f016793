//! Evaluation: what a trained run is worth.

mod choose_average;
pub mod choose_solver;
pub mod classes;
pub mod diagnostics;
mod dynamics;
mod exact;
pub mod features;
pub mod gallery;
pub mod grids;
mod likelihood;
pub mod measure;
pub mod planar_lines;
pub mod reference;
pub mod samples;
pub mod scores;
pub mod stress;
mod trajectories;
