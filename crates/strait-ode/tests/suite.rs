//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-ode --test suite FILE::`.

mod adaptive;
mod common;
mod conditions;
mod field_arguments;
mod fixed_step;
mod flow_map;
mod grid_search;
mod laws;
mod likelihood;
