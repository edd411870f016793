//! Criterion benches of Strait.

pub mod iterations;
pub mod peer;
pub mod unet;
