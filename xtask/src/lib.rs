//! `cargo xtask`: finds or fetches libtorch and data, then runs Strait's program, tests, benches and docs.
//!
//! It depends on no crate of the workspace and not on tch, so that it compiles in seconds on a bare machine.
//! Everything that reaches out to a network is here; the crates only read files.
#![cfg(unix)]

/// Prints a line; a reader that has gone away is no reason to stop.
macro_rules! say {
    ($($word:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($word)*);
    }};
}

/// As `say`, to stderr.
macro_rules! tell {
    ($($word:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($word)*);
    }};
}

mod archive;
mod bench;
mod cache;
mod circumstances;
mod command;
mod data;
mod doctor;
mod drill_ranks;
mod export;
mod failure;
mod gloo;
mod launch;
mod leaderboard;
mod libtorch;
mod mathematics;
mod memory;
mod mutate;
mod pip;
mod progress;
mod python;
mod python_environment;
mod ratios;
mod run;
mod tasks;
mod wheel;
mod workspace;

use std::ffi::OsString;

/// Runs `cargo xtask ARGUMENTS...` and returns its exit code; what went wrong is one line on stderr.
pub fn main(arguments: impl Iterator<Item = OsString>) -> i32 {
    let arguments: Vec<OsString> = arguments.collect();
    command::dispatch(&arguments).unwrap_or_else(|failure| {
        tell!("error: {failure}");
        1
    })
}
