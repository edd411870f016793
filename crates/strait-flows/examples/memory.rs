//! Peak memory and time of a training step against depth, ordinary and reversible.
//!
//! `cargo run --release -p strait-flows --example memory`
//!
//! Each number comes from a process of its own. Memory is the peak of its resident set, minus what it held before the
//! flow was built (the library, after a first run on sixteen points, and the data). It is given twice: with glibc's
//! default allocator, which includes memory that the allocator could not use again, and with every tensor mapped
//! separately, which is the live memory. Time is with the default allocator. Linux only.

use std::time::Instant;
use strait_flows::strait_core::{Condition, Error, Parameters, Seed};
use strait_flows::tch::{self, Device, Kind};
use strait_flows::{Base, Density, Glow, Memory, Plan};

const BATCH: i64 = 16384;
const WIDTH: i64 = 32;

fn density(depth: usize) -> Result<(Parameters, Density<Glow>), Error> {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let plan = Plan { steps: depth, hidden: &[32, 32], ..Plan::default() };
    let flow = Glow::vector(&mut parameters.root(), WIDTH, &plan)?;
    Ok((parameters, Density::new(flow, Base::standard(&[WIDTH], Kind::Float, Device::Cpu))))
}

/// A line of /proc/self/status, in MiB.
fn resident(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok())
        .map_or(f64::NAN, |kib: f64| kib / 1024.0)
}

fn measure(depth: usize, memory: Memory) -> Result<(), Error> {
    tch::set_num_threads(1);
    let x = Seed(0).stream("x").at(0).normal(&[BATCH, WIDTH], Kind::Float, Device::Cpu)?;
    // What the library sets up for itself at its first use.
    self::density(1)?.1.likelihood(&x.narrow(0, 0, 16), Condition::NONE, memory)?;
    let before = resident("VmRSS:");
    let (_, density) = density(depth)?;
    let mut seconds = f64::INFINITY;
    for _ in 0..5 {
        let begin = Instant::now();
        density.likelihood(&x, Condition::NONE, memory)?;
        seconds = seconds.min(begin.elapsed().as_secs_f64());
    }
    print!("{:9.1} MiB {:9.1} ms", resident("VmHWM:") - before, seconds * 1e3);
    Ok(())
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, depth, memory] = &arguments[..] {
        let memory = if memory == "reversible" { Memory::Reversible } else { Memory::Ordinary };
        return measure(depth.parse().unwrap_or(1), memory);
    }
    println!(
        "batch {BATCH}, {WIDTH} dimensions, one thread, 5 steps: peak and best time, then the peak of what is alive"
    );
    for memory in ["ordinary", "reversible"] {
        for depth in ["4", "16", "64"] {
            print!("{memory:10} depth {depth:2}");
            for threshold in [None, Some("65536")] {
                let mut child = std::process::Command::new(std::env::current_exe().map_err(Error::other)?);
                child.args([depth, memory]).envs(threshold.map(|bytes| ("MALLOC_MMAP_THRESHOLD_", bytes)));
                let output = child.output().map_err(Error::other)?;
                let line = String::from_utf8_lossy(&output.stdout).into_owned();
                print!(
                    "{}",
                    if threshold.is_none() { &line } else { line.split_once("MiB").map_or("", |peak| peak.0) }
                );
            }
            println!(" MiB");
        }
    }
    Ok(())
}
