//! Pairs that are made ahead, on other threads: the same training to the bit, wherever it stops.

use crate::common::line::{averages, numbers, phase, plan, run, system};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;
use strait_core::{Coupling, Dataset, Draws, Error, Pairs, Seed, Split, StandardNormal, Stream};
use strait_optim::objectives::{Energy, FlowMatching};
use strait_optim::{LevelName, LevelPlan, OptimError, Pairing, Phase, Trainer, checkpoint};
use strait_transport::{ExactOt, Sinkhorn};
use tch::{Device, Kind, Tensor};

/// N((3, -1), I), by batches.
struct Cloud;

impl Dataset for Cloud {
    fn name(&self) -> &str {
        "a cloud"
    }
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn len(&self, _split: Split) -> Option<i64> {
        None
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, Error> {
        self.points(Split::Train, n, &mut stream.at(step))
    }
    fn points(&self, _split: Split, n: i64, draws: &mut Draws) -> Result<Tensor, Error> {
        Ok(draws.normal(&[n, 2], Kind::Float, Device::Cpu)? + Tensor::from_slice(&[3.0f32, -1.0]))
    }
    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(x.shallow_clone())
    }
}

/// Optimal pairs, and a record of the threads that made them. Fails at the batch of this number.
#[derive(Clone, Default)]
struct Watched {
    threads: Arc<Mutex<Vec<ThreadId>>>,
    fails_at: Option<u64>,
}

impl Coupling for Watched {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        let of = |number| Seed(5).stream("coupling").at(number).bits();
        if self.fails_at.map(of) == Some(draws.bits()) {
            return Err(Error::Setting { what: "this batch", value: 1.0, must: "one that can be paired" });
        }
        self.threads.lock().unwrap().push(thread::current().id());
        ExactOt.couple(x0, x1, draws)
    }
    fn is_independent(&self) -> bool {
        false
    }
    fn name(&self) -> &str {
        "watched"
    }
    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        Some(Box::new(self.clone()))
    }
}

/// Two levels of other batches, one of them twice an iteration, then one level with noise.
fn phases() -> Vec<Phase> {
    let of = |plan: LevelPlan, batch: i64, noise: f64| LevelPlan { batch, noise, ..plan };
    let both = vec![
        of(plan(LevelName::Velocity, FlowMatching, 2, 0.05), 24, 0.0),
        of(plan(LevelName::Interpolant, Energy { acceleration: 1e-3 }, 1, 0.02), 16, 0.0),
    ];
    let last = of(plan(LevelName::Velocity, FlowMatching, 1, 0.05), 24, 0.1);
    vec![phase(4, both, vec![]), phase(5, vec![last], vec![LevelName::Velocity])]
}

fn trainer<'a>(source: &'a StandardNormal, coupling: &'a dyn Coupling, threads: usize) -> Trainer<'a> {
    let pairing = Pairing::Drawn { source, data: &Cloud, coupling };
    let mut trainer = Trainer::new(system(&[3.0]), phases(), pairing, Seed(5)).unwrap();
    trainer.pair_ahead(threads);
    trainer
}

fn assert_same(a: &Trainer<'_>, b: &Trainer<'_>, what: &str) {
    for level in [LevelName::Interpolant, LevelName::Velocity] {
        assert_eq!(numbers(a, level), numbers(b, level), "{level:?}, {what}");
    }
    assert_eq!(averages(a), averages(b), "{what}");
}

#[test]
fn threads_ahead_change_no_bit() {
    let source = StandardNormal::new(&[2]);
    for coupling in [&ExactOt as &dyn Coupling, &Sinkhorn::new(0.5)] {
        let mut alone = trainer(&source, coupling, 0);
        run(&mut alone);
        for threads in [1, 3, 40] {
            let mut ahead = trainer(&source, coupling, threads);
            run(&mut ahead);
            assert_same(&alone, &ahead, &format!("{threads} threads"));
        }
    }
}

/// A trainer that is set back has begun batches that are no longer next.
#[test]
fn a_trainer_that_is_set_back_goes_on_to_the_bit() {
    let source = StandardNormal::new(&[2]);
    let mut whole = trainer(&source, &ExactOt, 0);
    run(&mut whole);
    for stop in 1..9 {
        let folder = tempfile::tempdir().unwrap();
        let mut ahead = trainer(&source, &ExactOt, 2);
        (0..stop).for_each(|_| ahead.iterate().unwrap());
        checkpoint::save(&ahead, folder.path(), 0.0, 1).unwrap();
        run(&mut ahead);
        assert_same(&whole, &ahead, "before it is set back");
        let (found, _) = checkpoint::newest(folder.path()).unwrap();
        found.unwrap().restore(&mut ahead).unwrap();
        run(&mut ahead);
        assert_same(&whole, &ahead, &format!("set back to {stop}"));
    }
}

#[test]
fn pairs_are_made_on_other_threads_and_each_once() {
    let source = StandardNormal::new(&[2]);
    let watched = Watched::default();
    run(&mut trainer(&source, &watched, 2));
    let here = thread::current().id();
    let threads = watched.threads.lock().unwrap();
    // The first batch of a phase is made here, once for its objectives to look at and once to train on.
    assert_eq!(threads.iter().filter(|id| **id == here).count(), 3 + 2);
    assert_eq!(threads.len(), 3 + (3 * 4 + 5));
}

/// A coupling that takes its time.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<u32>>>);

impl Coupling for Slow {
    fn couple(&self, x0: Tensor, x1: Tensor, _: &mut Draws) -> Result<Pairs, Error> {
        thread::sleep(Duration::from_millis(50));
        self.0.lock().unwrap().push(1);
        Ok(Pairs { x0, x1, target_rows: None })
    }
    fn is_independent(&self) -> bool {
        true
    }
    fn name(&self) -> &str {
        "slow"
    }
    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        Some(Box::new(self.clone()))
    }
}

#[test]
fn no_thread_outlives_its_trainer() {
    let (source, slow) = (StandardNormal::new(&[2]), Slow::default());
    let mut trainer = trainer(&source, &slow, 3);
    trainer.iterate().unwrap();
    drop(trainer);
    // Of the phase's beginning, of the three steps that were taken, and of the three after them.
    assert_eq!(slow.0.lock().unwrap().len(), 2 + 3 + 3);
    assert_eq!(Arc::strong_count(&slow.0), 1);
}

#[test]
fn an_error_of_another_thread_is_the_error_of_its_step() {
    let source = StandardNormal::new(&[2]);
    let mut steps = vec![];
    for threads in [0, 1] {
        let watched = Watched { fails_at: Some(7), ..Watched::default() };
        let mut trainer = trainer(&source, &watched, threads);
        let error = loop {
            match trainer.iterate() {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, OptimError::Core(Error::Setting { what: "this batch", .. })), "{error}");
        steps.push(trainer.position().step);
    }
    assert_eq!(steps, [2, 2]);
}
