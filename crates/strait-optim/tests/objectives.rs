//! The objectives with known values, their sums, and the batches that they refuse.

use crate::common::{Bent, Independent, Turning, normal};

use std::sync::{Arc, Mutex};
use strait_core::{
    Batch, Bijection, Condition, Coupling, Dataset, Draws, Error, Interpolant, Loss, Models, Objective, PairedDataset,
    Pairs, Seed, Source, Split, StandardNormal, Stream, Transformed, per_sample,
};
use strait_optim::objectives::{
    ConditionalVariance, Energy, FieldStraightness, FlowMatching, MarginalFlowMatching, SquaredVelocity, Straightness,
    StraightnessConfig, TransportCost,
};
use strait_optim::{
    Decay, LearningRate, Level, LevelName, LevelPlan, OptimError, Pairing, Phase, Spans, System, Term, Times, Trainer,
};
use strait_paths::{Along, Linear};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

fn batch(n: i64) -> Batch {
    let t = Times::Uniform.draw(n, &mut Seed(9).stream("t").at(0), Kind::Double, CPU).unwrap();
    Batch {
        x0: normal("x0", &[n, 2]),
        x1: normal("x1", &[n, 2]),
        t,
        later: None,
        conditions: strait_core::Conditions::default(),
    }
}

fn mean_square(x: &Tensor) -> f64 {
    x.square().sum(Kind::Double).double_value(&[]) / x.size()[0] as f64
}

fn value(objective: &dyn Objective, path: &dyn Interpolant, batch: &Batch) -> f64 {
    objective.loss(Models { interpolant: path, velocity: &Turning }, batch).unwrap().total.double_value(&[])
}

#[test]
fn conditional_variance_is_squared_velocity_less_energy() {
    let (path, batch) = (Bent(Tensor::from_slice(&[0.3f64, -0.7])), batch(512));
    let squared = value(&SquaredVelocity, &path, &batch);
    let energy = value(&Energy { acceleration: 0.0 }, &path, &batch);
    let variance = value(&ConditionalVariance, &path, &batch);
    let u = path.at(&batch.x0, &batch.x1, &batch.t).unwrap().velocity;
    assert!((squared - mean_square(&u)).abs() < 1e-5, "{squared}");
    assert!((variance - (squared - energy)).abs() < 1e-5, "{variance} in place of {squared} - {energy}");
    assert!((variance - value(&FlowMatching, &path, &batch)).abs() < 1e-5);
}

#[test]
fn the_learned_fields_straightness_is_that_of_its_closed_form() {
    let batch = batch(256);
    let x = Linear.at(&batch.x0, &batch.x1, &batch.t).unwrap().x_t;
    let bend = Turning::times(&x) - per_sample(&batch.t.square(), &x) * &x; // A x + t^2 A^2 x, and A^2 = -1
    for along in [Along::Forward, Along::Reverse, Along::Difference { step: 5e-3 }] {
        let found = value(&FieldStraightness { along }, &Linear, &batch);
        assert!((found - mean_square(&bend)).abs() < 1e-3 * mean_square(&bend), "{along:?}: {found}");
    }
}

/// $T(z) = 3z$.
struct Triple;

impl Bijection for Triple {
    fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        Ok(Transformed { value: x * 3.0, log_det: x.sum_dim_intlist([1i64].as_slice(), false, x.kind()) })
    }
    fn inverse(&self, _: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        unreachable!("the cost of a map looks forward")
    }
}

#[test]
fn the_cost_of_a_map_is_how_far_it_carries_the_source() {
    let batch = batch(256);
    let found = value(&TransportCost { map: Box::new(Triple) }, &Linear, &batch);
    assert!((found - 4.0 * mean_square(&batch.x0)).abs() < 1e-4, "{found}");
}

/// A trainable number c with the loss k c, which writes down the totals' slopes.
struct Weighs(f64, Tensor);

impl Objective for Weighs {
    fn loss(&self, _: Models<'_>, _: &Batch) -> Result<Loss, Error> {
        let total = &self.1 * self.0;
        Ok(Loss { terms: vec![("weighs", total.detach())], total })
    }
    fn name(&self) -> &'static str {
        "weighs"
    }
}

/// Standard normal numbers, as data and as stored pairs.
struct Normal {
    event: [i64; 1],
    source: StandardNormal,
}

impl Normal {
    fn new(d: i64) -> Self {
        Self { event: [d], source: StandardNormal::new(&[d]) }
    }

    fn drawn<'a>(&'a self, coupling: &'a dyn Coupling) -> Pairing<'a> {
        Pairing::Drawn { source: &self.source, data: self, coupling }
    }
}

