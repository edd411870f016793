#![doc = include_str!("../README.md")]

pub mod bijection;
pub mod coupling;
pub mod field;
mod gradient;
pub mod interpolant;
mod samples;
pub mod stepper;
mod suite;

pub use suite::Broken;
