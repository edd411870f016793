//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-report --test suite FILE::`.

mod browser;
mod probe;
mod report;
mod style;
