//! A network of tch's own modules: trained, stopped and resumed to the bit, with its buffers and its dropout.

#[path = "../examples/own_network.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod example;

use std::sync::{Mutex, MutexGuard, PoisonError};
use strait_core::{Seed, StandardNormal};
use strait_data::{ToyDataset, toys::Rings};
use strait_optim::{LevelName, Pairing, Trainer, checkpoint};
use tch::{Device, Kind, Tensor};

/// libtorch has one generator for all threads, and dropout draws from it: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Inputs {
    source: StandardNormal,
    data: ToyDataset,
}

impl Inputs {
    fn new() -> Self {
        let rings = ToyDataset::new(Box::new(Rings::new(0.1).unwrap()), Kind::Float, Device::Cpu).unwrap();
        Self { source: StandardNormal::new(&[2]), data: rings }
    }

    fn trainer(&self, iterations: u64) -> Trainer<'_> {
        let (source, data) = (&self.source, &self.data);
        example::trainer(Pairing::Drawn { source, data, coupling: &strait_transport::Independent }, iterations).unwrap()
    }
}

fn run(trainer: &mut Trainer<'_>, iterations: u64) {
    for _ in 0..iterations {
        trainer.iterate().unwrap();
    }
}

fn named(trainer: &Trainer<'_>) -> Vec<(String, Tensor)> {
    let level = trainer.system.level(LevelName::Velocity).unwrap();
    level.parameters.named().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect()
}

#[test]
fn a_stopped_training_goes_on_to_the_bit_with_buffers_and_dropout() {
    let (_alone, inputs) = (alone(), Inputs::new());
    let mut whole = inputs.trainer(12);
    run(&mut whole, 12);
    let mut first = inputs.trainer(12);
    run(&mut first, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = checkpoint::save(&first, folder.path(), 0.0, 1).unwrap();
    let mut second = inputs.trainer(12);
    tch::manual_seed(99); // what libtorch's own generator did before plays no part
    checkpoint::open(&path).unwrap().restore(&mut second).unwrap();
    run(&mut second, 5);
    assert_eq!(named(&second), named(&whole));
    let names: Vec<String> = named(&whole).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"norm.running_mean".to_owned()) && names.contains(&"first.weight".to_owned()), "{names:?}");
    // Each file that a model is evaluated with has all that it needs.
    let average = checkpoint::open(&path).unwrap().average(LevelName::Velocity, 50.0).unwrap();
    second.system.level(LevelName::Velocity).unwrap().parameters.assign(&average).unwrap();
}

#[test]
fn modules_behave_as_in_training_within_a_step_alone() {
    let (_alone, inputs) = (alone(), Inputs::new());
    let mut trainer = inputs.trainer(400);
    let mean = |trainer: &Trainer<'_>| {
        named(trainer).into_iter().find(|(name, _)| name == "norm.running_mean").map(|(_, mean)| mean).unwrap()
    };
    let before = mean(&trainer);
    let mut draws = Seed(3).stream("x").at(0);
    let x = draws.normal(&[64, 2], Kind::Float, Device::Cpu).unwrap();
    let t = draws.uniform(&[64], Kind::Float, Device::Cpu).unwrap();
    let velocity = |trainer: &Trainer<'_>| trainer.system.velocity.velocity(&x, &t).unwrap();
    assert_eq!(velocity(&trainer), velocity(&trainer), "no dropout in evaluation");
    assert_eq!(mean(&trainer), before, "no batch is taken in in evaluation");
    run(&mut trainer, 1);
    assert_ne!(mean(&trainer), before, "and in training it is");
    assert!(!trainer.system.level(LevelName::Velocity).unwrap().parameters.mode().is_training());
    run(&mut trainer, 299);
    trainer.log().unwrap();
    run(&mut trainer, 100);
    let log = trainer.log().unwrap();
    // E|u - v*|^2 of noise to data of unit variance; a field of zero has E|x1 - x0|^2 = 4.
    assert!(log[0].terms[0].1 < 3.5, "{log:?}");
}

#[test]
fn starting_over_brings_back_what_was_adopted() {
    let (_alone, inputs) = (alone(), Inputs::new());
    let mut trainer = inputs.trainer(3);
    let before = named(&trainer);
    run(&mut trainer, 3);
    assert_ne!(named(&trainer), before);
    trainer.system.level(LevelName::Velocity).unwrap().parameters.reset(Seed(5)).unwrap();
    assert_eq!(named(&trainer), before);
}
