//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-laws --test suite FILE::`.

mod stepper;
mod through_tangent;
