//! The cost of a training step of a flow map, counted in flow-matching steps of the same network, in turns on one
//! thread.
//!
//! `cargo xtask bench flow_map_step`: a 3x64 MLP of two times, 512 pairs, gradients clipped. Prints the
//! median and range over the rounds, and the ratio to the same step compiled by `jax.jit`, in a scan, where JAX can be
//! had.

use std::process::ExitCode;
use strait_benches::iterations::{flow_map_trainer, milliseconds, plan};
use strait_benches::peer::{Failure, Rival, Rivals, Spread, run};
use strait_core::{Objective, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::Mixture;
use strait_optim::objectives::{FlowMatching, LagrangianDistillation, MeanFlow, ProgressiveDistillation};
use strait_optim::{LevelName, LevelPlan, Pairing, Spans, Trainer};
use strait_transport::Independent;
use tch::{Device, Kind};

const ROUNDS: usize = 15;
const STEPS: u32 = 300;
const BATCH: i64 = 512;

/// A step with a share of its pairs off the diagonal.
fn step(
    objective: impl Objective + Send + 'static,
    off_diagonal: f64,
    pairing: Pairing<'_>,
) -> Result<Trainer<'_>, Failure> {
    let spans = Spans { off_diagonal, from_start: 0.0 };
    Ok(flow_map_trainer(LevelPlan { spans, ..plan(LevelName::Velocity, BATCH, objective) }, pairing)?)
}

fn compare() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.316)?), Kind::Float, Device::Cpu)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let mut trainers = [
        ("flow matching", Some("flow_matching 0"), step(FlowMatching, 0.0, pairing)?),
        (
            "Lagrangian distillation, a quarter off the diagonal",
            Some("lagrangian 0.25"),
            step(LagrangianDistillation, 0.25, pairing)?,
        ),
        ("MeanFlow, a quarter off the diagonal", Some("mean_flow 0.25"), step(MeanFlow::default(), 0.25, pairing)?),
        (
            "MeanFlow, three quarters off the diagonal",
            Some("mean_flow 0.75"),
            step(MeanFlow::default(), 0.75, pairing)?,
        ),
        ("progressive distillation, a quarter off the diagonal", None, step(ProgressiveDistillation, 0.25, pairing)?),
    ];
    let mut round =
        || trainers.iter_mut().map(|(_, _, trainer)| milliseconds(trainer, STEPS)).collect::<Result<Vec<_>, _>>();
    round()?; // to warm up
    let rounds = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>, _>>()?;
    println!("3x64 MLP of two times, batch {BATCH}, one thread, {ROUNDS} rounds of {STEPS} steps:");
    for (i, (name, _, _)) in trainers.iter().enumerate() {
        let pairs: Vec<_> = rounds.iter().map(|round| (round[i], round[0])).collect();
        let (ms, steps) = (Spread::of(&pairs, |r| r.0), Spread::of(&pairs, |r| r.0 / r.1));
        println!("  {name:<52} {ms:.3} ms, {steps:.2} flow-matching steps");
    }
    for (name, work, trainer) in trainers {
        let Some(work) = work else { continue };
        println!("{name}:");
        let mut rivals =
            Rivals::start(&[Rival { name: "jax.jit of JAX {}", script: "compiled.py", arguments: &[], work }])?;
        let mut trainer = trainer;
        rivals.compare(("flow_map_step", name), ROUNDS, (&STEPS.to_string(), STEPS), || {
            Ok(milliseconds(&mut trainer, STEPS)?)
        })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    run("flow_map_step", compare)
}
