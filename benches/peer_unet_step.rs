//! A training step of a U-Net beside PyTorch's, in turns within one run, on one thread and on two.
//!
//! `cargo xtask bench peer_unet_step`, beside torch 2.13.0. Images of 4x14x14 after the stem, 32 channels with multipliers (1, 2), one block, attention at 7x7,
//! 128 pairs: draws, the linear path, the flow-matching loss, its gradient clipped, AdamW and a moving average. PyTorch
//! runs eagerly in each memory format and kind. Prints medians with their ranges, and the ratio to each.

use std::process::ExitCode;
use strait_benches::iterations::{milliseconds, plan};
use strait_benches::peer::{Failure, Peer, Spread, run};
use strait_benches::unet::{self, Noise};
use strait_core::Seed;
use strait_optim::objectives::FlowMatching;
use strait_optim::{LevelName, Pairing, Phase, Trainer};

const ROUNDS: usize = 5;
const STEPS: u32 = 6;
const PEERS: [[&str; 2]; 4] = [
    ["contiguous", "float32"],
    ["channels_last", "float32"],
    ["contiguous", "bfloat16"],
    ["channels_last", "bfloat16"],
];

fn main() -> ExitCode {
    run("peer_unet_step", compare)
}

fn compare() -> Result<(), Failure> {
    let system = unet::system(false)?;
    let levels = vec![plan(LevelName::Velocity, 128, FlowMatching)];
    let phases = vec![Phase { name: "bench".into(), iterations: u64::MAX / 2, levels, fresh: vec![] }];
    let mut trainer = Trainer::new(system, phases, Pairing::Stored(&Noise), Seed(0))?;
    println!("U-Net, batch 128, {ROUNDS} rounds of {STEPS} steps");
    for threads in [1, 2] {
        tch::set_num_threads(threads);
        let mut peers = vec![];
        for [layout, kind] in PEERS {
            let (peer, version) = Peer::start("unet_step.py", &[&threads.to_string(), layout, kind])?;
            peers.push((layout, kind, version, peer, vec![]));
        }
        for round in 0..=ROUNDS {
            let ours = milliseconds(&mut trainer, STEPS)?;
            for (_, _, _, peer, rounds) in &mut peers {
                let theirs = 1e3 * peer.seconds(&STEPS.to_string())? / f64::from(STEPS);
                if round > 0 {
                    rounds.push((ours, theirs)); // the first is to warm up
                }
            }
        }
        for (layout, kind, version, _, rounds) in &peers {
            let (a, b) = (Spread::of(rounds, |r| r.0), Spread::of(rounds, |r| r.1));
            let ratio = Spread::of(rounds, |r| r.0 / r.1);
            println!(
                "{threads} threads: strait {a:.0} ms, torch {version}, eager, {layout}, {kind} {b:.0} ms; ratio {ratio:.2}"
            );
        }
    }
    Ok(())
}
