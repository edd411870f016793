//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-ode --test suite FILE::`.

mod adaptive;
mod arguments;
mod common;
mod conditions;
mod fixed_step;
mod flow_map;
mod laws;
mod likelihood;
mod search;
