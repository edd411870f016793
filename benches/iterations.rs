//! The trainers whose iterations are timed, and their models.

use std::time::Instant;
use strait_core::{Interpolant, Objective, Parameters, Seed};
use strait_nets::{Activation, Mlp, MlpConfig, MlpFlowMap, TimeFeatures};
use strait_optim::objectives::FlowMatching;
use strait_optim::{
    Decay, LearningRate, Level, LevelName, LevelPlan, OptimError, Pairing, Phase, Spans, System, Term, Times, Trainer,
};
use strait_paths::Linear;
use tch::{Device, Kind};

/// A network of points of `input` dimensions and of time.
pub fn mlp(input: i64, hidden: Vec<i64>, output: i64) -> MlpConfig {
    MlpConfig { input, hidden, output, activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: false }
}

/// One step of a level on one objective, clipped.
pub fn plan(level: LevelName, batch: i64, objective: impl Objective + Send + 'static) -> LevelPlan {
    LevelPlan {
        level,
        terms: vec![Term::of(objective)],
        steps: 1,
        batch,
        parts: 1,
        times: Times::Uniform,
        spans: Spans::default(),
        noise: 0.0,
        condition_drop: 0.0,
        rate: LearningRate { peak: 1e-4, warm_up: 0, decay: Decay::Constant },
        betas: (0.9, 0.999),
        weight_decay: 1e-2,
        clip: 1.0,
    }
}

/// Iterations of `levels` without end, over a path with its parameters and the 3x64 velocity of points in the plane, of which
/// moving averages with these half-lives are kept.
///
/// # Errors
/// Those of the trainer.
pub fn trainer<'a>(
    interpolant: Box<dyn Interpolant + Send>,
    path: Parameters,
    levels: Vec<LevelPlan>,
    half_lives: &[f64],
    pairing: Pairing<'a>,
) -> Result<Trainer<'a>, OptimError> {
    let mut field = fresh();
    let velocity = Box::new(Mlp::new(&mlp(2, vec![64; 3], 2), &mut field.root())?);
    let mut learned = vec![Level::new(LevelName::Velocity, field, half_lives)?];
    if path.count() > 0 {
        learned.push(Level::new(LevelName::Interpolant, path, &[])?);
    }
    endless(System { interpolant, velocity, levels: learned }, levels, pairing)
}

/// Iterations of one plan of a 3x64 flow map of points in the plane without end, over the linear path.
///
/// # Errors
/// Those of the trainer.
pub fn flow_map_trainer(plan: LevelPlan, pairing: Pairing<'_>) -> Result<Trainer<'_>, OptimError> {
    let mut field = fresh();
    let velocity = Box::new(MlpFlowMap::new(&mlp(2, vec![64; 3], 2), &mut field.root())?);
    let levels = vec![Level::new(LevelName::Velocity, field, &[])?];
    endless(System { interpolant: Box::new(Linear), velocity, levels }, vec![plan], pairing)
}

fn fresh() -> Parameters {
    Parameters::new(Seed(0).below("velocity"), Kind::Float, Device::Cpu)
}

fn endless(system: System, levels: Vec<LevelPlan>, pairing: Pairing<'_>) -> Result<Trainer<'_>, OptimError> {
    let phase = |name: &str, iterations, levels| Phase { name: name.into(), iterations, levels, fresh: vec![] };
    // A plan ends with a fitted velocity; that phase is never reached.
    let fit = plan(LevelName::Velocity, 1, FlowMatching);
    let phases = vec![phase("bench", u64::MAX / 2, levels), phase("fit", 1, vec![fit])];
    Trainer::new(system, phases, pairing, Seed(0))
}

/// Milliseconds of each of some iterations.
///
/// # Errors
/// Those of an iteration.
pub fn milliseconds(trainer: &mut Trainer<'_>, iterations: u32) -> Result<f64, OptimError> {
    let begun = Instant::now();
    for _ in 0..iterations {
        trainer.iterate()?;
    }
    trainer.log()?; // as a run does, every so often
    Ok(1e3 * begun.elapsed().as_secs_f64() / f64::from(iterations))
}
