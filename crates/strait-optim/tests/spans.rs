//! The batches of flow maps: two times for each pair, or segments of trajectories; and the plans that are refused.

use crate::common::Independent;
use crate::common::line::{Point, phase, plan, system, trainer};

use std::sync::{Arc, Mutex};
use strait_core::{
    Batch, Error, Loss, Models, Objective, Sampling, Seed, Segments, StandardNormal, Stream, TrajectoryDataset,
};
use strait_optim::objectives::{FlowMatching, LagrangianDistillation, MeanFlow, TrajectoryRegression};
use strait_optim::{LevelName, LevelPlan, OptimError, Pairing, Phase, Spans, Times, Trainer};
use tch::{Device, Kind, Tensor};

type Seen = Arc<Mutex<Vec<Batch>>>;

/// Keeps what every batch is made of.
struct Witness(Seen, Sampling);

impl Objective for Witness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let later = batch.later.as_ref().map(Tensor::copy);
        let Batch { x0, x1, t, .. } = batch;
        self.0.lock().unwrap().push(Batch {
            x0: x0.copy(),
            x1: x1.copy(),
            t: t.copy(),
            later,
            conditions: strait_core::Conditions::default(),
        });
        FlowMatching.loss(models, batch)
    }
    fn name(&self) -> &'static str {
        "witness"
    }
    fn sampling(&self) -> Sampling {
        self.1
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(x.to_kind(Kind::Double)).unwrap()
}

#[test]
fn a_share_of_a_batch_has_later_times() {
    let seen = Seen::default();
    let spans = Spans { off_diagonal: 0.25, from_start: 0.5 };
    let times = Times::Power { power: 2.0 };
    let level =
        LevelPlan { spans, times, ..plan(LevelName::Velocity, Witness(seen.clone(), Sampling::Spans), 1, 1e-3) };
    let mut trainer = trainer(vec![phase(40, vec![level], vec![])], &[]).unwrap();
    (0..40).for_each(|_| trainer.iterate().unwrap());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 40);
    let (mut early, mut ends) = (0, vec![]);
    for batch in seen.iter() {
        let (t, later) = (numbers(&batch.t), numbers(batch.later.as_ref().unwrap()));
        assert_eq!((t.len(), later.len()), (256, 64));
        let starts = &t[192..];
        assert!(starts.iter().zip(&later).all(|(s, t)| s <= t));
        assert_eq!(starts.iter().filter(|s| **s == 0.0).count(), 32);
        // P(U^2 < 1/4) = 1/2, on the diagonal and of what ends a span from 0.
        early += t[..192].iter().chain(&later[..32]).filter(|t| **t < 0.25).count();
        ends.extend(later);
    }
    let share = early as f64 / (40.0 * 224.0);
    assert!((share - 0.5).abs() < 0.01, "{share}");
    assert!(ends[..64] != ends[64..128], "the same times twice");
}

#[test]
fn laws_of_two_times_that_train_no_flow_map_are_refused() {
    let refused = |spans, objective: Box<dyn Objective + Send>, batch| {
        let mut level = plan(LevelName::Velocity, FlowMatching, 1, 0.1);
        level.terms[0].objective = objective;
        let level = LevelPlan { spans, batch, ..level };
        trainer(vec![phase(5, vec![level], vec![])], &[]).err().map(|error| error.to_string())
    };
    let shares = |off_diagonal, from_start| Spans { off_diagonal, from_start };
    let map = || Box::new(LagrangianDistillation);
    for share in [-0.1, 1.0, f64::NAN] {
        let error = refused(shares(share, 0.0), map(), 8).unwrap();
        assert!(error.contains("without a diagonal a flow map has no velocity"), "{error}");
    }
    for share in [-0.1, 1.1, f64::NAN] {
        let error = refused(shares(0.25, share), map(), 8).unwrap();
        assert!(error.contains("spans that start at 0"), "{error}");
    }
    for batch in [8, 1] {
        let share = if batch == 1 { 0.25 } else { 0.0 };
        let error = refused(shares(share, 0.0), Box::<MeanFlow>::default(), batch).unwrap();
        assert!(error.contains("mean_flow trains at pairs of times"), "{error}");
    }
    let error = refused(shares(0.25, 0.0), Box::new(FlowMatching), 8).unwrap();
    assert!(error.contains("flow_matching trains at one time"), "{error}");
    assert_eq!(refused(shares(0.25, 1.0), map(), 8), None);
}

