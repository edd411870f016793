//! A flow-matching training step beside eager PyTorch's, in turns within one run, on one thread.
//!
//! `cargo bench -p strait-benches --bench peer_training_step`, with `STRAIT_PYTHON` naming a Python that has torch
//! 2.13.0 (else `python3`). Both draw data, source and times, take the linear path, lower the flow-matching loss of a
//! 3x64 MLP on 512 pairs with its gradient clipped, and step AdamW. Prints the median and range of the ratios.

use std::process::ExitCode;
use strait_benches::iterations::{milliseconds, plan, trainer};
use strait_benches::peer::{Failure, Peer, Spread, run};
use strait_core::{Parameters, Seed, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::Mixture;
use strait_optim::objectives::FlowMatching;
use strait_optim::{LevelName, Pairing};
use strait_paths::Linear;
use strait_transport::Independent;
use tch::{Device, Kind};

const ROUNDS: usize = 15;
const STEPS: u32 = 400;

fn main() -> ExitCode {
    run("peer_training_step", compare)
}

fn compare() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.5)?), Kind::Float, Device::Cpu)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let nothing = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let mut trainer = trainer(Box::new(Linear), nothing, vec![plan(LevelName::Velocity, 512, FlowMatching)], pairing)?;

    for optimizer in ["default", "fused"] {
        let (mut peer, version) = Peer::start("training_step.py", &[optimizer])?;
        let mut ours = || -> Result<f64, Failure> { Ok(milliseconds(&mut trainer, STEPS)?) };
        let mut theirs = || -> Result<f64, Failure> { Ok(1e3 * peer.seconds(&STEPS.to_string())? / f64::from(STEPS)) };
        (_, _) = (ours()?, theirs()?); // to warm up
        let mut rounds = vec![];
        for _ in 0..ROUNDS {
            rounds.push((ours()?, theirs()?));
        }
        let (a, b) = (Spread::of(&rounds, |r| r.0), Spread::of(&rounds, |r| r.1));
        let ratio = Spread::of(&rounds, |r| r.0 / r.1);
        println!(
            "3x64 MLP, batch 512, one thread, {ROUNDS} rounds of {STEPS} steps: strait {a:.3} ms, torch {version} eager, \
             {optimizer} AdamW {b:.3} ms; ratio {ratio:.2}"
        );
    }
    Ok(())
}
