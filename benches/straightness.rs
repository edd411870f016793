//! What the exact field and the straightness objective cost, counted in velocity steps.
//!
//! `cargo bench -p strait-benches --bench straightness`. One thread. A velocity step is a turn of the optimizer on the
//! flow-matching loss of a 3x64 MLP over 256 pairs; a straightness step is a turn on the straightness of a path over 128
//! points (8 times by 16) and 64 candidates: both draw their batch, take the gradient, clip it and step AdamW. They take
//! turns, and the median and range of the ratios over the rounds are printed. Then criterion times the exact field itself
//! by family, number of candidates and dimension.

use criterion::{BenchmarkId, Criterion};
use std::error::Error;
use std::time::Instant;
use strait_core::{Interpolant, InvertibleInterpolant, Objective, Parameters, Scope, Seed, Source, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::{Gaussian, Mixture};
use strait_flows::{Active, Chain, Coupling, Gate, Setting, Transform};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_optim::objectives::{FlowMatching, Straightness, StraightnessConfig};
use strait_optim::{Decay, LearningRate, Level, LevelName, LevelPlan, Pairing, Phase, System, Term, Times, Trainer};
use strait_paths::{Affine, AffineConfig, Along, ExactField, Glow, Linear, Mixing, Warped};
use strait_transport::Independent;
use tch::{Device, Kind, Tensor};

const ROUNDS: usize = 15;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The families under test, each with its network's size.
#[derive(Clone, Copy)]
enum Family {
    Linear,
    Affine,
    WideAffine,
    Warped,
    Glow,
}

impl Family {
    const LEARNED: [Self; 4] = [Self::Affine, Self::WideAffine, Self::Warped, Self::Glow];

    fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Affine => "affine (MLP 2x32)",
            Self::WideAffine => "affine (MLP 2x64)",
            Self::Warped => "warped affine (MLP 2x32, 4 couplings 1x32)",
            Self::Glow => "glow (4 couplings 1x32)",
        }
    }

    fn build(self, d: i64, parameters: &mut Parameters) -> Outcome<Box<dyn InvertibleInterpolant>> {
        Ok(match self {
            Self::Linear => Box::new(Linear),
            Self::Affine => Box::new(affine(d, 32, parameters)?),
            Self::WideAffine => Box::new(affine(d, 64, parameters)?),
            Self::Warped => {
                let base = affine(d, 32, parameters)?;
                Box::new(Warped::new(base, couplings(d, &[], Gate::Ends, &mut parameters.root().sub("warp"))?))
            }
            Self::Glow => Box::new(Glow::new(couplings(d, &[d], Gate::Start, &mut parameters.root())?)),
        })
    }
}

fn affine(d: i64, width: i64, parameters: &mut Parameters) -> Outcome<Affine<Mlp>> {
    let config = AffineConfig { dimensions: d, mixing: Mixing::Triangular, log_scale_bound: 2.0 };
    let net = mlp(d, vec![width; 2], config.outputs(), true);
    Ok(Affine::new(Mlp::new(&net, &mut parameters.root())?, config)?)
}

fn couplings(d: i64, context: &[i64], gate: Gate, scope: &mut Scope<'_>) -> Outcome<Chain> {
    let setting = Setting { event: &[d], context, gate, hidden: &[32] };
    (0..4).try_fold(Chain::new(), |chain, i| {
        let active = if i % 2 == 0 { Active::Last } else { Active::First };
        let coupling = Coupling::new(&mut scope.sub(&i.to_string()), &setting, Transform::affine(), active)?;
        Ok(chain.then(coupling))
    })
}

fn mlp(input: i64, hidden: Vec<i64>, output: i64, zero_last: bool) -> MlpConfig {
    MlpConfig { input, hidden, output, activation: Activation::Silu, time: TimeFeatures::Raw, zero_last }
}

