#![doc = include_str!("../README.md")]
//!
//! It works in stages. [`config`] defines a run, [`build`] makes its objects, [`run`] is its folder and the records
//! in it, [`training`] trains, [`evaluation`] measures, [`comparison`] compares methods, [`page`] fills the
//! report, and [`cli`] joins the stages into commands. `xtask/tests/stages.rs` tests which stage may import which.

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