impl Dataset for Normal {
    fn name(&self) -> &str {
        "normal numbers"
    }
    fn event_shape(&self) -> &[i64] {
        &self.event
    }
    fn len(&self, _: Split) -> Option<i64> {
        None
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, Error> {
        self.points(Split::Train, n, &mut stream.at(step))
    }
    fn points(&self, _: Split, n: i64, draws: &mut Draws) -> Result<Tensor, Error> {
        self.source.sample(n, draws, Kind::Double, CPU)
    }
    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(x.shallow_clone())
    }
}

impl PairedDataset for Normal {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }
    fn count(&self) -> i64 {
        i64::MAX
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let mut draws = stream.at(step);
        let mut points = || self.points(Split::Train, n, &mut draws);
        Ok(Pairs { x0: points()?, x1: points()?, target_rows: None })
    }
}

/// A coupling that says that its pairs are not independent.
struct Dependent;

impl Coupling for Dependent {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        Independent.couple(x0, x1, draws)
    }
    fn is_independent(&self) -> bool {
        false
    }
    fn name(&self) -> &str {
        "dependent"
    }
}

fn plan(terms: Vec<Term>, level: LevelName) -> LevelPlan {
    LevelPlan {
        level,
        terms,
        steps: 1,
        batch: 96,
        parts: 1,
        times: Times::Uniform,
        spans: Spans::default(),
        noise: 0.0,
        condition_drop: 0.0,
        rate: LearningRate { peak: 1e-3, warm_up: 0, decay: Decay::Constant },
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        clip: f64::INFINITY,
    }
}

