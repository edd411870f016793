//! A flow-matching training step beside eager PyTorch's, in turns within one run, on one thread.
//!
//! `cargo bench -p strait-benches --bench peer_training_step`, with `STRAIT_PYTHON` naming a Python that has torch
//! 2.13.0 (else `python3`). Both draw data, source and times, take the linear path, lower the flow-matching loss of a
//! 3x64 MLP on 512 pairs with its gradient clipped, and step AdamW. Prints the median and range of the ratios.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;
use strait_core::{Parameters, Seed, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::Mixture;
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::FlowMatching;
use strait_optim::{Decay, LearningRate, Level, LevelName, LevelPlan, Pairing, Phase, System, Times, Trainer};
use strait_paths::Linear;
use strait_transport::Independent;
use tch::{Device, Kind};

const ROUNDS: usize = 15;
const STEPS: u32 = 400;

struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the peer and reads its first line, its version.
    fn start(optimizer: &str) -> Result<(Self, String), String> {
        let python = std::env::var("STRAIT_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/training_step.py");
        let mut child = Command::new(&python)
            .args([script, optimizer])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{python}: {error}"))?;
        let to = child.stdin.take().ok_or("no standard input")?;
        let from = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut peer = Self { child, to, from };
        let version = peer.line().map_err(|_| {
            format!(
                "{python} cannot import torch: set STRAIT_PYTHON to a Python with `pip install torch==2.13.0 numpy`"
            )
        })?;
        Ok((peer, version))
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.is_empty() { Err("the peer stopped".into()) } else { Ok(line.trim().to_owned()) }
    }

    fn seconds(&mut self, steps: u32) -> Result<f64, String> {
        writeln!(self.to, "{steps}").map_err(|error| error.to_string())?;
        self.line()?.parse().map_err(|_| "the peer answered with no number".to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> ExitCode {
    // `cargo bench FILTER` hands its filter to every bench.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"peer_training_step".contains(&filter)) {
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::NoPeer(problem)) => {
            eprintln!("peer_training_step: left out: {problem}");
            ExitCode::SUCCESS
        }
        Err(Failure::Other(problem)) => {
            eprintln!("peer_training_step: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Why there is no comparison.
enum Failure {
    /// This machine has no peer to compare with.
    NoPeer(String),
    /// Anything else.
    Other(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.to_string())
    }
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
    let level = Level::new(LevelName::Velocity, parameters, None)?;
    let system = System { interpolant: Box::new(Linear), velocity: Box::new(velocity), levels: vec![level] };
    let plan = LevelPlan {
        level: LevelName::Velocity,
        objective: Box::new(FlowMatching),
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
        let (mut peer, version) = Peer::start(optimizer).map_err(Failure::NoPeer)?;
        let mut ours = || -> Result<f64, Failure> {
            let begun = Instant::now();
            for _ in 0..STEPS {
                trainer.turn()?;
            }
            trainer.log()?; // as a run does, every so often
            Ok(begun.elapsed().as_secs_f64())
        };
        ours()?;
        peer.seconds(STEPS).map_err(Failure::Other)?;
        let mut rounds = vec![];
        for _ in 0..ROUNDS {
            let (a, b) = (ours()?, peer.seconds(STEPS).map_err(Failure::Other)?);
            rounds.push((a, b, a / b));
        }
        let per_step = 1e3 / f64::from(STEPS);
        let spread = |pick: fn(&(f64, f64, f64)) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            (values[0], values[values.len() / 2], values[values.len() - 1])
        };
        let (a, b, ratio) = (spread(|r| r.0), spread(|r| r.1), spread(|r| r.2));
        println!(
            "3x64 MLP, batch 512, one thread, {ROUNDS} rounds of {STEPS} steps: strait {:.3} ms ({:.3} to {:.3}), torch \
             {version} eager, {optimizer} AdamW {:.3} ms ({:.3} to {:.3}); ratio {:.2} ({:.2} to {:.2})",
            a.1 * per_step,
            a.0 * per_step,
            a.2 * per_step,
            b.1 * per_step,
            b.0 * per_step,
            b.2 * per_step,
            ratio.1,
            ratio.0,
            ratio.2
        );
    }
    Ok(())
}
