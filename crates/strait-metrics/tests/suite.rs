//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-metrics --test suite FILE::`.

mod dynamics;
mod features;
mod lite0;
mod path_motion;
mod torch_script;