/// A trainer whose turns are steps of one level on one objective.
fn trainer<'a>(
    family: Family,
    objective: Box<dyn Objective>,
    batch: i64,
    level: LevelName,
    pairing: Pairing<'a>,
) -> Outcome<Trainer<'a>> {
    let seed = Seed(0);
    let mut path = Parameters::new(seed, Kind::Float, Device::Cpu);
    let interpolant: Box<dyn Interpolant> = family.build(2, &mut path)?;
    // Away from its start, where much of the work would be on zeros.
    for p in path.tensors() {
        let noise = seed.stream("noise").at(0).normal(&p.size(), Kind::Float, Device::Cpu)? * 0.05;
        let _ = tch::no_grad(|| p.shallow_clone().f_add_(&noise))?;
    }
    let mut field = Parameters::new(seed, Kind::Float, Device::Cpu);
    let velocity = Mlp::new(&mlp(2, vec![64; 3], 2, false), &mut field.root())?;
    let mut levels = vec![Level::new(LevelName::Velocity, field, &[])?];
    if path.count() > 0 {
        levels.push(Level::new(LevelName::Interpolant, path, &[])?);
    }
    let plan = LevelPlan {
        level,
        terms: vec![Term { objective, weight: 1.0, ramp: 0 }],
        steps: 1,
        batch,
        times: Times::Uniform,
        noise: 0.0,
        rate: LearningRate { peak: 1e-4, warm_up: 0, decay: Decay::Constant },
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        clip: 1.0,
    };
    // The last phase of a plan fits a velocity; it is never reached.
    let fit = LevelPlan { level: LevelName::Velocity, ..fitting(&plan) };
    let phases = vec![
        Phase { name: "bench".into(), turns: u64::MAX / 2, levels: vec![plan], fresh: vec![] },
        Phase { name: "fit".into(), turns: 1, levels: vec![fit], fresh: vec![] },
    ];
    let system = System { interpolant, velocity: Box::new(velocity), levels };
    Ok(Trainer::new(system, phases, pairing, seed)?)
}

fn fitting(plan: &LevelPlan) -> LevelPlan {
    LevelPlan { terms: vec![Term::of(FlowMatching)], ..*plan }
}

fn seconds(trainer: &mut Trainer<'_>, turns: u32) -> Outcome<f64> {
    let begun = Instant::now();
    for _ in 0..turns {
        trainer.turn()?;
    }
    trainer.log()?;
    Ok(begun.elapsed().as_secs_f64() / f64::from(turns))
}

fn table() -> Outcome<()> {
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.316)?), Kind::Float, Device::Cpu)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let mut step = trainer(Family::Linear, Box::new(FlowMatching), 256, LevelName::Velocity, pairing)?;
    seconds(&mut step, 200)?;
    println!("straightness with its gradient, 128 points and 64 candidates, in velocity steps (3x64 MLP, batch 256)");
    for family in Family::LEARNED {
        for (name, along) in [
            ("forward mode", Along::Forward),
            ("double reverse mode", Along::Reverse),
            ("central difference", Along::Difference { step: 5e-3 }),
        ] {
            let config = StraightnessConfig { candidates: 64, times: 8, until: 0.9, floor: 1.0, along };
            let objective = Straightness::new(Box::new(source.clone()), Box::new(Independent), config)?;
            let mut ours = trainer(family, Box::new(objective), 192, LevelName::Interpolant, pairing)?;
            seconds(&mut ours, 20)?;
            let mut ratios = vec![];
            let mut times = vec![];
            for _ in 0..ROUNDS {
                let one = seconds(&mut step, 200)?;
                let other = seconds(&mut ours, 20)?;
                ratios.push(other / one);
                times.push(one);
            }
            ratios.sort_by(f64::total_cmp);
            times.sort_by(f64::total_cmp);
            println!(
                "{:<44} {name:<20} {:6.2} ({:.2} to {:.2}); a velocity step takes {:.3} ms",
                family.name(),
                ratios[ROUNDS / 2],
                ratios[0],
                ratios[ROUNDS - 1],
                times[ROUNDS / 2] * 1e3
            );
        }
    }
    Ok(())
}

/// The exact field at 256 points of one time, without gradient.
fn exact_field(c: &mut Criterion) -> Outcome<()> {
    for d in [2, 8] {
        let data = ToyDataset::new(Box::new(Gaussian::of_dimension(d)?), Kind::Float, Device::Cpu)?;
        let source = StandardNormal::new(&[d]);
        let x = source.sample(256, &mut Seed(1).stream("x").at(0), Kind::Float, Device::Cpu)?.unsqueeze(0);
        let t = Tensor::from_slice(&[0.5f32]);
        for family in [Family::Linear, Family::Affine, Family::Warped, Family::Glow] {
            let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
            let path = family.build(d, &mut parameters)?;
            let mut group = c.benchmark_group(format!("exact field at 256 points, {d} dimensions, {}", family.name()));
            group.sample_size(20);
            for k in [64, 512] {
                let candidates = strait_core::Dataset::minibatch(&data, k, 0, Seed(2).stream("data"))?;
                let field = ExactField::new(&path, &source, &Independent, candidates, i64::MAX)?;
                group.bench_function(BenchmarkId::new("candidates", k), |b| {
                    b.iter(|| tch::no_grad(|| field.at_times(&x, &t)).map(|exact| exact.velocity));
                });
            }
        }
    }
    Ok(())
}

fn main() -> Outcome<()> {
    // `cargo bench FILTER` hands its filter to every bench.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    tch::set_num_threads(1);
    if filter.is_none_or(|filter| "straightness".contains(&filter)) {
        table()?;
    }
    let mut criterion = Criterion::default().configure_from_args();
    exact_field(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
