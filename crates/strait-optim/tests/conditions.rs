//! Conditions in the training: they stay with their rows through the coupling, some are dropped, every objective sees
//! the conditions of its own samples, and a stopped training continues to the bit.

#[path = "../examples/own_conditions.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod own_conditions;

use std::sync::{Arc, Mutex};
use strait_core::{
    Batch, Bound, Conditional, Conditions, Coupling, Dataset, Draws, Error, FlowMap, Init, Interpolant, Loss, Models,
    Objective, PairedDataset, Pairs, Parameters, PathCurve, PathSample, Scope, Seed, Split, StandardNormal, Stream,
    VelocityField,
};
use strait_data::{ToyDataset, toys::Mixture};
use strait_ode::{Method, Options, TimeGrid};
use strait_optim::objectives::{
    ConditionalVariance, Energy, FieldStraightness, FlowMatching, LagrangianDistillation, MapResidual,
    MarginalFlowMatching, MarginalStraightness, MeanFlow, ProgressiveDistillation,
};
use strait_optim::{Level, LevelName, LevelPlan, OptimError, Pairing, Phase, Spans, System, Trainer, checkpoint};
use strait_paths::{Along, Linear};
use strait_transport::Independent;
use tch::{Device, Kind, Tensor};

const CLASSES: i64 = 3;

/// $v(x, t; c) = A_c [x, t, 1]$; the last row of A is that of no class.
struct Affine(Tensor);

fn affine(scope: &mut Scope<'_>) -> Result<Affine, Error> {
    Ok(Affine(scope.tensor("a", &[CLASSES + 1, 4, 2], Init::Normal(0.1))?))
}

impl Conditional for Affine {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        let none = Tensor::full([x.size()[0]], CLASSES, (Kind::Int64, x.device()));
        let rows = match (conditions.only()?, conditions.dropped()) {
            (Some(labels), Some(dropped)) => none.where_self(dropped, labels),
            (Some(labels), None) => labels.shallow_clone(),
            (None, _) => none,
        };
        let seen = Tensor::f_cat(&[x, &t.unsqueeze(1), &t.ones_like().unsqueeze(1)], 1)?;
        Ok(seen.unsqueeze(1).f_bmm(&self.0.f_index_select(0, &rows)?)?.squeeze_dim(1))
    }
}

/// Points (c, 0) of class c.
struct Marked;

impl Dataset for Marked {
    fn name(&self) -> &str {
        "marked"
    }
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn len(&self, _: Split) -> Option<i64> {
        None
    }
    fn condition(&self) -> Option<(&str, strait_core::ConditionKind)> {
        Some(("labels", strait_core::ConditionKind::Classes(3)))
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, Error> {
        Ok(self.conditional_minibatch(n, step, stream)?.0)
    }
    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Tensor, Conditions), Error> {
        let labels = stream.at(step).integers(3, &[n], Device::Cpu)?;
        let x = labels.to_kind(Kind::Float);
        Ok((Tensor::stack(&[&x, &x.zeros_like()], 1), Conditions::of("labels", labels)?))
    }
    fn points(&self, _: Split, n: i64, draws: &mut Draws) -> Result<Tensor, Error> {
        self.minibatch(n, 0, Seed(draws.bits()).stream("points"))
    }
    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(x.shallow_clone())
    }
}

/// The data in an order of their own.
struct Mixed;

impl Coupling for Mixed {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        let rows = draws.permutation(x1.size()[0], Device::Cpu)?;
        Ok(Pairs { x0, x1: x1.index_select(0, &rows), target_rows: Some(rows) })
    }
    fn is_independent(&self) -> bool {
        true
    }
    fn name(&self) -> &str {
        "mixed"
    }
}

/// Pairs of one point, (c, 0) of class c: so is every point of their path.
struct Still;

impl PairedDataset for Still {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn count(&self) -> i64 {
        i64::MAX
    }
    fn is_conditional(&self) -> bool {
        true
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        Ok(self.conditional_minibatch(n, step, stream)?.0)
    }
    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Pairs, Conditions), Error> {
        let (x, conditions) = Marked.conditional_minibatch(n, step, stream)?;
        Ok((Pairs { x0: x.copy(), x1: x, target_rows: None }, conditions))
    }
}

/// A flow map that stays where it is, and looks whether each sample comes with its own class, on paths of [`Still`].
struct Watching(Affine);