/// Segment i goes from i at .25 to 10 i at .75.
struct Tens;

impl TrajectoryDataset for Tens {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn count(&self) -> i64 {
        9
    }
    fn segments(&self, n: i64, _: i64, step: u64, stream: Stream) -> Result<Segments, Error> {
        let rows = stream.at(step).integers(9, &[n], Device::Cpu)?;
        let from = rows.to_kind(Kind::Float).unsqueeze(1).repeat([1, 2]);
        let at = |t: f64| Tensor::full([n], t, (Kind::Float, Device::Cpu));
        Ok(Segments { to: &from * 10.0, from, s: at(0.25), t: at(0.75) })
    }
}

#[test]
fn segments_come_as_they_were_stored() {
    let seen = Seen::default();
    let level = plan(LevelName::Velocity, Witness(seen.clone(), Sampling::Segments), 1, 1e-3);
    let phases = vec![phase(3, vec![level], vec![])];
    let mut trainer =
        Trainer::new(system(&[]), phases, Pairing::Trajectories { stored: &Tens, beside: None }, Seed(5)).unwrap();
    (0..3).for_each(|_| trainer.iterate().unwrap());
    let seen = seen.lock().unwrap();
    for batch in seen.iter() {
        assert_eq!(batch.x1, &batch.x0 * 10.0);
        assert_eq!((batch.t.max().double_value(&[]), batch.t.min().double_value(&[])), (0.25, 0.25));
        assert_eq!(batch.later.as_ref().unwrap().min().double_value(&[]), 0.75);
    }
    assert_ne!(seen[0].x0, seen[1].x0);
}

/// Two levels of one phase: segments for the objective that trains on these, drawn pairs for the other.
#[test]
fn what_needs_no_segments_is_trained_on_the_pairs_beside_them() {
    let (segments, pairs, source) = (Seen::default(), Seen::default(), StandardNormal::new(&[2]));
    let of = |seen: &Seen, sampling| plan(LevelName::Velocity, Witness(seen.clone(), sampling), 1, 1e-3);
    let levels = vec![of(&segments, Sampling::Segments), of(&pairs, Sampling::Times)];
    let drawn = Pairing::Drawn { source: &source, data: &Point, coupling: &Independent };
    let pairing = Pairing::Trajectories { stored: &Tens, beside: Some(&drawn) };
    let mut trainer = Trainer::new(system(&[]), vec![phase(3, levels, vec![])], pairing, Seed(5)).unwrap();
    (0..3).for_each(|_| trainer.iterate().unwrap());
    let (segments, pairs) = (segments.lock().unwrap(), pairs.lock().unwrap());
    assert_eq!((segments.len(), pairs.len()), (3, 3));
    assert!(segments.iter().all(|batch| batch.x1 == &batch.x0 * 10.0 && batch.later.is_some()));
    assert!(pairs.iter().all(|batch| batch.x1 != &batch.x0 * 10.0 && batch.later.is_none()));
    let times = |batch: &Batch| batch.t.max().double_value(&[]) - batch.t.min().double_value(&[]);
    assert!(pairs.iter().all(|batch| times(batch) > 0.9), "drawn at times of the whole of [0, 1]");
}

#[test]
fn segments_and_pairs_cannot_replace_each_other() {
    let source = StandardNormal::new(&[2]);
    let drawn = Pairing::Drawn { source: &source, data: &Point, coupling: &Independent };
    let refused = |phases: Vec<Phase>, pairing| match Trainer::new(system(&[]), phases, pairing, Seed(5)).err() {
        Some(OptimError::Plan { problem }) => problem,
        other => panic!("{other:?}"),
    };
    let with = |objective: Box<dyn Objective + Send>, noise| {
        let mut level = plan(LevelName::Velocity, FlowMatching, 1, 0.1);
        level.terms[0].objective = objective;
        vec![phase(5, vec![LevelPlan { noise, ..level }], vec![])]
    };
    let problem = refused(with(Box::new(TrajectoryRegression), 0.0), drawn);
    assert!(problem.contains("trajectory_regression, which needs stored trajectories"), "{problem}");
    let problem = refused(with(Box::new(FlowMatching), 0.0), Pairing::Trajectories { stored: &Tens, beside: None });
    assert!(problem.contains("of which flow_matching has no use"), "{problem}");
    let problem =
        refused(with(Box::new(TrajectoryRegression), 0.5), Pairing::Trajectories { stored: &Tens, beside: None });
    assert!(problem.contains("adds noise"), "{problem}");
}
