//! The memory of a U-Net's training step, and what it costs in time to need less.
//!
//! `cargo bench -p strait-benches --bench unet_memory`: the network, batch and step of `peer_unet_step`, on one thread; as it
//! is, in four parts, with gradient checkpointing, and with both. Each is a process of its own, since the peak is the
//! process's: it prints by how much the peak has grown over what the process held before its first step, and the time of a
//! step, and both in units of the first.

use std::process::{Command, ExitCode};
use strait_benches::iterations::{milliseconds, plan};
use strait_benches::peer::{Failure, run};
use strait_benches::unet::{self, Noise};
use strait_core::Seed;
use strait_optim::objectives::FlowMatching;
use strait_optim::{LevelName, LevelPlan, Pairing, Phase, Trainer};

const WAYS: [(&str, u32, bool); 4] =
    [("as it is", 1, false), ("in 4 parts", 4, false), ("checkpointed", 1, true), ("both", 4, true)];
const STEPS: u32 = 12;

fn main() -> ExitCode {
    // A child is named by its way's number.
    match std::env::var("STRAIT_UNET_MEMORY").ok().and_then(|way| WAYS.get(way.parse::<usize>().ok()?)) {
        Some(&(_, parts, checkpointing)) => run("unet_memory", || one(parts, checkpointing)),
        None => run("unet_memory", all),
    }
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

fn one(parts: u32, checkpointing: bool) -> Result<(), Failure> {
    tch::set_num_threads(1);
    let system = unet::system(checkpointing)?;
    let level = LevelPlan { parts, ..plan(LevelName::Velocity, 128, FlowMatching) };
    let phases = vec![Phase { name: "bench".into(), iterations: u64::MAX / 2, levels: vec![level], fresh: vec![] }];
    let mut trainer = Trainer::new(system, phases, Pairing::Stored(&Noise), Seed(0))?;
    let (_, before) = held()?;
    let mut times: Vec<f64> = (0..STEPS).map(|_| milliseconds(&mut trainer, 1)).collect::<Result<_, _>>()?;
    times.sort_by(f64::total_cmp);
    println!("{} {}", held()?.0 - before, times[times.len() / 2]);
    Ok(())
}

fn all() -> Result<(), Failure> {
    let mut first = None;
    for (way, (name, ..)) in WAYS.iter().enumerate() {
        let child = Command::new(std::env::current_exe()?).env("STRAIT_UNET_MEMORY", way.to_string()).output()?;
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [memory, time] = numbers[..] else {
            return Err(Failure::Other(format!("{name}: {said}{}", String::from_utf8_lossy(&child.stderr))));
        };
        let (of_memory, of_time) = *first.get_or_insert((memory, time));
        println!(
            "{name:<13} {memory:>5.0} MiB more, {:.2}; {time:>5.0} ms a step, {:.2}",
            memory / of_memory,
            time / of_time
        );
    }
    Ok(())
}
