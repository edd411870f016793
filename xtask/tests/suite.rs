//! All tests of this crate in one executable, which links and starts once: `cargo test -p xtask --test suite FILE::`.

mod api;
mod documents;
mod errors;
mod faults;
mod floors;
mod laws;
mod packages;
mod program;
mod sources;
mod stages;
mod tidy;
mod words;
