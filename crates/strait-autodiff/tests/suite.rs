//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-autodiff --test suite FILE::`.

mod derivatives;
mod draws;
mod fragile;
mod operations;
mod operations_of_parts;
mod optimizer;
mod recomputed;
