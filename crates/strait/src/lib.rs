//! The Strait program: train, sample, evaluate and report flows with learned interpolants.
//!
//! It works in stages. [`config`] says what a run is, [`build`] makes its objects, [`run`] is its folder and the records
//! in it, [`training`] trains, [`evaluation`] measures, [`comparison`] sets methods side by side, [`page`] fills the
//! report, and [`cli`] joins the stages into commands. Which stage may import which is held by `xtask/tests/stages.rs`.

pub mod build;
pub mod cli;
pub mod comparison;
pub mod config;
mod error;
pub mod evaluation;
pub mod page;
pub mod run;
pub mod training;

pub use error::ProgramError;
