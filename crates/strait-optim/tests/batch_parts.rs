//! A batch that is computed in parts has the gradient of the whole, whatever its rows come with; and what has no parts is
//! refused before the first step.

use strait_core::{
    ConditionKind, Error, Objective, Parameters, Seed, Segments, StandardNormal, Stream, TrajectoryDataset,
};
use strait_data::{ToyDataset, toys::Moons};
use strait_nets::{Activation, Mlp, MlpConfig, MlpFlowMap, TimeFeatures};
use strait_optim::objectives::{
    Energy, FlowMatching, LagrangianDistillation, MarginalFlowMatching, MeanFlow, ProgressiveDistillation,
    Straightness, StraightnessConfig, TrajectoryRegression,
};
use strait_optim::{Level, LevelName, LevelPlan, OptimError, Pairing, Phase, Spans, System, Trainer, checkpoint};
use strait_paths::{Along, Monotone, Schedule};
use strait_transport::{ExactOt, Independent};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 48;

/// Of a path that learns its schedule, and a velocity or a flow map under classes.
fn system(is_map: bool) -> System {
    let of = |name: &str| Parameters::new(Seed(2).stream(name).at(0).seed(), Kind::Double, Device::Cpu);
    let (mut path, mut field) = (of("path"), of("field"));
    let config = MlpConfig {
        input: 2,
        hidden: vec![8, 8],
        output: 2,
        activation: Activation::Silu,
        time: TimeFeatures::Raw,
        zero_last: false,
    };
    let interpolant = Box::new(Schedule::Monotone(Monotone::new(&mut path.root(), 3).unwrap()));
    let (classes, at) = (ConditionKind::Classes(2), &mut field.root());
    System {
        interpolant,
        velocity: if is_map {
            Box::new(MlpFlowMap::conditional(&config, classes, at).unwrap())
        } else {
            Box::new(Mlp::conditional(&config, classes, at).unwrap())
        },
        levels: vec![
            Level::new(LevelName::Interpolant, path, &[]).unwrap(),
            Level::new(LevelName::Velocity, field, &[]).unwrap(),
        ],
    }
}

/// What a step says, and the first moments that it leaves: a tenth of the gradient.
struct Step {
    terms: Vec<(&'static str, f64)>,
    gradients: Vec<(String, Tensor)>,
}

/// The first step of a plan in so many parts.
fn step(pairing: Pairing<'_>, is_map: bool, plan: LevelPlan, parts: u32) -> Result<Step, OptimError> {
    let level = plan.level;
    let last = match pairing {
        Pairing::Trajectories { .. } => LevelPlan::of(LevelName::Velocity, TrajectoryRegression, BATCH, 0.1),
        _ => LevelPlan::of(LevelName::Velocity, FlowMatching, BATCH, 0.1),
    };
    let phase = |levels| Phase { name: "fit".into(), iterations: 1, levels, fresh: vec![] };
    let phases = vec![phase(vec![LevelPlan { parts, ..plan }]), phase(vec![last])];
    let mut trainer = Trainer::new(system(is_map), phases, pairing, Seed(5))?;
    trainer.iterate()?;
    let mut terms = trainer.log()?.remove(0).terms;
    terms.sort_by_key(|(name, _)| *name);
    let folder = tempfile::tempdir().unwrap();
    let path = checkpoint::save(&trainer, folder.path(), 0.0, 1).unwrap();
    let kept = Tensor::read_safetensors(path.join(format!("{}.optimizer.safetensors", level.name()))).unwrap();
    let mut gradients: Vec<_> = kept.into_iter().filter(|(name, _)| name.ends_with(".exp_avg")).collect();
    gradients.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Step { terms, gradients })
}

fn plan(level: LevelName, objective: impl Objective + Send + 'static) -> LevelPlan {
    LevelPlan { clip: f64::INFINITY, ..LevelPlan::of(level, objective, BATCH, 0.1) }
}

fn spans(objective: impl Objective + Send + 'static) -> LevelPlan {
    LevelPlan { spans: Spans { off_diagonal: 0.25, from_start: 0.5 }, ..plan(LevelName::Velocity, objective) }
}

fn moons() -> ToyDataset {
    ToyDataset::new(Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0]).unwrap()), Kind::Double, Device::Cpu).unwrap()
}

