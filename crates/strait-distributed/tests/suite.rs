//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-distributed --test suite FILE::`.

#[cfg(feature = "gloo")]
mod common;
mod group;
mod training;
