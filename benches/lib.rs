//! Criterion benches of Strait.

pub mod peer;
pub mod iterations;