/// Refuses gradients and terms that differ by more than rounding.
#[track_caller]
fn same(what: &str, whole: &Step, parts: &Step) {
    let largest = |x: &Tensor| x.abs().max().double_value(&[]);
    let scale = whole.gradients.iter().map(|(_, g)| largest(g)).fold(0.0, f64::max);
    assert!(scale > 1e-4 && whole.gradients.len() == parts.gradients.len(), "{what}: {scale}");
    for ((name, a), (other, b)) in whole.gradients.iter().zip(&parts.gradients) {
        let off = largest(&(a - b)) / scale;
        assert!(name == other && off < 1e-12, "{what}: {name} is {off:e} away");
    }
    for ((name, a), (other, b)) in whole.terms.iter().zip(&parts.terms) {
        assert!(name == other && (a - b).abs() < 1e-12 * (1.0 + a.abs()), "{what}: {name} {a}, {other} {b}");
    }
}

/// Each row keeps its noise, its class, whether that is dropped, and the point that the whole batch gave it.
#[test]
fn a_batch_in_parts_has_the_gradient_of_the_whole() {
    let (source, data) = (StandardNormal::new(&[2]), moons().by_class().unwrap());
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &ExactOt };
    let cases: [(bool, fn() -> LevelPlan); 7] = [
        (false, || plan(LevelName::Velocity, FlowMatching)),
        (false, || plan(LevelName::Interpolant, Energy { acceleration: 0.0 })),
        (true, || plan(LevelName::Interpolant, Energy { acceleration: 0.5 })),
        (true, || spans(MeanFlow::default())),
        (true, || spans(MeanFlow { power: 0.5, epsilon: 1e-3 })),
        (true, || spans(LagrangianDistillation)),
        (true, || spans(ProgressiveDistillation)),
    ];
    for (is_map, case) in cases {
        let of = |parts| {
            let plan = LevelPlan { noise: 0.01, condition_drop: 0.3, ..case() };
            step(pairing, is_map, plan, parts).unwrap()
        };
        for parts in [2, 4, 12] {
            same(&format!("{} in {parts} parts", case().objective()), &of(1), &of(parts));
        }
    }
}

/// Candidates go with every part, and of the times that points share each part has its own.
#[test]
fn what_all_rows_share_is_in_every_part() {
    let (source, data) = (StandardNormal::new(&[2]), moons());
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let of = |parts| {
        let along = Along::Difference { step: 1e-3 };
        let config = StraightnessConfig { candidates: 16, times: 4, until: 0.8, floor: 1.0, along };
        let objective = Straightness::new(Box::new(StandardNormal::new(&[2])), config).unwrap();
        step(pairing, false, plan(LevelName::Interpolant, objective), parts).unwrap()
    };
    same("straightness", &of(1), &of(4));
}

/// Segments of straight lines; both times are of every pair.
struct Rows;

impl TrajectoryDataset for Rows {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn count(&self) -> i64 {
        BATCH
    }
    fn segments(&self, n: i64, _: i64, _: u64, _: Stream) -> Result<Segments, Error> {
        let i = Tensor::arange(n, (Kind::Double, Device::Cpu));
        let s = (&i + 3.0).reciprocal();
        let at = |y: &Tensor| Tensor::stack(&[&i, y], 1) / BATCH as f64;
        Ok(Segments { from: at(&i), to: at(&(&i * 2.0)), t: 1.0 - &s, s })
    }
}

#[test]
fn segments_keep_their_times() {
    let of = |parts| {
        let plan = plan(LevelName::Velocity, TrajectoryRegression);
        step(Pairing::Trajectories { stored: &Rows, beside: None }, true, plan, parts).unwrap()
    };
    same("segments", &of(1), &of(4));
}

#[test]
fn a_batch_without_such_parts_is_refused_before_its_first_step() {
    let (source, data) = (StandardNormal::new(&[2]), moons());
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let said = |plan, parts| step(pairing, true, plan, parts).err().unwrap().to_string();
    let marginal = MarginalFlowMatching::new(Box::new(StandardNormal::new(&[2])), 8).unwrap();
    let line = said(plan(LevelName::Velocity, marginal), 2);
    assert!(line.contains("marginal_flow_matching is over a whole batch, which has no parts"), "{line}");
    let line = said(plan(LevelName::Velocity, FlowMatching), 5);
    assert!(line.contains("48 pairs of flow_matching in a batch of 48, which 5 parts cannot share equally"), "{line}");
    let line = said(spans(MeanFlow::default()), 9);
    assert!(line.contains("12 pairs off the diagonal of mean_flow in a batch of 48, which 9 parts"), "{line}");
    let line = said(plan(LevelName::Velocity, FlowMatching), 0);
    assert!(line.contains("in 0 parts"), "{line}");
}