impl Conditional for Watching {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        let labels = conditions.get("labels")?;
        let class = x.detach().select(1, 0).round().to_kind(Kind::Int64);
        assert_eq!(class, *labels, "samples under the conditions of others");
        Ok(self.0.velocity_given(x, t, conditions)? * 0.0)
    }
    fn is_flow_map(&self) -> bool {
        true
    }
    fn average_velocity_given(&self, x: &Tensor, s: &Tensor, t: &Tensor, c: &Conditions) -> Result<Tensor, Error> {
        assert_eq!(s.size(), t.size());
        self.velocity_given(x, t, c)
    }
}

impl VelocityField for Watching {
    fn velocity(&self, _x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        panic!("a batch with conditions was evaluated without them")
    }
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Bound::boxed(self, conditions))
    }
}

impl FlowMap for Watching {
    fn average_velocity(&self, _x: &Tensor, _s: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        panic!("a batch with conditions was evaluated without them")
    }
}

fn of(
    plan: LevelPlan,
    velocity: impl Fn(Affine) -> Box<dyn VelocityField + Send>,
) -> Result<Trainer<'static>, OptimError> {
    let source: &'static StandardNormal = Box::leak(Box::new(StandardNormal::new(&[2])));
    on(Pairing::Drawn { source, data: &Marked, coupling: &Mixed }, plan, velocity)
}

fn on(
    pairing: Pairing<'static>,
    plan: LevelPlan,
    velocity: impl Fn(Affine) -> Box<dyn VelocityField + Send>,
) -> Result<Trainer<'static>, OptimError> {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let velocity = velocity(affine(&mut parameters.root())?);
    let levels = vec![Level::new(LevelName::Velocity, parameters, &[])?];
    let phases = vec![Phase { name: "fit".into(), iterations: 3, levels: vec![plan], fresh: vec![] }];
    Trainer::new(System { interpolant: Box::new(Linear), velocity, levels }, phases, pairing, Seed(0))
}

fn plan(objective: impl Objective + Send + 'static) -> LevelPlan {
    LevelPlan::of(LevelName::Velocity, objective, 64, 1e-3)
}

/// Holds every batch to its labels.
struct Witness(Arc<Mutex<Vec<f64>>>);

impl Objective for Witness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let labels = batch.conditions.get("labels")?;
        assert_eq!(batch.x1.select(1, 0), labels.to_kind(Kind::Float));
        let dropped =
            batch.conditions.dropped().map_or(0.0, |d| d.to_kind(Kind::Float).mean(Kind::Double).double_value(&[]));
        self.0.lock().unwrap().push(dropped);
        FlowMatching.loss(models, batch)
    }
    fn name(&self) -> &'static str {
        "witness"
    }
}

#[test]
fn conditions_go_with_their_rows_and_a_share_is_dropped() {
    for drop in [0.0, 0.25, 1.0] {
        let seen = Arc::default();
        let plan = LevelPlan { condition_drop: drop, batch: 2048, ..plan(Witness(Arc::clone(&seen))) };
        let mut trainer = of(plan, |net| Box::new(Bound::new(net))).unwrap();
        (0..3).for_each(|_| trainer.iterate().unwrap());
        let shares = seen.lock().unwrap();
        assert!(shares.len() == 3 && shares.iter().all(|share| (share - drop).abs() < 0.05), "{drop}: {shares:?}");
        assert!(drop != 0.25 || shares[0] != shares[1], "the same samples at every step");
    }
}

#[test]
fn every_objective_evaluates_each_sample_under_its_own_condition() {
    let spans = |plan: LevelPlan| LevelPlan { spans: Spans { off_diagonal: 0.25, from_start: 0.0 }, ..plan };
    for plan in [
        plan(FlowMatching),
        plan(ConditionalVariance),
        plan(Energy { acceleration: 0.1 }),
        plan(FieldStraightness { along: Along::Forward }),
        plan(MarginalStraightness { step: 0.1 }),
        spans(plan(MeanFlow::default())),
        spans(plan(LagrangianDistillation)),
        spans(plan(ProgressiveDistillation)),
        spans(plan(MapResidual { acceleration: 0.1 })),
    ] {
        let name = plan.objective();
        let mut trainer = on(Pairing::Stored(&Still), plan, |net| Box::new(Watching(net))).unwrap();
        (0..3).for_each(|_| trainer.iterate().unwrap_or_else(|error| panic!("{name}: {error}")));
        assert_eq!(trainer.log().unwrap()[0].skipped, 0, "{name}");
    }
}

/// The linear path, which looks whether each pair comes with the class of its end, on data of [`Marked`].
struct Looking(Option<Tensor>);

impl Interpolant for Looking {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        assert_eq!(self.0.as_ref().expect("a path without its conditions").to_kind(x1.kind()), x1.select(1, 0));
        Linear.at(x0, x1, t)
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        self.at(x0, x1, t)?;
        Linear.curve(x0, x1, t)
    }
    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        assert!(conditions.dropped().is_none(), "what is dropped for the velocity is not dropped for the path");
        Ok(Some(Box::new(Looking(Some(conditions.get("labels")?.shallow_clone())))))
    }
}

