//! Sampling beside eager PyTorch's and that of `jax.jit` over a scan of the steps, in turns within one run, on one thread.
//!
//! `cargo xtask bench peer_sampling`, beside torch 2.13.0 and JAX 0.7.2. All take 100 Euler steps through a 3x64 MLP on [x, t] without gradients. Prints medians
//! with their ranges, and the ratio to each.

use std::process::ExitCode;
use std::time::Instant;
use strait_benches::peer::{Failure, Rival, Rivals, run};
use strait_core::{Parameters, Seed};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_ode::{Options, RungeKutta, TimeGrid, solve};
use tch::{Device, Kind};

const ROUNDS: usize = 15;
const STEPS: usize = 100;
const RIVALS: [Rival; 2] = [
    Rival { name: "torch {}, eager", script: "sampling.py", arguments: &[], work: "" },
    Rival { name: "jax.jit of JAX {}", script: "compiled.py", arguments: &[], work: "sample" },
];

fn main() -> ExitCode {
    run("peer_sampling", compare)
}

fn compare() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let config = MlpConfig {
        input: 2,
        hidden: vec![64; 3],
        output: 2,
        activation: Activation::Selu,
        time: TimeFeatures::Raw,
        zero_last: false,
    };
    let field = Mlp::new(&config, &mut parameters.root())?;
    let grid = TimeGrid::uniform(STEPS)?;
    let mut stepper = RungeKutta::euler();
    let mut rivals = Rivals::start(&RIVALS)?;
    for (points, repeats) in [(256i64, 20u32), (10_000, 2)] {
        let x = Seed(1).stream("source").at(0).normal(&[points, 2], Kind::Float, Device::Cpu)?;
        println!("{STEPS} Euler steps, 3x64 MLP, {points} points, one thread, {ROUNDS} rounds of {repeats}:");
        let case = format!("{points} points");
        rivals.compare(("peer_sampling", &case), ROUNDS, (&format!("{points} {repeats}"), repeats), || {
            let begun = Instant::now();
            for _ in 0..repeats {
                solve(&field, &x, &grid, &mut stepper, Options::default())?;
            }
            Ok(1e3 * begun.elapsed().as_secs_f64() / f64::from(repeats))
        })?;
    }
    Ok(())
}
