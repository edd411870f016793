//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-paths --test suite FILE::`.

mod affine_curve;
mod affine_field;
mod chain_field;
mod common;
mod effective_size;
mod exact_field;
mod faults;
mod fields;
mod flow_map;
mod laws;
