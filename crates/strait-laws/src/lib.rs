#![doc = include_str!("../README.md")]

pub mod bijection;
pub mod conditions;
pub mod coupling;
pub mod field;
pub mod flow_map;
mod gradient;
pub mod interpolant;
mod samples;
pub mod stepper;
mod suite;
pub mod through_tangent;

pub use suite::Broken;
