//! The iteration, its objectives and the plans that it refuses, on problems with known solutions.

use crate::common::Independent;
use crate::common::line::{Point, numbers, phase, plan, run, system, trainer};
use std::cell::Cell;
use std::sync::{Arc, Mutex};
use strait_core::{
    Batch, Draws, Error, Init, Loss, Models, Objective, PairedDataset, Pairs, Parameters, Seed, Source, StandardNormal,
    Stream,
};
use strait_optim::objectives::{Energy, FlowMatching, Likelihood};
use strait_optim::{Level, LevelName, LevelPlan, OptimError, Pairing, Phase, Trainer};
use tch::{Device, Kind, Tensor};

#[test]
fn flow_matching_finds_the_mean_velocity() {
    // u = m - x0 + (1 - 2t) c, so the best line is a = m + c, b = -2c; here c = 1.
    let velocity = plan(LevelName::Velocity, FlowMatching, 1, 0.05);
    let mut trainer = trainer(vec![phase(1500, vec![velocity], vec![])], &[]).unwrap();
    run(&mut trainer);
    for (found, wanted) in numbers(&trainer, LevelName::Velocity).iter().zip([4.0, 0.0, -2.0, -2.0]) {
        assert!((found - wanted).abs() < 0.05, "{found} against {wanted}");
    }
    assert_eq!(trainer.position().batches, 1500);
}

#[test]
fn energy_straightens_what_was_bent() {
    // E|v*|^2 = |m|^2 + |c|^2 / 3 + const is least without the bend.
    let levels = vec![
        plan(LevelName::Velocity, FlowMatching, 2, 0.05),
        plan(LevelName::Interpolant, Energy { acceleration: 1e-3 }, 1, 0.01),
    ];
    let last = plan(LevelName::Velocity, FlowMatching, 1, 0.05);
    let phases = vec![phase(1000, levels, vec![]), phase(500, vec![last], vec![LevelName::Velocity])];
    let mut trainer = trainer(phases, &[]).unwrap();
    run(&mut trainer);
    for c in numbers(&trainer, LevelName::Interpolant) {
        assert!(c.abs() < 0.05, "{c}");
    }
    assert_eq!(trainer.position().batches, 3500);
}

#[test]
fn the_energy_has_its_value() {
    let system = system(&[]);
    let models = Models { interpolant: &*system.interpolant, velocity: &*system.velocity };
    let x = |seed| Seed(seed).stream("x").at(0).normal(&[64, 2], Kind::Float, Device::Cpu).unwrap();
    let t = Seed(3).stream("t").at(0).uniform(&[64], Kind::Float, Device::Cpu).unwrap();
    let batch = Batch { x0: x(1), x1: x(2), t, later: None, conditions: strait_core::Conditions::default() };
    let Loss { total, terms } = Energy { acceleration: 0.5 }.loss(models, &batch).unwrap();
    let curve = models.interpolant.curve(&batch.x0, &batch.x1, &batch.t).unwrap();
    let v = models.velocity.velocity(&curve.x_t, &batch.t).unwrap();
    let sum = |x: &Tensor| x.sum(Kind::Double).double_value(&[]) / 64.0;
    let energy = sum(&(&curve.velocity * &v)) * 2.0 - sum(&v.square());
    let penalty = sum(&curve.acceleration.square());
    assert!((total.double_value(&[]) - energy - 0.5 * penalty).abs() < 1e-4);
    assert_eq!(terms.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["energy", "acceleration"]);
    assert!((terms[1].1.double_value(&[]) - penalty).abs() < 1e-4);
}

/// NaN at calls whose numbers are named.
struct Breaks(Cell<u64>, Box<dyn Fn(u64) -> bool + Send>);

impl Objective for Breaks {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let call = self.0.get();
        self.0.set(call + 1);
        let factor = if (self.1)(call) { f64::NAN } else { 1.0 };
        let total = FlowMatching.loss(models, batch)?.total * factor;
        Ok(Loss { terms: vec![("broken", total.detach())], total })
    }
    fn name(&self) -> &'static str {
        "breaks"
    }
}

