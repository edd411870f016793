//! A flow-matching training step beside eager PyTorch's and that of `jax.jit` over a scan of whole steps, in turns within one
//! run, on one thread.
//!
//! `cargo xtask bench peer_training_step`, beside torch 2.13.0 and JAX 0.7.2. All draw data, source and times, take the linear path, lower the
//! flow-matching loss of a 3x64 MLP on 512 pairs with its gradient clipped, step AdamW, and take the parameters into a moving
//! average. Prints medians with their ranges, and the ratio to each.

use std::process::ExitCode;
use strait_benches::iterations::{milliseconds, plan, trainer};
use strait_benches::peer::{Failure, Rival, Rivals, run};
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
const RIVALS: [Rival; 3] = [
    Rival { name: "torch {}, eager", script: "training_step.py", arguments: &["default"], work: "" },
    Rival { name: "torch {}, eager, fused AdamW", script: "training_step.py", arguments: &["fused"], work: "" },
    Rival { name: "jax.jit of JAX {}", script: "compiled.py", arguments: &[], work: "velocity" },
];

fn main() -> ExitCode {
    run("peer_training_step", compare)
}

fn compare() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.5)?), Kind::Float, Device::Cpu)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let nothing = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let plans = vec![plan(LevelName::Velocity, 512, FlowMatching)];
    let mut trainer = trainer(Box::new(Linear), nothing, plans, &[700.0], pairing)?;
    let mut rivals = Rivals::start(&RIVALS)?;
    println!("3x64 MLP, batch 512, one thread, {ROUNDS} rounds of {STEPS} steps:");
    rivals.compare(("peer_training_step", "3x64 MLP, batch 512"), ROUNDS, (&STEPS.to_string(), STEPS), || {
        Ok(milliseconds(&mut trainer, STEPS)?)
    })
}
