//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-optim --test suite FILE::`.

mod averages;
mod batch_parts;
mod checkpoints;
mod common;
mod conditions;
mod flow_map;
mod gradients;
mod marginal_straightness;
mod objectives;
mod optim;
mod own_network;
mod own_objective;
mod pair_ahead;
mod spans;