#[test]
fn a_path_sees_the_condition_of_each_pair_also_where_it_is_dropped() {
    for plan in [LevelPlan { condition_drop: 0.5, parts: 2, ..plan(FlowMatching) }, plan(Energy { acceleration: 0.1 })]
    {
        let mut trainer = of(plan, |net| Box::new(Bound::new(net))).unwrap();
        trainer.system.interpolant = Box::new(Looking(None));
        trainer.rehearse().unwrap();
        (0..3).for_each(|_| trainer.iterate().unwrap());
    }
}

#[test]
fn what_cannot_be_trained_under_conditions_is_refused_in_one_line() {
    let marginal = MarginalFlowMatching::new(Box::new(StandardNormal::new(&[2])), 8).unwrap();
    let line = of(plan(marginal), |net| Box::new(Bound::new(net))).err().unwrap().to_string();
    assert!(line.contains("rests on the marginal field of all data, and these come under conditions"), "{line}");
    let drop = LevelPlan { condition_drop: 1.5, ..plan(FlowMatching) };
    let line = of(drop, |net| Box::new(Bound::new(net))).err().unwrap().to_string();
    assert!(line.contains("the share of conditions that are dropped is 1.5"), "{line}");
    struct Plain;
    impl VelocityField for Plain {
        fn velocity(&self, x: &Tensor, _: &Tensor) -> Result<Tensor, Error> {
            Ok(x.shallow_clone())
        }
    }
    let line = of(plan(FlowMatching), |_| Box::new(Plain)).unwrap().rehearse().unwrap_err().to_string();
    assert!(line.contains("conditions were given to a velocity that takes none"), "{line}");
}

fn numbers(trainer: &Trainer<'_>) -> Vec<f64> {
    let level = trainer.system.level(LevelName::Velocity).unwrap();
    let all =
        level.parameters.tensors().iter().map(|tensor| tensor.view([-1]).to_kind(Kind::Double)).collect::<Vec<_>>();
    Vec::<f64>::try_from(Tensor::cat(&all, 0)).unwrap()
}

#[test]
fn a_stopped_training_goes_on_to_the_bit_and_samples_are_of_their_class() {
    let source = StandardNormal::new(&[2]);
    let toy = Mixture::eight_gaussians(5.0, 0.5).unwrap();
    let data = ToyDataset::new(Box::new(toy), Kind::Float, Device::Cpu).unwrap().by_class().unwrap();
    let trainer = || {
        own_conditions::trainer(Pairing::Drawn { source: &source, data: &data, coupling: &Independent }, 500).unwrap()
    };
    let mut whole = trainer();
    let folder = tempfile::tempdir().unwrap();
    for iteration in 0..500 {
        if iteration == 7 {
            checkpoint::save(&whole, folder.path(), 0.0, 1).unwrap();
        }
        whole.iterate().unwrap();
        if iteration == 20 {
            let mut second = trainer();
            checkpoint::newest(folder.path()).unwrap().0.unwrap().restore(&mut second).unwrap();
            (7..=20).for_each(|_| second.iterate().unwrap());
            assert_eq!(numbers(&whole), numbers(&second));
        }
    }
    let field = &*whole.system.velocity;
    let mut draws = Seed(1).stream("points").at(0);
    let (points, under) = data.conditional_points(Split::Test, 2000, &mut draws).unwrap();
    let x0 = draws.normal(&[2000, 2], Kind::Float, Device::Cpu).unwrap();
    let grid = TimeGrid::uniform(50).unwrap();
    let samples = Method::Euler.solve_given(field, &under, &x0, &grid, Options::default()).unwrap().x;
    for class in 0..8i64 {
        let places = under.get("labels").unwrap().eq(class).nonzero().view([-1]);
        let mean = |x: &Tensor| x.index_select(0, &places).mean_dim([0i64].as_slice(), false, Kind::Double);
        let off = (mean(&samples) - mean(&points)).abs().max().double_value(&[]);
        // Neighbouring classes are 1.08 apart.
        assert!(off < 0.25, "class {class} at {:?} and not {:?}", mean(&samples), mean(&points));
    }
    // Of no class: the mean of all.
    let x = Tensor::zeros([1, 2], (Kind::Float, Device::Cpu));
    let at_centre = field.velocity(&x, &Tensor::from_slice(&[0.0f32])).unwrap();
    assert!(at_centre.abs().max().double_value(&[]) < 0.3, "{at_centre:?}");
}
