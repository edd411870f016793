//! How straight the straightness objective makes the exact field of an affine path, between a standard normal
//! source and the preset `gaussian`, over ALL of t: `straight_gaussian [SEEDS] [FIRST]`, seeds from FIRST (1) on.
//!
//! The field over a sample of candidates has an error that grows without bound as t goes to 1, so that the residual
//! cannot be measured there. Here the data's law is known. Each point's candidates are a lattice of the quantiles of
//! that law, equally likely, and fine where the path can come from. The sum over them is the integral of Proposition 1
//! to a few hundredths (checked with a finer lattice). Prints the residual $E|Dv^*/Dt|^2$ of the linear path and of the
//! learned one at each time, and their means.

mod common;

use std::error::Error;
use std::time::Instant;
use strait::build::{self, Samples};
use strait::config::{AffineConfig, InterpolantConfig, MixingConfig};
use strait_core::{Dataset, Interpolant, InvertibleInterpolant, Parameters, Seed, Source, Split, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::Gaussian;
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::{FlowMatching, Straightness, StraightnessConfig};
use strait_optim::{Level, LevelName, Pairing, Phase, System, Term};
use strait_paths::{Along, ExactField, Linear};
use strait_transport::Independent;
use tch::{Device, Kind, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;
const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);
/// The middles of twenty parts of [0, 1].
const PARTS: usize = 20;
/// Points at each time, and the side of each one's lattice of candidates.
const POINTS: i64 = 128;
const SIDE: i64 = 96;
/// Standard deviations around a point that its lattice reaches, at $t = 1/2$; and how far out the law is looked at.
const REACH: f64 = 12.0;
const FAR: f64 = 6.0;

/// What the path is trained by: candidates, points and times of an iteration, the last time, iterations and the rate.
const CANDIDATES: i64 = 4096;
const QUERIES: i64 = 128;
const TIMES: i64 = 8;
const UNTIL: f64 = 0.98;
const ITERATIONS: u64 = 1500;
const RATE: f64 = 4e-3;

/// An affine path after its training.
fn trained(data: &ToyDataset, seed: Seed) -> Outcome<System> {
    let source = StandardNormal::new(&[2]);
    let affine = AffineConfig {
        hidden: vec![64, 64],
        mixing: MixingConfig::Triangular,
        log_scale_bound: 2.0,
        convolutional: false,
        conditioned: false,
    };
    let path = build::interpolant(&InterpolantConfig::Affine(affine), Samples::of(&[2]), seed, FLOAT.1)?;
    // A plan ends on a velocity. This one is not looked at.
    let mut field = Parameters::new(seed.below("velocity"), FLOAT.0, FLOAT.1);
    let (activation, time) = (Activation::Silu, TimeFeatures::Raw);
    let network = MlpConfig { input: 2, hidden: vec![8], output: 2, activation, time, zero_last: false };
    let velocity = Box::new(Mlp::new(&network, &mut field.root())?);
    let levels =
        vec![Level::new(LevelName::Velocity, field, &[])?, Level::new(LevelName::Interpolant, path.parameters, &[])?];
    let config =
        StraightnessConfig { candidates: CANDIDATES, times: TIMES, until: UNTIL, floor: 1.0, along: Along::Forward };
    let objective = Straightness::new(Box::new(source.clone()), config)?;
    let first = vec![common::plan(LevelName::Interpolant, Term::of(objective), 1, CANDIDATES + QUERIES, RATE)];
    let last = vec![common::plan(LevelName::Velocity, Term::of(FlowMatching), 1, 16, 1e-3)];
    let phases = vec![
        Phase { name: "straight".into(), iterations: ITERATIONS, fresh: vec![], levels: first },
        Phase { name: "final".into(), iterations: 1, fresh: vec![LevelName::Velocity], levels: last },
    ];
    let system = System { interpolant: path.path, velocity, levels };
    let pairing = Pairing::Drawn { source: &source, data, coupling: &Independent };
    common::trained(system, phases, pairing, seed)
}

/// The law of the data as networks see it, $x = m + R z$ with z standard normal.
struct Law {
    mean: Tensor,
    root: Tensor,
}

impl Law {
    fn new(law: &Gaussian, data: &ToyDataset) -> Outcome<Self> {
        let own = |x: Tensor| Ok::<_, Box<dyn Error>>(data.denormalise(&x)?.to_kind(Kind::Double));
        let zero = own(Tensor::zeros([1, 2], FLOAT))?;
        let back = (own(Tensor::eye(2, FLOAT))? - &zero).inverse();
        let factor = law.covariance().linalg_cholesky(false);
        let mean = (law.mean() - zero).matmul(&back);
        Ok(Self { mean, root: factor.tr().matmul(&back) })
    }

    /// Equally likely points, those of the law within what a path can come from to x at time t.
    fn around(&self, x: &Tensor, t: f64) -> Tensor {
        let centre = (x.to_kind(Kind::Double) / t - &self.mean).matmul(&self.root.inverse());
        let axes: Vec<Tensor> =
            (0..2).map(|i| quantiles(centre.double_value(&[0, i]), REACH * (1.0 - t) / t)).collect();
        let z = Tensor::stack(&[axes[0].repeat_interleave_self_int(SIDE, 0, None), axes[1].repeat([SIDE])], 1);
        (z.matmul(&self.root) + &self.mean).to_kind(FLOAT.0)
    }
}

/// Equally likely numbers of the standard normal law within a reach of a centre.
fn quantiles(centre: f64, reach: f64) -> Tensor {
    let (low, high) = ((centre - reach).clamp(-FAR, FAR), (centre + reach).clamp(-FAR, FAR));
    // In the left tail, where the distribution function keeps its digits.
    let side = if low + high > 0.0 { -1.0 } else { 1.0 };
    let ends = Tensor::from_slice(&[low * side, high * side]).special_ndtr();
    let (from, to) = (ends.double_value(&[0]), ends.double_value(&[1]));
    let middles = (Tensor::arange(SIDE, DOUBLE) + 0.5) / SIDE as f64;
    (middles * (to - from) + from).special_ndtri() * side
}

/// $E|Dv^*/Dt|^2$ at a time.
fn residual(path: &dyn InvertibleInterpolant, data: &ToyDataset, law: &Law, seed: Seed, time: f64) -> Outcome<f64> {
    let source = StandardNormal::new(&[2]);
    let x0 = source.sample(POINTS, &mut seed.stream("source").at(0), FLOAT.0, FLOAT.1)?;
    let x1 = data.points(Split::Test, POINTS, &mut seed.stream("data").at(0))?;
    let t = Tensor::full([POINTS], time, FLOAT);
    let x_t = path.at(&x0, &x1, &t)?.x_t;
    let bend = |i: i64| {
        let x = x_t.narrow(0, i, 1);
        let field = ExactField::new(path, &source, &Independent, law.around(&x, time), i64::MAX)?;
        let moving = field.moving(&x.unsqueeze(0), &t.narrow(0, 0, 1), Along::Forward)?;
        Ok::<_, Box<dyn Error>>(moving.derivative.square().sum(Kind::Double).double_value(&[]))
    };
    Ok((0..POINTS).map(bend).sum::<Outcome<f64>>()? / POINTS as f64)
}

fn main() -> Outcome<()> {
    let number = |n: usize, otherwise: u64| std::env::args().nth(n).map_or(Ok(otherwise), |text| text.parse::<u64>());
    let (seeds, first) = (number(1, 5)?, number(2, 1)?);
    let law = Gaussian::planar()?;
    let data = ToyDataset::new(Box::new(Gaussian::planar()?), FLOAT.0, FLOAT.1)?;
    let law = Law::new(&law, &data)?;
    let times: Vec<f64> = (0..PARTS).map(|i| (i as f64 + 0.5) / PARTS as f64).collect();
    let shown: Vec<String> = times.iter().map(|t| format!("{t}")).collect();
    println!("| seed | path | mean over t | {} | seconds |", shown.join(" | "));
    println!("| --- | --- | --- |{} --- |", " --- |".repeat(PARTS));
    for seed in (first..first + seeds).map(Seed) {
        let begun = Instant::now();
        let system = trained(&data, seed)?;
        let seconds = begun.elapsed().as_secs_f64();
        let learned = system.interpolant.as_invertible().ok_or("the path is not invertible")?;
        let rows: [(&str, &dyn InvertibleInterpolant, f64); 2] =
            [("linear", &Linear, 0.0), ("learned", learned, seconds)];
        let _no_grad = tch::no_grad_guard();
        let mut means = vec![];
        for (name, path, seconds) in rows {
            let at = |&t: &f64| residual(path, &data, &law, seed, t);
            let profile = times.iter().map(at).collect::<Outcome<Vec<f64>>>()?;
            let mean = profile.iter().sum::<f64>() / PARTS as f64;
            let profile: Vec<String> = profile.iter().map(|x| format!("{x:.3}")).collect();
            println!("| {} | {name} | {mean:.3} | {} | {seconds:.0} |", seed.0, profile.join(" | "));
            means.push(mean);
        }
        println!("seed {}: linear's residual is {:.1} times the learned path's", seed.0, means[0] / means[1]);
    }
    Ok(())
}
