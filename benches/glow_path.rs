//! A training step of a Glow path through its derivative in t: its memory by depth, and its time beside normflows' layers.
//!
//! `cargo xtask bench glow_path`: $t x_1 + (1-t) F_t(x_0; x_1)$ of 28x28 images, a Glow of two levels that sees $(x_1, t)$, batch 32,
//! $E|u|^2$ with $u = \partial_t x_t$, its gradient clipped, AdamW, on one thread. Memory is by how much three steps raise the
//! peak of a process of their own over what it held before, for 4 and 32 steps of Glow in each level; time is taken in turns
//! with the same path of normflows' layers in eager PyTorch (`torch.func.jvp` in t, and backward).

use std::process::{Command, ExitCode};
use strait_benches::iterations::{milliseconds, plan};
use strait_benches::peer::{Failure, Peer, Spread, keep, run};
use strait_benches::unet::Noise;
use strait_core::{Parameters, Seed};
use strait_flows::{Gate, Glow, Plan, Reversible};
use strait_nets::{Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::{FlowMatching, SquaredVelocity};
use strait_optim::{Level, LevelName, Pairing, Phase, System, Trainer};
use strait_paths::GlowPath;
use tch::{Device, Kind};

const BATCH: i64 = 32;
const DEPTHS: [usize; 2] = [4, 32];
const ROUNDS: usize = 9;
/// Depth and whether it is reversible, of each child.
const CHILD: &str = "STRAIT_GLOW_PATH";

fn main() -> ExitCode {
    match std::env::var(CHILD) {
        Ok(way) => run("glow_path", || memory(&way)),
        Err(_) => run("glow_path", all),
    }
}

fn trainer(depth: usize, batch: i64, reversible: bool) -> Result<Trainer<'static>, Failure> {
    let mut of_path = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let plan_of = Plan { steps: depth, hidden: &[32, 32], context: &[1, 28, 28], gate: Gate::Start, ..Plan::default() };
    let glow = Glow::image(&mut of_path.root(), [1, 28, 28], 2, &plan_of)?;
    let mut of_velocity = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
    let small = MlpConfig {
        input: 784,
        hidden: vec![1],
        output: 784,
        activation: strait_nets::Activation::Silu,
        time: TimeFeatures::Raw,
        zero_last: true,
    };
    let velocity = Box::new(Mlp::new(&small, &mut of_velocity.root())?);
    let levels =
        vec![Level::new(LevelName::Velocity, of_velocity, &[])?, Level::new(LevelName::Interpolant, of_path, &[])?];
    let system = if reversible {
        System { interpolant: Box::new(GlowPath::new(Reversible::new(glow))), velocity, levels }
    } else {
        System { interpolant: Box::new(GlowPath::new(glow)), velocity, levels }
    };
    let phase =
        |name: &str, iterations, level| Phase { name: name.into(), iterations, levels: vec![level], fresh: vec![] };
    let phases = vec![
        phase("bench", u64::MAX / 2, plan(LevelName::Interpolant, batch, SquaredVelocity)),
        phase("fit", 1, plan(LevelName::Velocity, 1, FlowMatching)), // never reached
    ];
    Ok(Trainer::new(system, phases, Pairing::Stored(&Noise), Seed(0))?)
}

/// What this process has held at most, and holds, in MiB.
fn held() -> Result<(f64, f64), Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
    };
    Ok((of("VmHWM"), of("VmRSS")))
}

/// In a child: MiB more, and milliseconds a step.
fn memory(way: &str) -> Result<(), Failure> {
    tch::set_num_threads(1);
    let reversible = way.ends_with("reversible");
    let depth = way.split(' ').next().and_then(|depth| depth.parse().ok()).unwrap_or(DEPTHS[0]);
    // What the library sets up for itself at its first use.
    milliseconds(&mut trainer(1, 1, reversible)?, 1)?;
    let mut trainer = trainer(depth, BATCH, reversible)?;
    let (_, before) = held()?;
    let time = milliseconds(&mut trainer, 3)?;
    let (most, _) = held()?;
    println!("{} {most} {time}", most - before);
    Ok(())
}

fn all() -> Result<(), Failure> {
    for way in ["ordinary", "reversible"] {
        let mut first = None;
        for depth in DEPTHS {
            let name = format!("{depth} {way}");
            let child = Command::new(std::env::current_exe()?).env(CHILD, &name).output()?;
            let said = String::from_utf8_lossy(&child.stdout).into_owned();
            let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let [memory, most, time] = numbers[..] else {
                return Err(Failure::Other(format!("{name}: {said}{}", String::from_utf8_lossy(&child.stderr))));
            };
            let (of, of_all) = *first.get_or_insert((memory, most));
            println!(
                "{way}, depth {depth}: {memory:.0} MiB more, {:.2} of depth {}; {most:.0} in all, {:.2}; {time:.0} ms a step",
                memory / of,
                DEPTHS[0],
                most / of_all
            );
        }
    }
    tch::set_num_threads(1);
    let (mut peer, version) = Peer::start("glow_path.py", &[])?;
    println!("strait against {version}, one thread, {ROUNDS} rounds of a step in turns");
    for depth in DEPTHS {
        let mut ours = [trainer(depth, BATCH, false)?, trainer(depth, BATCH, true)?];
        let request = format!("{depth} 1");
        for trainer in &mut ours {
            milliseconds(trainer, 1)?;
        }
        peer.seconds(&request)?;
        let mut rounds = [vec![], vec![]];
        for _ in 0..ROUNDS {
            let [ordinary, reversible] = &mut ours;
            let times = [milliseconds(ordinary, 1)?, milliseconds(reversible, 1)?];
            let theirs = 1e3 * peer.seconds(&request)?;
            for (rounds, time) in rounds.iter_mut().zip(times) {
                rounds.push((time, theirs));
            }
        }
        println!("depth {depth}: theirs {:.0} ms", Spread::of(&rounds[0], |r| r.1));
        for (way, rounds) in ["ordinary", "reversible"].iter().zip(&rounds) {
            let (time, ratio) = (Spread::of(rounds, |r| r.0), Spread::of(rounds, |r| r.0 / r.1));
            println!("depth {depth}, {way}: strait {time:.0} ms; ratio {ratio:.2}");
            keep("glow_path", &format!("depth {depth}, {way}"), &version, rounds)?;
        }
    }
    Ok(())
}
