//! The Strait program: train, sample, evaluate and report flows with learned interpolants.
//!
//! `config` says what a run is, [`build`] makes its objects, [`track`] trains, [`measure`] measures, [`page`] fills the
//! report, and a [`run_folder`] holds it all.

pub mod averages;
mod begun;
pub mod build;
pub mod compare;
pub mod comparison;
pub mod config;
pub mod diagnostics;
mod error;
pub mod evaluate;
pub mod exact;
pub mod features;
mod gaussian;
pub mod grids;
pub mod likelihood;
pub mod measure;
pub mod methods;
pub mod one_step;
pub mod page;
pub mod reflow;
pub mod run_folder;
pub mod sample;
pub mod scores;
pub mod session;
pub mod setting;
pub mod stress;
pub mod summary;
pub mod track;
pub mod train;

pub use error::ProgramError;