/// A trainer of a velocity of one number on a few phases.
fn trainer(plans: impl FnOnce(&Tensor) -> Vec<LevelPlan>, pairing: Pairing<'_>) -> Result<Trainer<'_>, OptimError> {
    let mut parameters = strait_core::Parameters::new(Seed(1), Kind::Double, CPU);
    let c = parameters.root().tensor("c", &[], strait_core::Init::Constant(1.0)).unwrap();
    let plans = plans(&c);
    let level = |name, parameters| Level::new(name, parameters, &[]).unwrap();
    let mut path = strait_core::Parameters::new(Seed(1), Kind::Double, CPU);
    let _ = path.root().tensor("c", &[], strait_core::Init::Constant(1.0)).unwrap();
    let levels = vec![level(LevelName::Velocity, parameters), level(LevelName::Interpolant, path)];
    let system = System { interpolant: Box::new(Linear), velocity: Box::new(Turning), levels };
    let phase = |levels| Phase { name: "p".into(), iterations: 4, levels, fresh: vec![] };
    let mut phases: Vec<_> = plans.into_iter().map(|plan| phase(vec![plan])).collect();
    phases.push(phase(vec![plan(vec![Term::of(Weighs(0.0, c))], LevelName::Velocity)]));
    Trainer::new(system, phases, pairing, Seed(2))
}

#[test]
fn a_sum_weighs_its_terms_and_ramps_them() {
    let pairs = Normal::new(2);
    let weighed = |c: &Tensor| {
        let term = |k, weight, ramp| Term { weight, ramp, ..Term::of(Weighs(k, c.shallow_clone())) };
        vec![plan(vec![term(2.0, 1.0, 0), term(10.0, 0.5, 0), term(8.0, 1.0, 4)], LevelName::Velocity)]
    };
    let mut trainer = trainer(weighed, Pairing::Stored(&pairs)).unwrap();
    for iteration in 0..4 {
        trainer.iterate().unwrap();
        let log = trainer.log().unwrap().remove(0);
        let slope = 2.0 + 5.0 + 8.0 * f64::from(iteration + 1) / 4.0;
        assert!((log.gradient_norm - slope).abs() < 1e-9, "iteration {iteration}: {}", log.gradient_norm);
        assert_eq!(log.terms.len(), 3);
    }
}

/// With one end for all it is flow matching; with more, less by the spread of the velocities that meet. Candidates lend
/// their endpoints alone.
#[test]
fn marginal_flow_matching_is_flow_matching_less_its_noise() {
    let with = |candidates| MarginalFlowMatching::new(Box::new(StandardNormal::new(&[2])), candidates);
    let objective = with(0).unwrap();
    let mut draws = Seed(3).stream("batch").at(0);
    let mut normal = || draws.normal(&[4000, 2], Kind::Double, CPU).unwrap();
    let (x0, x1) = (normal(), normal());
    let t = Tensor::full([4000], 0.5, (Kind::Double, CPU));
    let of = |objective: &dyn Objective, x1: &Tensor| {
        let batch = Batch {
            x0: x0.shallow_clone(),
            x1: x1.shallow_clone(),
            t: t.shallow_clone(),
            later: None,
            conditions: strait_core::Conditions::default(),
        };
        objective.loss(Models { interpolant: &Linear, velocity: &Turning }, &batch).unwrap().total.double_value(&[])
    };
    let one = x1.narrow(0, 0, 1).expand_as(&x1);
    assert!((of(&objective, &one) - of(&FlowMatching, &one)).abs() < 1e-9);
    // Between two standard normals u = x1 - x0 is independent of x_{1/2}, and E|u|^2 = 4.
    let noise = of(&FlowMatching, &x1) - of(&objective, &x1);
    assert!((noise - 4.0).abs() < 0.3, "{noise}");

    assert_eq!(with(3000).unwrap().times(4000), 1000);
    let few = |x0: &Tensor, candidates| {
        let batch = Batch {
            x0: x0.shallow_clone(),
            x1: x1.shallow_clone(),
            t: t.narrow(0, 0, 1000),
            later: None,
            conditions: strait_core::Conditions::default(),
        };
        with(candidates)?.loss(Models { interpolant: &Linear, velocity: &Turning }, &batch)
    };
    let total = |x0: &Tensor| few(x0, 3000).unwrap().total.double_value(&[]);
    let (found, changed) = (total(&x0), x0.copy());
    let _ = changed.narrow(0, 1000, 3000).fill_(f64::NAN);
    assert_eq!(found, total(&changed));
    assert!((found - of(&objective, &x1)).abs() < 0.5);
    assert!(matches!(few(&x0, 4000), Err(Error::Shape { .. })));
    assert!(matches!(few(&x0, -1), Err(Error::Setting { .. })));
}

fn straightness(d: i64, candidates: i64, floor: f64) -> Straightness {
    let config =
        StraightnessConfig { candidates, times: 4, until: 0.9, floor, along: Along::Difference { step: 5e-3 } };
    Straightness::new(Box::new(StandardNormal::new(&[d])), config).unwrap()
}

/// Between $N(0, 1)$ and $N(0, 4)$ the linear path's field is $g x$ with $g = (5t - 1)/C$, $C = (1-t)^2 + 4t^2$, and
/// $E|Dv^*|^2 = (\dot g + g^2)^2 C$.
#[test]
fn the_straightness_is_that_of_the_field_and_a_tenth_of_its_estimates_variance() {
    let times = [0.2, 0.5, 0.8];
    let truth = times.iter().map(|t: &f64| {
        let (c, slope) = ((1.0 - t).powi(2) + 4.0 * t * t, 10.0 * t - 2.0);
        let g = (5.0 * t - 1.0) / c;
        ((5.0 - g * slope) / c + g * g).powi(2) * c
    });
    let truth = truth.sum::<f64>() / 3.0;
    let config = StraightnessConfig { candidates: 256, times: 3, until: 0.9, floor: 1.0, along: Along::Forward };
    let objective = Straightness::new(Box::new(StandardNormal::new(&[1])), config).unwrap();
    let (mut means, batches) = ([0.0; 3], 400);
    for step in 0..batches {
        let mut draws = Seed(4).stream("batch").at(step);
        let mut normal = || draws.normal(&[256 + 3 * 64, 1], Kind::Double, CPU).unwrap();
        let batch = Batch {
            x0: normal(),
            x1: normal() * 2.0,
            t: Tensor::from_slice(&times) / 0.9,
            later: None,
            conditions: strait_core::Conditions::default(),
        };
        let loss = objective.loss(Models { interpolant: &Linear, velocity: &Turning }, &batch).unwrap();
        let term = |i: usize| loss.terms[i].1.double_value(&[]);
        for (mean, found) in means.iter_mut().zip([loss.total.double_value(&[]), term(0), term(1)]) {
            *mean += found / batches as f64;
        }
    }
    let [total, straightness, variance] = means;
    assert!((straightness - truth).abs() < 0.05 * truth, "{straightness} in place of {truth}");
    assert!((total - straightness - 0.1 * variance).abs() < 1e-6 * total, "{total}");
    assert!(variance > 0.2 * truth, "{variance}: there is nothing to be free of");
}

#[test]
fn terms_that_want_other_times_are_refused() {
    let pairs = Normal::new(2);
    let both = vec![Term::of(straightness(2, 32, 1.0)), Term::of(Energy { acceleration: 0.0 })];
    let both = trainer(|_| vec![plan(both, LevelName::Interpolant)], pairs.drawn(&Independent));
    let error = both.err().unwrap().to_string();
    assert!(error.contains("straightness wants 4 times of a batch of 96 and energy wants 96"), "{error}");
}

/// What the exact field is right of is asked of the pairs that are trained on, not of those that an objective was told of.
#[test]
fn an_objective_of_the_exact_field_is_refused_pairs_that_are_not_independent() {
    let pairs = Normal::new(2);
    let cases: [(Pairing<'_>, f64, Option<&str>); 4] = [
        (pairs.drawn(&Independent), 0.0, None),
        (pairs.drawn(&Dependent), 0.0, Some("these come from dependent")),
        (Pairing::Stored(&pairs), 0.0, Some("these were made before and stored")),
        (pairs.drawn(&Independent), 0.1, Some("both points of one get the same noise, of 0.1")),
    ];
    for (pairing, noise, refused) in cases {
        let marginal = MarginalFlowMatching::new(Box::new(StandardNormal::new(&[2])), 0).unwrap();
        for (level, terms) in [
            (LevelName::Velocity, vec![Term::of(FlowMatching), Term::of(marginal)]),
            (LevelName::Interpolant, vec![Term::of(straightness(2, 32, 1.0))]),
        ] {
            let wanted = terms.last().unwrap().objective.name();
            let level_plan = LevelPlan { noise, ..plan(terms, level) };
            match (trainer(|_| vec![level_plan], pairing).err(), refused) {
                (None, None) => {}
                (Some(OptimError::NotIndependent { phase, level: of, objective, pairs }), Some(why)) => {
                    assert_eq!((phase.as_str(), of, objective, pairs.as_str()), ("p", level.name(), wanted, why));
                }
                (found, _) => panic!("{wanted} with noise {noise} and {refused:?}: {found:?}"),
            }
        }
        // Others are right of any pairs.
        let plain = LevelPlan { noise, ..plan(vec![Term::of(FlowMatching)], LevelName::Velocity) };
        assert!(trainer(|_| vec![plain], pairing).is_ok());
    }
}

/// The exact field rests on a handful of candidates in 2 dimensions and on one in 512: there its straightness begins no
/// phase.
#[test]
fn straightness_is_refused_where_its_field_rests_on_too_few() {
    let begin = |d: i64, floor: f64| {
        let objective = straightness(d, 64, floor);
        let pairs = Normal::new(d);
        let straightness = |_: &Tensor| vec![plan(vec![Term::of(objective)], LevelName::Interpolant)];
        ready(&mut trainer(straightness, pairs.drawn(&Independent)).unwrap())
    };
    begin(2, 2.0).unwrap();
    begin(512, 1.0).unwrap();
    let error = begin(512, 2.0).unwrap_err();
    assert!(
        matches!(
            &error,
            OptimError::Core(Error::EffectiveSize { candidates: 64, effective, .. }) if (1.0..1.5).contains(effective)
        ),
        "{error}"
    );
    assert!(error.to_string().contains("lower the energy instead"), "{error}");
}

/// Takes an iteration whose gradient does not matter: what is asked is whether it begins.
fn ready(trainer: &mut Trainer<'_>) -> Result<(), OptimError> {
    match trainer.iterate() {
        Err(error @ OptimError::Core(Error::EffectiveSize { .. })) => Err(error),
        _ => Ok(()),
    }
}

/// Objectives look at a phase's first batch once, before its first step.
struct Looks(Arc<Mutex<Vec<&'static str>>>, Tensor);

impl Objective for Looks {
    fn loss(&self, _: Models<'_>, _: &Batch) -> Result<Loss, Error> {
        self.0.lock().unwrap().push("loss");
        Ok(Loss { total: &self.1 * 1.0, terms: vec![] })
    }
    fn ready(&self, _: Models<'_>, batch: &Batch) -> Result<(), Error> {
        self.0.lock().unwrap().push(if batch.x0.size() == [96, 2] { "ready" } else { "another batch" });
        Ok(())
    }
    fn name(&self) -> &'static str {
        "looks"
    }
}

#[test]
fn an_objective_looks_before_its_phase_begins() {
    let (pairs, seen) = (Normal::new(2), Arc::new(Mutex::new(vec![])));
    let looks = |c: &Tensor| vec![plan(vec![Term::of(Looks(seen.clone(), c.shallow_clone()))], LevelName::Velocity)];
    let mut trainer = trainer(looks, Pairing::Stored(&pairs)).unwrap();
    trainer.iterate().unwrap();
    trainer.iterate().unwrap();
    assert_eq!(*seen.lock().unwrap(), ["ready", "loss", "loss"]);
}
