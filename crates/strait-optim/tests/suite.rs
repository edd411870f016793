//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-optim --test suite FILE::`.

mod ahead;
mod averages;
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
mod parts;
mod spans;
