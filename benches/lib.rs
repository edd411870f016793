//! Criterion benches of Strait.
