//! Samples a velocity field that PyTorch has saved as TorchScript, from normal points, and measures the samples beside points of
//! its data, of which there are to be as many.
//!
//! `cargo run -p strait-metrics --example sample_torch_script -- velocity.pt points.npy samples.npy [EVALUATIONS]`

use std::path::Path;
use std::process::ExitCode;
use strait_core::Seed;
use strait_io::{Element, npy};
use strait_metrics::distances;
use strait_nets::TorchScript;
use strait_ode::{Method, Options, TimeGrid};
use tch::{Device, Kind};

const USAGE: &str = "it takes MODULE.pt POINTS.npy SAMPLES.npy [EVALUATIONS]";

pub(crate) fn sample(words: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (files, evaluations) = match words {
        [files @ .., last] if files.len() == 3 => (files, last.parse().map_err(|_| USAGE)?),
        files => (files, 8),
    };
    let [module, points, samples] = files else { return Err(USAGE.into()) };
    let points = npy::read(Path::new(points))?.values;
    let open = |kind| TorchScript::open(Path::new(module), &points.size()[1..], kind, Device::Cpu);
    // A module computes in the kind of its parameters: PyTorch's usual one, or double precision.
    let (field, kind) = match open(Kind::Float) {
        Ok(field) => (field, Kind::Float),
        Err(refused) => (open(Kind::Double).map_err(|_| refused)?, Kind::Double),
    };

    let points = points.to_kind(kind);
    let x0 = Seed(0).stream("source").at(0).normal(&points.size(), kind, Device::Cpu)?;
    let method: Method = "midpoint".parse()?;
    let grid = TimeGrid::uniform(method.steps(evaluations)?)?;
    let solution = method.solve(&field, &x0, &grid, Options::default())?;

    npy::write(Path::new(samples), &solution.x, Element::F32)?;
    let reached = distances(&solution.x, &points)?;
    println!("{samples}: {} evaluations, W2 {:.3}, sliced W2 {:.3}", solution.nfe, reached.w2, reached.sliced_w2);
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match sample(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sample_torch_script: {error}");
            ExitCode::FAILURE
        }
    }
}
