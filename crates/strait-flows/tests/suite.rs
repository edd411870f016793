//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-flows --test suite FILE::`.

mod edges;
mod faults;
mod kernels;
mod laws;
mod others;
mod reversible;
mod reversible_limits;
