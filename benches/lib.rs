//! Criterion benches of Strait.

pub mod peer;
