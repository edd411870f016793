//! Glow beside normflows' Glow, in turns within one run: value, log-determinant, gradients of all parameters.
//!
//! `cargo xtask bench peer_flows`. One thread each, float32, the same shapes, widths and depths; each library's own
//! non-linearities (SiLU here, ReLU there), log-scales (bounded here, not there) and, of splines, networks (residual there);
//! with two levels, each library's own prior of what is factored out (a coupling more here, none there). Prints the median
//! and range of the ratios.

use std::process::ExitCode;
use std::time::Instant;
use strait_benches::peer::{Failure, Peer, Spread, keep, run};
use strait_core::{Bijection, Condition, Parameters, Seed};
use strait_flows::reversible::{Direction, Memory, Point, Start, pull_back};
use strait_flows::{Glow, Plan, Transform};
use tch::{Device, Kind, Tensor};

const ROUNDS: usize = 15;

/// How often a round asks for each size of image.
const CALLS: usize = 101;

type Build = fn(&mut Parameters) -> Result<Glow, strait_core::Error>;

/// A name, how many passes make a round, the shape of a batch, the flow: the same as in peers/flows.py.
const CASES: [(&str, u32, &[i64], Build); 7] = [
    ("vector-small", 20, &[256, 2], |p| Glow::vector(&mut p.root(), 2, &plan(8, &[64, 64]))),
    ("vector-large", 2, &[4096, 64], |p| Glow::vector(&mut p.root(), 64, &plan(8, &[64, 64]))),
    ("spline-small", 5, &[256, 2], |p| Glow::vector(&mut p.root(), 2, &splines())),
    ("spline-large", 2, &[4096, 2], |p| Glow::vector(&mut p.root(), 2, &splines())),
    ("image-small", 20, &[16, 1, 8, 8], |p| Glow::image(&mut p.root(), [1, 8, 8], 1, &plan(4, &[32, 32]))),
    ("image-large", 2, &[32, 1, 28, 28], |p| Glow::image(&mut p.root(), [1, 28, 28], 1, &plan(4, &[64, 64]))),
    ("image-2-level", 2, &[32, 1, 28, 28], |p| Glow::image(&mut p.root(), [1, 28, 28], 2, &plan(4, &[64, 64]))),
];

fn plan(steps: usize, hidden: &'static [i64]) -> Plan<'static> {
    Plan { steps, hidden, ..Plan::default() }
}

fn splines() -> Plan<'static> {
    Plan { transform: Transform::spline(), ..plan(8, &[64, 64]) }
}

fn main() -> ExitCode {
    run("peer_flows", compare)
}

fn compare() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let (mut peer, version) = Peer::start("flows.py", &[])?;
    println!("strait against {version}, one thread, {ROUNDS} rounds in turns, milliseconds a pass");
    for (name, passes, shape, build) in CASES {
        let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
        let flow = build(&mut parameters)?;
        let normal = |name: &str, shape: &[i64]| Seed(0).stream(name).at(0).normal(shape, Kind::Float, Device::Cpu);
        for (name, tensor) in parameters.named() {
            let noise = normal(&name, &tensor.size())? * 0.05;
            tch::no_grad(|| tensor.shallow_clone().f_add_(&noise).map(drop))?;
        }
        let point = Point { value: normal("x", shape)?, tangent: None };
        for (word, direction) in [("density", Direction::Inverse), ("sample", Direction::Forward)] {
            let start = Start { direction, point: &point, condition: Condition::NONE, dt: None };
            let ours = || {
                let begun = Instant::now();
                for _ in 0..passes {
                    pull_back(&flow, &start, &[], Memory::Ordinary, |z, log_det| {
                        let size = z.value.square().sum(Kind::Float) * (0.5 / shape[0] as f64);
                        Ok(size - log_det.mean(Kind::Float))
                    })?;
                }
                Ok::<_, strait_core::Error>(begun.elapsed().as_secs_f64())
            };
            let line = format!("{name} {word} {passes}");
            let mut rounds = vec![];
            for round in 0..=ROUNDS {
                let pair = (ours()?, peer.seconds(&line)?);
                // The first is to warm up.
                if round > 0 {
                    let each = 1e3 / f64::from(passes);
                    rounds.push((pair.0 * each, pair.1 * each));
                }
            }
            let (mine, theirs) = (Spread::of(&rounds, |r| r.0), Spread::of(&rounds, |r| r.1));
            let ratio = Spread::of(&rounds, |r| r.0 / r.1);
            println!("{name:13} {word:7} strait {mine:.2}, normflows {theirs:.2}; ratio {ratio:.2}");
            keep("peer_flows", &format!("{name}, {word}"), &version, &rounds)?;
        }
    }
    plu_by_size()?;
    Ok(())
}

/// What an invertible 1x1 convolution costs beside its product alone, by the image's side: the matrix from its factors and
/// the log-determinant, which see the weight and not the image.
fn plu_by_size() -> Result<(), Failure> {
    const CHANNELS: i64 = 12;
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let layer = strait_flows::Plu::new(&mut parameters.root(), CHANNELS, strait_flows::Gate::Timeless)?;
    println!("PLU of {CHANNELS} channels, one image, microseconds: the product, the layer, the difference");
    let _guard = tch::no_grad_guard();
    for side in [4i64, 16, 64] {
        let x = Seed(0).stream("x").at(0).normal(&[1, CHANNELS, side, side], Kind::Float, Device::Cpu)?;
        let matrix = Tensor::eye(CHANNELS, (Kind::Float, Device::Cpu)).expand([1, CHANNELS, CHANNELS], false);
        let product = || {
            matrix.f_bmm(&x.f_reshape([1, CHANNELS, -1])?).map(drop)?;
            Ok(())
        };
        let mut rounds = vec![];
        for _ in 0..ROUNDS {
            // Call by call in turns, so that both find the same caches.
            let (mut alone, mut whole) = (vec![], vec![]);
            for _ in 0..CALLS {
                alone.push(seconds(product)?);
                whole.push(seconds(|| layer.forward(&x, Condition::NONE).map(drop).map_err(Failure::from))?);
            }
            rounds.push((median(alone) * 1e6, median(whole) * 1e6));
        }
        let (alone, whole) = (Spread::of(&rounds, |r| r.0), Spread::of(&rounds, |r| r.1));
        let difference = Spread::of(&rounds, |r| r.1 - r.0);
        println!("side {side:2}: {alone:.1}; {whole:.1}; {difference:.1}");
    }
    Ok(())
}

fn seconds(call: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let begun = Instant::now();
    call()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
