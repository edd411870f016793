//! The cost of iterations that learn a path, counted in velocity steps, beside the same in eager PyTorch, on one
//! thread.
//!
//! `cargo xtask bench peer_iterations`; without torch only our own times are printed. Iterations are the optimizer's own: they draw their
//! batches, take the gradients, clip them and step AdamW. Everything takes turns within one run, and medians and ranges
//! of the ratios over the rounds are printed.

use std::process::ExitCode;
use strait_benches::iterations::{milliseconds, mlp, plan, trainer};
use strait_benches::peer::{Failure, Peer, Spread, keep, run};
use strait_core::{Interpolant, Parameters, Seed, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::Mixture;
use strait_nets::Mlp;
use strait_optim::objectives::{Energy, FlowMatching, Straightness, StraightnessConfig};
use strait_optim::{LevelName, LevelPlan, Pairing, Trainer};
use strait_paths::{Affine, AffineConfig, Along, Linear, Mixing};
use strait_transport::Independent;
use tch::{Device, Kind};

const ROUNDS: usize = 15;
const BATCH: i64 = 256;

/// What is timed.
#[derive(Clone, Copy, PartialEq)]
enum Iteration {
    /// A velocity step on the linear path.
    Linear,
    /// A velocity step on the affine path.
    Velocity,
    /// Two of them, and a step of the path on the energy with its acceleration penalty.
    Energy,
    /// A step of the path on the exact field's straightness.
    Straightness,
}

impl Iteration {
    const ALL: [Self; 4] = [Self::Linear, Self::Velocity, Self::Energy, Self::Straightness];

    /// As the peer knows it.
    fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Velocity => "velocity",
            Self::Energy => "energy",
            Self::Straightness => "straightness",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Linear => "velocity step, linear path",
            Self::Velocity => "velocity step, affine path",
            Self::Energy => "energy iteration",
            Self::Straightness => "straightness iteration",
        }
    }

    /// How many make a round; the peer, which is slower, takes a quarter of them.
    fn count(self) -> u32 {
        match self {
            Self::Linear | Self::Velocity => 120,
            Self::Energy | Self::Straightness => 40,
        }
    }

    fn levels(self) -> Result<Vec<LevelPlan>, Failure> {
        let velocity = |steps| LevelPlan { steps, ..plan(LevelName::Velocity, BATCH, FlowMatching) };
        Ok(match self {
            Self::Linear | Self::Velocity => vec![velocity(1)],
            Self::Energy => {
                vec![velocity(2), plan(LevelName::Interpolant, BATCH, Energy { acceleration: 2e-3 })]
            }
            Self::Straightness => {
                let (candidates, along) = (64, Along::Forward);
                let config = StraightnessConfig { candidates, times: 8, until: 0.9, floor: 1.0, along };
                let objective = Straightness::new(Box::new(StandardNormal::new(&[2])), config)?;
                vec![plan(LevelName::Interpolant, 128 + candidates, objective)]
            }
        })
    }
}

/// Iterations of one kind over a path of two layers of `width`.
fn iterations(iteration: Iteration, width: i64, pairing: Pairing<'_>) -> Result<Trainer<'_>, Failure> {
    let mut path = Parameters::new(Seed(0).below("path"), Kind::Float, Device::Cpu);
    let config = AffineConfig { dimensions: 2, mixing: Mixing::Triangular, log_scale_bound: 50.0 };
    let interpolant: Box<dyn Interpolant + Send> = match iteration {
        Iteration::Linear => Box::new(Linear),
        _ => Box::new(Affine::new(Mlp::new(&mlp(2, vec![width; 2], config.outputs()), &mut path.root())?, config)?),
    };
    Ok(trainer(interpolant, path, iteration.levels()?, &[], pairing)?)
}

/// What a round took, in the order of `Iteration::ALL`.
type Round = [f64; 4];

fn round(one: &mut dyn FnMut(Iteration) -> Result<f64, Failure>) -> Result<Round, Failure> {
    let mut found = [0.0; 4];
    for (into, iteration) in found.iter_mut().zip(Iteration::ALL) {
        *into = one(iteration)?;
    }
    Ok(found)
}

fn compare() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.316)?), Kind::Float, Device::Cpu)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    for width in [32, 64] {
        let mut peer = match Peer::start("iterations.py", &[&width.to_string()]) {
            Ok(found) => Some(found),
            Err(Failure::NoPeer(problem)) => {
                eprintln!("peer_iterations: without a peer: {problem}");
                None
            }
            Err(failure) => return Err(failure),
        };
        let trainers = Iteration::ALL.into_iter().map(|iteration| iterations(iteration, width, pairing));
        let mut trainers = trainers.collect::<Result<Vec<_>, _>>()?;
        let mut ours = |iteration: Iteration| Ok(milliseconds(&mut trainers[iteration as usize], iteration.count())?);
        let mut theirs = |iteration: Iteration| match &mut peer {
            Some((peer, _)) => {
                let count = iteration.count() / 4;
                let seconds = peer.seconds(&format!("{} {count}", iteration.name()))?;
                Ok(1e3 * seconds / f64::from(count))
            }
            None => Ok(f64::NAN),
        };
        (_, _) = (round(&mut ours)?, round(&mut theirs)?); // to warm up
        let mut rounds = vec![];
        for _ in 0..ROUNDS {
            rounds.push((round(&mut ours)?, round(&mut theirs)?));
        }
        print(width, &rounds, peer.as_ref().map(|(_, version)| version.as_str()))?;
    }
    Ok(())
}

fn print(width: i64, rounds: &[(Round, Round)], version: Option<&str>) -> Result<(), Failure> {
    println!(
        "3x64 velocity, batch {BATCH}, affine path 2x{width}, 128 points by 64 candidates, one thread, {ROUNDS} rounds:"
    );
    let spread = |of: &dyn Fn(&Round, &Round) -> f64| {
        Spread::of(&rounds.iter().map(|(a, b)| (of(a, b), 0.0)).collect::<Vec<_>>(), |r| r.0)
    };
    for iteration in Iteration::ALL {
        let (at, step, linear) = (iteration as usize, Iteration::Velocity as usize, Iteration::Linear as usize);
        let (ms, steps) = (spread(&|a, _| a[at]), spread(&|a, _| a[at] / a[step]));
        let of_linear = spread(&|a, _| a[at] / a[linear]);
        println!(
            "  {:<27} strait {ms:.3} ms, {steps:.2} velocity steps ({of_linear:.2} on the linear path)",
            iteration.words()
        );
        if let Some(version) = version {
            let (ms, steps) = (spread(&|_, b| b[at]), spread(&|_, b| b[at] / b[step]));
            let ratio = spread(&|a, b| a[at] / b[at]);
            println!(
                "  {:<27} torch {version} eager {ms:.3} ms, {steps:.2} of its velocity steps; ratio {ratio:.2}",
                ""
            );
            let case = format!("{}, path 2x{width}", iteration.words());
            let pairs: Vec<_> = rounds.iter().map(|(a, b)| (a[at], b[at])).collect();
            keep("peer_iterations", &case, &format!("torch {version}, eager"), &pairs)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    run("peer_iterations", compare)
}