fn breaking(when: impl Fn(u64) -> bool + Send + 'static) -> Trainer<'static> {
    let velocity = plan(LevelName::Velocity, Breaks(Cell::new(0), Box::new(when)), 1, 0.05);
    trainer(vec![phase(1000, vec![velocity], vec![])], &[10.0]).unwrap()
}

fn iterations(trainer: &mut Trainer<'_>, iterations: u64) {
    (0..iterations).for_each(|_| trainer.iterate().unwrap());
}

/// A skipped step changes nothing, is counted, and is in no mean; so does one step fewer than are borne.
#[test]
fn what_is_not_finite_is_skipped_and_counted() {
    let last = 7 + Trainer::PATIENCE - 1;
    let mut trainer = breaking(move |call| (7..last).contains(&call));
    iterations(&mut trainer, 7);
    let before = numbers(&trainer, LevelName::Velocity);
    let whole = trainer.log().unwrap().remove(0);
    iterations(&mut trainer, 3);
    assert_eq!(before, numbers(&trainer, LevelName::Velocity));
    let none = trainer.log().unwrap().remove(0);
    assert_eq!((whole.skipped, none.skipped), (0, 3));
    assert!(none.terms[0].1.is_nan() && none.gradient_norm.is_nan(), "a mean of no steps: {none:?}");
    iterations(&mut trainer, last - 10);
    assert_eq!(before, numbers(&trainer, LevelName::Velocity));
    iterations(&mut trainer, 5);
    assert_ne!(before, numbers(&trainer, LevelName::Velocity));
    let log = trainer.log().unwrap().remove(0);
    assert_eq!(log.skipped, last - 10);
    assert!(log.terms[0].1.is_finite() && log.terms[0].1 > 0.0 && log.gradient_norm > 0.0, "{log:?}");
}

/// Only those in a row count.
#[test]
fn a_step_that_is_taken_ends_a_run_of_skipped_ones() {
    let mut trainer = breaking(|call| call % 70 != 0);
    iterations(&mut trainer, 700);
    assert_eq!(trainer.log().unwrap().remove(0).skipped, 690);
}

#[test]
fn a_level_that_skips_all_its_steps_is_given_up_by_name() {
    let mut trainer = breaking(|call| call >= 7);
    for _ in 0..4 {
        iterations(&mut trainer, 25);
        trainer.log().unwrap();
    }
    iterations(&mut trainer, 7);
    let error = trainer.log().unwrap_err();
    assert!(
        matches!(error, OptimError::NonFinite { step: 7, level: "velocity", term: "broken", count: 100, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.starts_with("step 7: broken of level velocity (breaks) is not finite"), "{text}");
    assert!(text.contains("with its gradient clipped"), "{text}");
}

/// What was done already is no remedy.
#[test]
fn the_remedy_is_one_that_was_not_tried() {
    let said = |clip: f64, first: u64| {
        let breaks = Breaks(Cell::new(0), Box::new(move |call| call >= first));
        let velocity = LevelPlan { clip, ..plan(LevelName::Velocity, breaks, 1, 0.05) };
        let mut trainer = trainer(vec![phase(1000, vec![velocity], vec![])], &[]).unwrap();
        iterations(&mut trainer, first + 100);
        trainer.log().unwrap_err().to_string()
    };
    let text = said(0.5, 2);
    assert!(text.contains("a learning rate below") && text.contains("or a clip below 0.5"), "{text}");
    assert!(said(1e-20, 2).ends_with("or a clip below 1e-20"));
    // Before the first step neither rate nor clip has done anything.
    let text = said(0.5, 0);
    assert!(text.contains("no step was taken before them") && !text.contains("below"), "{text}");
}

/// An objective whose totals are known: k at the k-th call.
struct Counts(Cell<u32>);

impl Objective for Counts {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let k = self.0.get() + 1;
        self.0.set(k);
        let total = FlowMatching.loss(models, batch)?.total;
        Ok(Loss { terms: vec![("k", Tensor::from(f64::from(k)))], total })
    }
    fn name(&self) -> &'static str {
        "counts"
    }
}

#[test]
fn a_log_line_is_the_mean_of_the_steps_since_the_last() {
    let velocity = plan(LevelName::Velocity, Counts(Cell::new(0)), 1, 0.05);
    let mut trainer = trainer(vec![phase(100, vec![velocity], vec![])], &[]).unwrap();
    for (steps, mean) in [(4, 2.5), (3, 6.0), (1, 8.0)] {
        iterations(&mut trainer, steps);
        let norms = trainer.log().unwrap().remove(0);
        assert_eq!(norms.terms, [("k", mean)]);
    }
}

#[test]
fn plans_that_end_untrained_are_refused() {
    let flow = || plan(LevelName::Velocity, FlowMatching, 1, 0.1);
    let energy = || plan(LevelName::Interpolant, Energy { acceleration: 0.0 }, 1, 0.1);
    let refused = |phases: Vec<Phase>| trainer(phases, &[]).err().unwrap().to_string();
    assert!(refused(vec![]).contains("no phase"));
    assert!(refused(vec![phase(5, vec![flow()], vec![]), phase(5, vec![energy()], vec![])]).contains("does not fit"));
    assert!(refused(vec![phase(5, vec![flow(), energy()], vec![])]).contains("still moves the interpolant"));
    let transport = plan(LevelName::Transport, Energy { acceleration: 0.0 }, 1, 0.1);
    assert!(refused(vec![phase(5, vec![flow(), transport], vec![])]).contains("still moves the transport"));
    assert!(refused(vec![phase(5, vec![], vec![]), phase(5, vec![flow()], vec![])]).contains("steps no level"));
    assert!(refused(vec![phase(0, vec![flow()], vec![]), phase(5, vec![flow()], vec![])]).contains("steps no level"));
    assert!(refused(vec![phase(5, vec![flow()], vec![LevelName::Transport])]).contains("names the transport"));
}

/// Pair i is (i, 10 i) in both coordinates.
struct Tens;

impl PairedDataset for Tens {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn count(&self) -> i64 {
        9
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let rows = stream.at(step).integers(9, &[n], Device::Cpu)?;
        let x0 = rows.to_kind(Kind::Float).unsqueeze(1).repeat([1, 2]);
        Ok(Pairs { x1: &x0 * 10.0, x0, target_rows: Some(rows) })
    }
}

/// Keeps the pairs of every batch.
struct Witness(Arc<Mutex<Vec<(Tensor, Tensor)>>>);

impl Objective for Witness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        self.0.lock().unwrap().push((batch.x0.copy(), batch.x1.copy()));
        FlowMatching.loss(models, batch)
    }
    fn name(&self) -> &'static str {
        "witness"
    }
}

