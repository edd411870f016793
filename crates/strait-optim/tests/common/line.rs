//! A small system whose optimal parameters are known, and its training.

use super::{Bent, Independent};
use strait_core::{
    Dataset, Draws, Error, Init, Objective, Parameters, Seed, Source, Split, StandardNormal, Stream, VelocityField,
};
use strait_optim::{
    Decay, LearningRate, Level, LevelName, LevelPlan, OptimError, Pairing, Phase, Spans, System, Term, Times, Trainer,
};
use tch::{Device, Kind, Tensor};

/// Data at one point, (3, -1).
pub(crate) struct Point;

impl Dataset for Point {
    fn name(&self) -> &str {
        "a point"
    }
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn len(&self, _split: Split) -> Option<i64> {
        None
    }
    fn minibatch(&self, n: i64, _step: u64, _stream: Stream) -> Result<Tensor, Error> {
        Ok(Tensor::from_slice(&[3.0f32, -1.0]).repeat([n, 1]))
    }
    fn points(&self, _split: Split, n: i64, _draws: &mut Draws) -> Result<Tensor, Error> {
        self.minibatch(n, 0, Seed(0).stream(""))
    }
    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(x.shallow_clone())
    }
}

/// $v(x, t) = a + t b$: with data at one point m and times uniform, the best a and b are known.
pub(crate) struct Line {
    a: Tensor,
    b: Tensor,
}

impl VelocityField for Line {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok((&self.a + t.unsqueeze(1) * &self.b).expand_as(x))
    }
}

pub(crate) fn system(half_lives: &[f64]) -> System {
    let mut velocity = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
    let a = velocity.root().tensor("a", &[2], Init::Normal(1.0)).unwrap();
    let b = velocity.root().tensor("b", &[2], Init::Normal(1.0)).unwrap();
    let mut path = Parameters::new(Seed(2), Kind::Float, Device::Cpu);
    let c = path.root().tensor("c", &[2], Init::Constant(1.0)).unwrap();
    System {
        interpolant: Box::new(Bent(c)),
        velocity: Box::new(Line { a, b }),
        levels: vec![
            Level::new(LevelName::Interpolant, path, &[]).unwrap(),
            Level::new(LevelName::Velocity, velocity, half_lives).unwrap(),
        ],
    }
}

pub(crate) fn plan(level: LevelName, objective: impl Objective + Send + 'static, steps: u32, rate: f64) -> LevelPlan {
    LevelPlan {
        level,
        terms: vec![Term::of(objective)],
        steps,
        batch: 256,
        parts: 1,
        times: Times::Uniform,
        spans: Spans::default(),
        noise: 0.0,
        condition_drop: 0.0,
        rate: LearningRate { peak: rate, warm_up: 0, decay: Decay::Cosine },
        betas: (0.9, 0.99),
        weight_decay: 0.0,
        clip: f64::INFINITY,
    }
}

pub(crate) fn phase(iterations: u64, levels: Vec<LevelPlan>, fresh: Vec<LevelName>) -> Phase {
    Phase { name: format!("{iterations} iterations"), iterations, levels, fresh }
}

pub(crate) fn trainer(phases: Vec<Phase>, half_lives: &[f64]) -> Result<Trainer<'static>, OptimError> {
    let source: &'static dyn Source = Box::leak(Box::new(StandardNormal::new(&[2])));
    let pairing = Pairing::Drawn { source, data: &Point, coupling: &Independent };
    Trainer::new(system(half_lives), phases, pairing, Seed(5))
}

pub(crate) fn numbers(trainer: &Trainer<'_>, level: LevelName) -> Vec<f64> {
    let tensors = trainer.system.level(level).unwrap().parameters.tensors().iter().map(|t| t.view([-1]));
    Vec::<f64>::try_from(Tensor::cat(&tensors.collect::<Vec<_>>(), 0).to_kind(Kind::Double)).unwrap()
}

/// Each moving average of the velocity.
pub(crate) fn averages(trainer: &Trainer<'_>) -> Vec<Vec<Tensor>> {
    let averages = trainer.system.level(LevelName::Velocity).unwrap().averages();
    averages.iter().map(|average| average.averages().iter().map(Tensor::copy).collect()).collect()
}

pub(crate) fn run(trainer: &mut Trainer<'_>) {
    while trainer.phase().is_some() {
        trainer.iterate().unwrap();
    }
}
