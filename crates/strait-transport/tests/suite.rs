//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-transport --test suite FILE::`.

mod assignment;
mod couplings;
mod distances;
mod exact;
mod laws;
mod mapped_ot;
mod pair_pool;
mod pair_store;
mod semidiscrete;
mod trajectory_store;
