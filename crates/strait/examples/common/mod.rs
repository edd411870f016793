//! The training loop of the examples.

use std::error::Error;
use strait_core::Seed;
use strait_optim::{Decay, LearningRate, LevelName, LevelPlan, Pairing, Phase, Spans, System, Term, Times, Trainer};

/// One objective, at a rate that falls to 0 as a cosine does.
pub(crate) fn plan(level: LevelName, term: Term, steps: u32, batch: i64, rate: f64) -> LevelPlan {
    LevelPlan {
        level,
        terms: vec![term],
        steps,
        batch,
        parts: 1,
        times: Times::Uniform,
        spans: Spans::default(),
        noise: 0.0,
        condition_drop: 0.0,
        rate: LearningRate { peak: rate, warm_up: 0, decay: Decay::Cosine },
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        clip: 1.0,
    }
}

/// What a system is after all phases.
pub(crate) fn trained(
    system: System,
    phases: Vec<Phase>,
    pairing: Pairing<'_>,
    seed: Seed,
) -> Result<System, Box<dyn Error>> {
    let mut trainer = Trainer::new(system, phases, pairing, seed)?;
    while trainer.phase().is_some() {
        trainer.iterate()?;
        if trainer.position().step % 100 == 0 {
            trainer.log()?; // refuses what is not finite
        }
    }
    Ok(trainer.system)
}
