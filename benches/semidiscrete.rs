//! Semidiscrete optimal transport from N(0, I) to 10,000 points of 8gaussians and of mixture16, and to the digits: how long it takes
//! to solve, how far its cost is from an exact assignment's of 10,000, and what a pair costs beside exact minibatch pairs.
//!
//! `cargo bench -p strait-benches --bench semidiscrete`, one thread; digits are there once `cargo xtask train digits` fetched them.
//! The costs are of the same 10,000 source points. Those of the semidiscrete coupling are those of the whole law, where an
//! assignment fits its source points: by as much as its cost varies between draws of the source they differ by chance.
//! Pairs are drawn in turns, 256 at once: medians with their ranges, and their ratio.

use std::process::ExitCode;
use std::time::Instant;
use strait_benches::peer::{Failure, Spread, run};
use strait_core::{Coupling, Dataset, Draws, Seed, Split};
use strait_data::{ToyDataset, toys::Mixture};
use strait_transport::{Ascent, ExactOt, Semidiscrete, wasserstein2};
use tch::{Device, Kind, Tensor};

const POINTS: i64 = 10_000;
const BATCH: i64 = 256;
const ROUNDS: usize = 200;
const ASCENT: Ascent = Ascent { tolerance: 0.05, most: 200_000_000 };

fn main() -> ExitCode {
    run("semidiscrete", all)
}

fn all() -> Result<(), Failure> {
    tch::set_num_threads(1);
    let toys = [Mixture::eight_gaussians(5.0, 0.316), Mixture::sixteen_modes(16)];
    for (name, toy) in ["8gaussians", "mixture16"].into_iter().zip(toys) {
        let toy = toy.map_err(|error| Failure::Other(error.to_string()))?;
        one(name, &ToyDataset::new(Box::new(toy), Kind::Float, Device::Cpu)?)?;
    }
    let digits = strait_data::data_dir().and_then(|folder| strait_data::digits(&folder, Kind::Float, Device::Cpu));
    match digits {
        Ok(digits) => one("digits", &digits),
        Err(error) => {
            println!("digits are left out: {error}");
            Ok(())
        }
    }
}

fn one(name: &str, data: &dyn Dataset) -> Result<(), Failure> {
    let stream = Seed(1).stream(name);
    let event = data.event_shape().to_vec();
    let normal = |n: i64, draws: &mut Draws| draws.normal(&[&[n], event.as_slice()].concat(), Kind::Float, Device::Cpu);
    let data = data.points(Split::Train, POINTS, &mut stream.stream("data").at(0))?;
    let begun = Instant::now();
    let transport = Semidiscrete::solve(&data, ASCENT, &mut stream.stream("ascent").at(0), normal)?;
    let seconds = begun.elapsed().as_secs_f64();
    let m = data.size()[0];
    println!(
        "{name}: {m} points, solved in {seconds:.1} s by {} draws, chi^2 {:.4}",
        transport.draws(),
        transport.chi_square()
    );
    // As many source points as data points, each of these as often as the others.
    let times = POINTS / m;
    let mut fresh = stream.stream("fresh").at(0);
    let x0 = normal(times * m, &mut fresh)?;
    let x1 = transport.pair(x0.shallow_clone(), &mut fresh)?.x1;
    let cost = |x1: &Tensor| (x1 - &x0).square().sum(Kind::Double).double_value(&[]) / (times * m) as f64;
    let semidiscrete = cost(&x1);
    let rows = |x: &Tensor| strait_transport::to_array(x);
    let exact = wasserstein2(rows(&x0)?.view(), rows(&Tensor::cat(&vec![&data; times as usize], 0))?.view())?.powi(2);
    println!(
        "{name}: cost {semidiscrete:.4}, an exact assignment's of {} {exact:.4}: {:.4}",
        times * m,
        semidiscrete / exact
    );
    let mut rounds = vec![];
    for round in 0..=ROUNDS {
        let mut draws = stream.stream("rounds").at(round as u64);
        let (x0, rows) = (normal(BATCH, &mut draws)?, draws.integers(m, &[BATCH], Device::Cpu)?);
        let x1 = data.index_select(0, &rows);
        let begun = Instant::now();
        transport.pair(x0.shallow_clone(), &mut draws)?;
        let one = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        ExactOt.couple(x0, x1, &mut draws)?;
        if round > 0 {
            rounds.push((1e3 * one, 1e3 * begun.elapsed().as_secs_f64())); // the first is to warm up
        }
    }
    let (a, b, ratio) =
        (Spread::of(&rounds, |r| r.0), Spread::of(&rounds, |r| r.1), Spread::of(&rounds, |r| r.0 / r.1));
    println!("{name}: {BATCH} pairs {a:.2} ms, exact ones of a batch {b:.2} ms; ratio {ratio:.2}");
    Ok(())
}
