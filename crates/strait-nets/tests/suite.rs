//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-nets --test suite FILE::`.

mod conditions;
mod conv_net;
mod flow_map;
mod laws;
mod mlp;
mod networks;
mod reference;