#[test]
fn stored_pairs_stay_together_and_noise_moves_both_endpoints_alike() {
    for noise in [0.0, 0.5] {
        let seen = Arc::new(Mutex::new(vec![]));
        let level = LevelPlan { noise, ..plan(LevelName::Velocity, Witness(seen.clone()), 1, 1e-3) };
        let phases = vec![phase(20, vec![level], vec![])];
        run(&mut Trainer::new(system(&[]), phases, Pairing::Stored(&Tens), Seed(5)).unwrap());
        let seen = seen.lock().unwrap();
        let stack = |side: fn(&(Tensor, Tensor)) -> &Tensor| Tensor::cat(&seen.iter().map(side).collect::<Vec<_>>(), 0);
        let (x0, x1) = (stack(|pair| &pair.0), stack(|pair| &pair.1));
        // x1 - x0 = 9 i whatever was added to both.
        let row: Tensor = (&x1 - &x0) / 9.0;
        assert!(row.allclose(&row.round(), 0.0, 1e-4, false));
        assert_eq!(seen.len(), 20);
        assert!(seen[0].0 != seen[1].0, "the same batch twice");
        let added = x0 - row.round();
        let sd = added.std(true).double_value(&[]);
        assert!((sd - noise).abs() <= 0.02 * noise, "{sd} where {noise} was to be added");
        let (a, b) = (added.select(1, 0), added.select(1, 1));
        assert!(
            (a * b).mean(Kind::Double).double_value(&[]).abs() <= 0.05 * noise * noise,
            "one noise for two numbers"
        );
    }
}

/// $N(m, I)$ with a learned mean.
struct Shifted(Tensor);

impl Source for Shifted {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(StandardNormal::new(&[2]).sample(n, draws, kind, device)? + &self.0)
    }
    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        StandardNormal::new(&[2]).log_density(&(x - &self.0))
    }
}

#[test]
fn likelihood_finds_the_mean_of_the_data() {
    let mut system = system(&[]);
    let mut parameters = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
    let mean = parameters.root().tensor("mean", &[2], Init::Constant(0.0)).unwrap();
    system.levels[1] = Level::new(LevelName::Velocity, parameters, &[]).unwrap();
    let objective = Likelihood { law: Box::new(Shifted(mean.shallow_clone())) };
    let phases = vec![phase(300, vec![plan(LevelName::Velocity, objective, 1, 0.1)], vec![])];
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &Point, coupling: &Independent };
    let mut trainer = Trainer::new(system, phases, pairing, Seed(5)).unwrap();
    run(&mut trainer);
    assert!(mean.allclose(&Tensor::from_slice(&[3.0f32, -1.0]), 0.0, 1e-2, false), "{mean}");
    let least = (2.0 * std::f64::consts::PI).ln(); // of N(m, I) at its mean, in nats
    let last = trainer.log().unwrap()[0].terms.clone();
    assert!(last[0].0 == "nats" && last[0].1 > least - 1e-3, "{last:?}");
}
