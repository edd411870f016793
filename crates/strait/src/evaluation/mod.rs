//! Evaluation: what a trained run is worth.

mod choose_average;
pub mod choose_solver;
pub mod classes;
pub mod classifier;
pub mod diagnostics;
mod dynamics;
mod exact_field;
pub mod features;
pub mod gallery;
mod likelihood;
pub mod measure;
pub mod planar_lines;
pub mod reference;
pub mod samples;
pub mod scores;
pub mod stress;
pub mod time_grids;
mod trajectories;
