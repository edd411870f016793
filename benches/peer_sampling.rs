//! Sampling beside eager PyTorch's, in turns within one run, on one thread.
//!
//! `cargo bench -p strait-benches --bench peer_sampling`, with `STRAIT_PYTHON` naming a Python that has torch 2.13.0
//! (else `python3`). Both take 100 Euler steps through a 3x64 MLP on [x, t] without gradients. Prints the median and
//! range of the ratios.

use std::process::ExitCode;
use std::time::Instant;
use strait_benches::peer::{Failure, Peer, Spread, run};
use strait_core::{Parameters, Seed};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_ode::{Options, RungeKutta, TimeGrid, solve};
use tch::{Device, Kind};

const ROUNDS: usize = 15;
const STEPS: usize = 100;

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
    let (mut peer, version) = Peer::start("sampling.py", &[])?;
    for (points, repeats) in [(256i64, 20), (10_000, 2)] {
        let x = Seed(1).stream("source").at(0).normal(&[points, 2], Kind::Float, Device::Cpu)?;
        let mut ours = || -> Result<f64, Failure> {
            let begun = Instant::now();
            for _ in 0..repeats {
                solve(&field, &x, &grid, &mut stepper, Options::default())?;
            }
            Ok(begun.elapsed().as_secs_f64())
        };
        let request = format!("{points} {repeats}");
        ours()?;
        peer.seconds(&request)?;
        let mut rounds = vec![];
        for _ in 0..ROUNDS {
            rounds.push((ours()?, peer.seconds(&request)?));
        }
        let each = 1e3 / f64::from(repeats);
        let (a, b) = (Spread::of(&rounds, |r| r.0 * each), Spread::of(&rounds, |r| r.1 * each));
        let ratio = Spread::of(&rounds, |r| r.0 / r.1);
        println!(
            "{STEPS} Euler steps, 3x64 MLP, {points} points, one thread, {ROUNDS} rounds of {repeats}: strait {a:.2} ms, \
             torch {version} eager {b:.2} ms; ratio {ratio:.2}"
        );
    }
    Ok(())
}
