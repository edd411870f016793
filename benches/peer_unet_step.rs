//! A training step of a U-Net beside PyTorch's, in turns within one run, on one thread and on two.
//!
//! `cargo xtask bench peer_unet_step`, beside torch 2.13.0. Images of 4x14x14 after the stem, 32 channels with multipliers (1, 2), one block, attention at 7x7,
//! 128 pairs: draws, the linear path, the flow-matching loss, its gradient clipped, AdamW and a moving average. PyTorch
//! runs eagerly in each memory format and kind, and compiled in each format. Prints medians with their ranges, and the ratio to each.

use std::process::ExitCode;
use strait_benches::iterations::{milliseconds, plan};
use strait_benches::peer::{Failure, Peer, Spread, keep, run};
use strait_benches::unet::{self, Noise};
use strait_core::Seed;
use strait_optim::objectives::FlowMatching;
use strait_optim::{LevelName, Pairing, Phase, Trainer};

const ROUNDS: usize = 5;
const STEPS: u32 = 6;
/// A peer whose first step takes this many of ours is not the best of its kinds.
const HOPELESS: f64 = 4.0;
const PEERS: [&[&str]; 6] = [
    &["contiguous", "float32"],
    &["channels_last", "float32"],
    &["contiguous", "bfloat16"],
    &["channels_last", "bfloat16"],
    &["contiguous", "float32", "compile"],
    &["channels_last", "float32", "compile"],
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
        for way in PEERS {
            let count = threads.to_string();
            let arguments = [&[count.as_str()], way].concat();
            let (peer, version) = Peer::start("unet_step.py", &arguments)?;
            peers.push((way.join(", "), version, peer, vec![]));
        }
        // Two steps to warm up; the second shows a kind that this processor only imitates.
        milliseconds(&mut trainer, 1)?;
        let ours = milliseconds(&mut trainer, 1)?;
        let mut serious = vec![];
        for (way, version, mut peer, rounds) in peers {
            peer.seconds("1")?;
            let theirs = 1e3 * peer.seconds("1")?;
            if theirs > HOPELESS * ours {
                println!("{threads} threads: torch {version}, {way} {theirs:.0} ms in one step: left out");
            } else {
                serious.push((way, version, peer, rounds));
            }
        }
        let mut peers = serious;
        for _ in 0..ROUNDS {
            let ours = milliseconds(&mut trainer, STEPS)?;
            for (_, _, peer, rounds) in &mut peers {
                let theirs = 1e3 * peer.seconds(&STEPS.to_string())? / f64::from(STEPS);
                rounds.push((ours, theirs));
            }
        }
        for (way, version, _, rounds) in &peers {
            let (a, b) = (Spread::of(rounds, |r| r.0), Spread::of(rounds, |r| r.1));
            let ratio = Spread::of(rounds, |r| r.0 / r.1);
            println!("{threads} threads: strait {a:.0} ms, torch {version}, {way} {b:.0} ms; ratio {ratio:.2}");
            let torch = version.split(' ').next().unwrap_or_default();
            keep("peer_unet_step", &format!("threads: {threads}"), &format!("torch {torch}, {way}"), rounds)?;
        }
    }
    Ok(())
}
