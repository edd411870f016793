//! A flow-matching training step beside eager PyTorch's, in turns within one run, on one thread.
//!
//! `cargo bench -p strait-benches --bench peer_training_step`, with `STRAIT_PYTHON` naming a Python that has torch
//! 2.13.0 (else `python3`). Both draw data, source and times, take the linear path, lower the flow-matching loss of a
//! 3x64 MLP on 512 pairs with its gradient clipped, and step AdamW. Prints the median and range of the ratios.

use std::process::ExitCode;
use std::time::Instant;
use strait_benches::peer::{Failure, Peer, Spread, run};
use strait_core::{Parameters, Seed, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::Mixture;
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::FlowMatching;
use strait_optim::{Decay, LearningRate, Level, LevelName, LevelPlan, Pairing, Phase, System, Term, Times, Trainer};
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
    let (device, kind, seed) = (Device::Cpu, Kind::Float, Seed(0));
    let toy = Mixture::eight_gaussians(5.0, 0.5)?;
    let data = ToyDataset::new(Box::new(toy), kind, device)?;
    let source = StandardNormal::new(&[2]);
    let config = MlpConfig {
        input: 2,
        hidden: vec![64; 3],
        output: 2,
        activation: Activation::Silu,
        time: TimeFeatures::Raw,
        zero_last: false,
    };
    let mut parameters = Parameters::new(seed, kind, device);
    let velocity = Mlp::new(&config, &mut parameters.root())?;
    let level = Level::new(LevelName::Velocity, parameters, &[])?;
    let system = System { interpolant: Box::new(Linear), velocity: Box::new(velocity), levels: vec![level] };
    let plan = LevelPlan {
        level: LevelName::Velocity,
        terms: vec![Term::of(FlowMatching)],
        steps: 1,
        batch: 512,
        times: Times::Uniform,
        noise: 0.0,
        rate: LearningRate { peak: 1e-3, warm_up: 0, decay: Decay::Constant },
        betas: (0.9, 0.999),
        weight_decay: 1e-2,
        clip: 1.0,
    };
    let phase = Phase { name: "bench".into(), turns: u64::MAX, levels: vec![plan], fresh: vec![] };
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let mut trainer = Trainer::new(system, vec![phase], pairing, seed)?;

    for optimizer in ["default", "fused"] {
        let (mut peer, version) = Peer::start("training_step.py", &[optimizer])?;
        let mut ours = || -> Result<f64, Failure> {
            let begun = Instant::now();
            for _ in 0..STEPS {
                trainer.turn()?;
            }
            trainer.log()?; // as a run does, every so often
            Ok(begun.elapsed().as_secs_f64())
        };
        ours()?;
        peer.seconds(&STEPS.to_string())?;
        let mut rounds = vec![];
        for _ in 0..ROUNDS {
            rounds.push((ours()?, peer.seconds(&STEPS.to_string())?));
        }
        let per_step = 1e3 / f64::from(STEPS);
        let (a, b) = (Spread::of(&rounds, |r| r.0 * per_step), Spread::of(&rounds, |r| r.1 * per_step));
        let ratio = Spread::of(&rounds, |r| r.0 / r.1);
        println!(
            "3x64 MLP, batch 512, one thread, {ROUNDS} rounds of {STEPS} steps: strait {a:.3} ms, torch {version} eager, \
             {optimizer} AdamW {b:.3} ms; ratio {ratio:.2}"
        );
    }
    Ok(())
}
