//! The cost of the exact field and of the straightness objective, counted in velocity steps.
//!
//! `cargo bench -p strait-benches --bench straightness`. One thread. A velocity step is an iteration of the optimizer on the
//! flow-matching loss of a 3x64 MLP over 256 pairs; a straightness step is an iteration on the straightness of a path over 128
//! points (8 times by 16) and 64 candidates: both draw their batch, take the gradient, clip it and step AdamW. They take
//! iterations, and the median and range of the ratios over the rounds are printed. Then criterion times the exact field itself
//! by family, number of candidates and dimension.

use criterion::{BenchmarkId, Criterion};
use std::error::Error;
use strait_benches::iterations::{milliseconds, mlp, plan, trainer};
use strait_benches::peer::Spread;
use strait_core::{Interpolant, InvertibleInterpolant, Parameters, Scope, Seed, Source, StandardNormal};
use strait_data::ToyDataset;
use strait_data::toys::{Gaussian, Mixture};
use strait_flows::{Active, Chain, CouplingLayer, Gate, Setting, Transform};
use strait_nets::{Mlp, MlpConfig};
use strait_optim::objectives::{FlowMatching, Straightness, StraightnessConfig};
use strait_optim::{LevelName, LevelPlan, Pairing, Trainer};
use strait_paths::{Affine, AffineConfig, Along, ExactField, GlowPath, Linear, Mixing, Warped};
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

    fn build(self, d: i64, parameters: &mut Parameters) -> Outcome<Box<dyn InvertibleInterpolant + Send>> {
        Ok(match self {
            Self::Linear => Box::new(Linear),
            Self::Affine => Box::new(affine(d, 32, parameters)?),
            Self::WideAffine => Box::new(affine(d, 64, parameters)?),
            Self::Warped => {
                let base = affine(d, 32, parameters)?;
                Box::new(Warped::new(base, couplings(d, &[], Gate::Endpoints, &mut parameters.root().sub("warp"))?))
            }
            Self::Glow => Box::new(GlowPath::new(couplings(d, &[d], Gate::Start, &mut parameters.root())?)),
        })
    }
}

fn affine(d: i64, width: i64, parameters: &mut Parameters) -> Outcome<Affine<Mlp>> {
    let config = AffineConfig { dimensions: d, mixing: Mixing::Triangular, log_scale_bound: 2.0 };
    let net = MlpConfig { zero_last: true, ..mlp(d, vec![width; 2], config.outputs()) };
    Ok(Affine::new(Mlp::new(&net, &mut parameters.root())?, config)?)
}

fn couplings(d: i64, context: &[i64], gate: Gate, scope: &mut Scope<'_>) -> Outcome<Chain> {
    let setting = Setting { event: &[d], context, gate, hidden: &[32] };
    (0..4).try_fold(Chain::new(), |chain, i| {
        let active = if i % 2 == 0 { Active::Last } else { Active::First };
        let coupling = CouplingLayer::new(&mut scope.sub(&i.to_string()), &setting, Transform::affine(), active)?;
        Ok(chain.then(coupling))
    })
}

/// Iterations of steps of one level over a path of a family.
fn iterations<'a>(family: Family, level: LevelPlan, pairing: Pairing<'a>) -> Outcome<Trainer<'a>> {
    let seed = Seed(0);
    let mut path = Parameters::new(seed.below("path"), Kind::Float, Device::Cpu);
    let interpolant: Box<dyn Interpolant + Send> = family.build(2, &mut path)?;
    // Away from its start, where much of the work would be on zeros.
    for p in path.tensors() {
        let noise = seed.stream("noise").at(0).normal(&p.size(), Kind::Float, Device::Cpu)? * 0.05;
        let _ = tch::no_grad(|| p.shallow_clone().f_add_(&noise))?;
    }
    Ok(trainer(interpolant, path, vec![level], &[], pairing)?)
}

fn table() -> Outcome<()> {
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.316)?), Kind::Float, Device::Cpu)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let mut step = iterations(Family::Linear, plan(LevelName::Velocity, 256, FlowMatching), pairing)?;
    milliseconds(&mut step, 200)?;
    println!("straightness with its gradient, 128 points and 64 candidates, in velocity steps (3x64 MLP, batch 256)");
    for family in Family::LEARNED {
        for (name, along) in [
            ("forward mode", Along::Forward),
            ("double reverse mode", Along::Reverse),
            ("central difference", Along::Difference { step: 5e-3 }),
        ] {
            let config = StraightnessConfig { candidates: 64, times: 8, until: 0.9, floor: 1.0, along };
            let objective = Straightness::new(Box::new(source.clone()), config)?;
            let mut ours = iterations(family, plan(LevelName::Interpolant, 192, objective), pairing)?;
            milliseconds(&mut ours, 20)?;
            let mut rounds = vec![];
            for _ in 0..ROUNDS {
                rounds.push((milliseconds(&mut ours, 20)?, milliseconds(&mut step, 200)?));
            }
            let (steps, ms) = (Spread::of(&rounds, |r| r.0 / r.1), Spread::of(&rounds, |r| r.1));
            println!("{:<44} {name:<20} {steps:.2}; a velocity step takes {ms:.3} ms", family.name());
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
            let mut group =
                c.benchmark_group(format!("straightness/exact field at 256 points, {d} dimensions, {}", family.name()));
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
