//! Two and three ranks against one, in double precision: the same losses and the same parameters, up to rounding.
#![cfg(feature = "gloo")]

use crate::common::start_all;
use std::collections::BTreeMap;
use std::path::Path;
use strait_core::{
    Coupling, Dataset, Interpolant, Objective, PairedDataset, Pairs, Parameters, Seed, Source, Split, StandardNormal,
    Synchronize,
};
use strait_data::{ToyDataset, toys::Mixture};
use strait_distributed::{Group, Place};
use strait_nets::{Activation, Mlp, MlpConfig, MlpFlowMap, TimeFeatures};
use strait_optim::objectives::{
    Energy, FlowMatching, LagrangianDistillation, MarginalFlowMatching, MeanFlow, Straightness, StraightnessConfig,
};
use strait_optim::{Level, LevelName, LevelPlan, PairedOver, Pairing, Phase, Spans, System, Term, Trainer, checkpoint};
use strait_paths::{Affine, AffineConfig, Along, Linear, Mixing};
use strait_transport::{
    Ascent, ExactOt, Generated, Independent, PairStore, Semidiscrete, SemidiscretePairs, StoredPairs,
};
use tch::{Device, Kind, Tensor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const PLACE: (Kind, Device) = (Kind::Double, Device::Cpu);
/// Iterations of the short test, and of those that go on from a checkpoint.
const ITERATIONS: u64 = 40;
const CASES: [&str; 8] =
    ["flow_matching", "energy", "straightness", "mean_flow", "distillation", "ot", "stored", "semidiscrete"];

fn network(output: i64, zero_last: bool) -> MlpConfig {
    MlpConfig { input: 2, hidden: vec![8], output, activation: Activation::Silu, time: TimeFeatures::Raw, zero_last }
}

/// A velocity, or a flow map, over a linear or an affine path.
fn system(is_map: bool, learns_path: bool) -> Result<System> {
    let mut velocity = Parameters::new(Seed(1), PLACE.0, PLACE.1);
    let mut path = Parameters::new(Seed(2), PLACE.0, PLACE.1);
    let interpolant: Box<dyn Interpolant + Send> = if learns_path {
        let shape = AffineConfig { dimensions: 2, mixing: Mixing::Triangular, log_scale_bound: 2.0 };
        Box::new(Affine::new(Mlp::new(&network(shape.outputs(), true), &mut path.root())?, shape)?)
    } else {
        Box::new(Linear)
    };
    let root = &mut velocity.root();
    let field: Box<dyn strait_core::VelocityField + Send> = if is_map {
        Box::new(MlpFlowMap::new(&network(2, false), root)?)
    } else {
        Box::new(Mlp::new(&network(2, false), root)?)
    };
    let mut levels = vec![Level::new(LevelName::Velocity, velocity, &[20.0])?];
    if learns_path {
        levels.push(Level::new(LevelName::Interpolant, path, &[])?);
    }
    Ok(System { interpolant, velocity: field, levels })
}

fn plan(level: LevelName, objective: impl Objective + Send + 'static, batch: i64) -> LevelPlan {
    LevelPlan { noise: 0.01, ..LevelPlan::of(level, objective, batch, 1e-2) }
}

fn velocity_plan() -> LevelPlan {
    plan(LevelName::Velocity, FlowMatching, 24)
}

fn case(name: &str) -> Result<(System, Vec<LevelPlan>)> {
    let spans = Spans { off_diagonal: 0.5, from_start: 0.25 };
    Ok(match name {
        "flow_matching" | "ot" | "stored" | "semidiscrete" => (system(false, false)?, vec![velocity_plan()]),
        "energy" => {
            let path = plan(LevelName::Interpolant, Energy { acceleration: 2e-3 }, 24);
            (system(false, true)?, vec![LevelPlan { steps: 2, ..velocity_plan() }, path])
        }
        "straightness" => {
            let along = Along::Difference { step: 5e-3 };
            let config = StraightnessConfig { candidates: 8, times: 6, until: 0.8, floor: 1.0, along };
            let objective = Straightness::new(Box::new(StandardNormal::new(&[2])), config)?;
            // 8 candidates and 2 points at each of 6 times.
            let path = LevelPlan { noise: 0.0, ..plan(LevelName::Interpolant, objective, 20) };
            (system(false, true)?, vec![velocity_plan(), path])
        }
        "mean_flow" => {
            let terms = vec![Term::of(MeanFlow { power: 0.5, epsilon: 1e-3 })];
            (system(true, false)?, vec![LevelPlan { terms, spans, ..velocity_plan() }])
        }
        "distillation" => {
            let terms = vec![Term::of(LagrangianDistillation)];
            (system(true, false)?, vec![LevelPlan { terms, spans, ..velocity_plan() }])
        }
        other => panic!("{other}"),
    })
}

/// The path's phase, and the last, which fits the velocity on it.
fn phases(name: &str, levels: Vec<LevelPlan>, iterations: u64) -> Result<Vec<Phase>> {
    let phase = |name: &str, iterations, levels| Phase { name: name.into(), iterations, levels, fresh: vec![] };
    let last = case(name)?.1.into_iter().filter(|plan| plan.level == LevelName::Velocity).collect();
    Ok(vec![phase("first", iterations / 2, levels), phase("last", iterations / 2, last)])
}

struct Laws {
    source: StandardNormal,
    data: ToyDataset,
    coupling: Box<dyn Coupling + Send>,
    made: Option<Made>,
}

/// What is made before a training, in a folder that all ranks see.
enum Made {
    Stored(StoredPairs),
    Semidiscrete(Box<Semidiscrete>),
}

impl Laws {
    fn of(name: &str) -> Result<Self> {
        let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 1.0)?), PLACE.0, PLACE.1)?;
        let coupling: Box<dyn Coupling + Send> = if name == "ot" { Box::new(ExactOt) } else { Box::new(Independent) };
        Ok(Self { source: StandardNormal::new(data.event_shape()), data, coupling, made: None })
    }

    /// Pairs of a pool, each rank its shards; a coupling with all data, by rank 0.
    fn make(mut self, name: &str, folder: &Path, group: &Group) -> Result<Self> {
        let stream = Seed(7).stream("made");
        match name {
            "stored" => {
                let store = PairStore::new(folder.join("pairs"), 150, 32);
                store.fill_part((group.rank(), group.world()), |shard, n| {
                    let x1 = self.data.minibatch(n, shard, stream.stream("data"))?;
                    let x0 = self.source.sample(n, &mut stream.at(shard), PLACE.0, PLACE.1)?;
                    let Pairs { x0, x1, .. } = ExactOt.couple(x0, x1, &mut stream.at(shard))?;
                    Ok::<_, strait_transport::PairsError>(Generated { x0, x1, labels: None })
                })?;
                group.meet()?;
                self.made = Some(Made::Stored(store.open(PLACE.0, PLACE.1)?));
            }
            "semidiscrete" => {
                let path = folder.join("potentials.safetensors");
                if group.rank() == 0 {
                    let points = self.data.points(Split::Train, 40, &mut stream.at(0))?;
                    let ascent = Ascent { tolerance: 0.1, most: 100_000 };
                    let draw = |n, draws: &mut _| self.source.sample(n, draws, PLACE.0, PLACE.1);
                    Semidiscrete::solve(&points, ascent, &mut stream.at(1), draw)?.save(&path)?;
                }
                group.meet()?;
                self.made = Semidiscrete::load(&path, PLACE.1)?.map(Box::new).map(Made::Semidiscrete);
            }
            _ => {}
        }
        Ok(self)
    }

    fn stored(&self) -> Option<Box<dyn PairedDataset + '_>> {
        Some(match self.made.as_ref()? {
            Made::Stored(pairs) => Box::new(pairs),
            Made::Semidiscrete(transport) => Box::new(SemidiscretePairs { transport, source: &self.source }),
        })
    }

    fn pairing(&self) -> Pairing<'_> {
        Pairing::Drawn { source: &self.source, data: &self.data, coupling: &*self.coupling }
    }
}

fn trainer<'a>(name: &str, pairs: Pairing<'a>, group: &'a dyn Synchronize, iterations: u64) -> Result<Trainer<'a>> {
    let (system, levels) = case(name)?;
    Ok(Trainer::new(system, phases(name, levels, iterations)?, pairs, Seed(3))?.among(group, PairedOver::Batch)?)
}

/// Numbers by name, as a rank prints them; all digits.
fn print(key: &str, numbers: impl IntoIterator<Item = f64>) {
    let numbers: Vec<String> = numbers.into_iter().map(|number| format!("{number:e}")).collect();
    println!("told: {key} {}", numbers.join(" "));
}

fn print_parameters(name: &str, trainer: &Trainer<'_>) -> Result<()> {
    for level in &trainer.system.levels {
        let flat: Vec<Tensor> = level.parameters.tensors().iter().map(|tensor| tensor.detach().view([-1])).collect();
        let average = level.averages().iter().flat_map(|average| average.averages()).map(|tensor| tensor.view([-1]));
        print(&format!("{name}/{}", level.name.name()), Vec::<f64>::try_from(Tensor::cat(&flat, 0))?);
        let average: Vec<Tensor> = average.collect();
        if !average.is_empty() {
            print(&format!("{name}/average"), Vec::<f64>::try_from(Tensor::cat(&average, 0))?);
        }
    }
    Ok(())
}

/// Not a test by itself: what each process of a group does.
#[test]
#[ignore = "started by the others"]
fn a_rank_plays_its_part() {
    let Ok(part) = std::env::var("STRAIT_TEST_PART") else { return };
    match play(&part) {
        Ok(()) => println!("said: done"),
        Err(error) => println!("said: {error}"),
    }
}

fn play(part: &str) -> Result<()> {
    tch::set_num_threads(1);
    let group = Group::join(Place::of_environment()?.expect("a group"))?;
    let (verb, rest) = part.split_once(' ').unwrap_or((part, ""));
    match verb {
        "train" => CASES.iter().try_for_each(|name| {
            let (iterations, folder) = rest.split_once(' ').expect("iterations and a folder");
            let laws = Laws::of(name)?.make(name, Path::new(folder), &group)?;
            let stored = laws.stored();
            let pairs = stored.as_ref().map_or_else(|| laws.pairing(), |stored| Pairing::Stored(&**stored));
            let mut trainer = trainer(name, pairs, &group, iterations.parse()?)?;
            trainer.check_ranks()?;
            let mut losses = vec![];
            while trainer.phase().is_some() {
                trainer.iterate()?;
                // The means over ten iterations: few enough for a pipe that nobody reads yet.
                if trainer.position().step.is_multiple_of(10) {
                    losses.extend(trainer.log()?.iter().flat_map(|log| log.terms.iter().map(|(_, value)| *value)));
                }
            }
            trainer.check_ranks()?;
            print(&format!("{name}/losses"), losses);
            print_parameters(name, &trainer)
        }),
        // To a step, from the checkpoint of a folder where there is one.
        "resume" => {
            let (step, folder) = rest.split_once(' ').expect("a step and a folder");
            let (name, step, folder) = ("ot", step.parse::<u64>()?, Path::new(folder));
            let laws = Laws::of(name)?;
            let mut trainer = trainer(name, laws.pairing(), &group, ITERATIONS)?;
            if group.rank() == 0
                && let (Some(found), _) = checkpoint::newest(folder)?
            {
                found.restore(&mut trainer)?;
            }
            trainer.follow_first()?;
            while trainer.position().step < step {
                trainer.iterate()?;
            }
            trainer.check_ranks()?;
            if group.rank() == 0 {
                checkpoint::save(&trainer, folder, 0.0, 3)?;
            }
            group.barrier()?;
            print_parameters(name, &trainer)
        }
        "differ" => {
            let laws = Laws::of("ot")?;
            let mut trainer = trainer("ot", laws.pairing(), &group, ITERATIONS)?;
            trainer.iterate()?;
            if group.rank() == 1 {
                let first = &trainer.system.levels[0].parameters.tensors()[0];
                let _ = tch::no_grad(|| first.view([-1]).narrow(0, 0, 1).fill_(0.5));
            }
            Ok(trainer.check_ranks()?)
        }
        "whole" => {
            let laws = Laws::of("flow_matching")?;
            let (system, _) = case("flow_matching")?;
            let objective = MarginalFlowMatching::new(Box::new(StandardNormal::new(&[2])), 8)?;
            let levels = vec![LevelPlan { noise: 0.0, ..plan(LevelName::Velocity, objective, 24) }];
            let phases = vec![Phase { name: "one".into(), iterations: 1, levels, fresh: vec![] }];
            Trainer::new(system, phases, laws.pairing(), Seed(3))?.among(&group, PairedOver::Batch)?;
            Ok(())
        }
        other => panic!("{other}"),
    }
}

type Told = BTreeMap<String, Vec<f64>>;

/// What each rank of a group told.
fn told(part: &str, world: usize) -> Vec<Told> {
    let lines = start_all("training", part, world, "60").into_iter().map(crate::common::Rank::lines);
    lines
        .map(|lines| {
            assert!(lines.iter().any(|line| line.ends_with("said: done")), "{lines:?}");
            let told = lines.iter().filter_map(|line| line.split_once("told: ")?.1.split_once(' '));
            told.map(|(key, numbers)| (key.to_owned(), numbers.split(' ').map(|x| x.parse().unwrap()).collect()))
                .collect()
        })
        .collect()
}

/// The largest difference of numbers, relative to the largest of them.
fn off(found: &Told, expected: &Told, key: &str) -> f64 {
    let (found, expected) = (&found[key], &expected[key]);
    assert_eq!(found.len(), expected.len(), "{key}");
    let scale = expected.iter().fold(0f64, |largest, x| largest.max(x.abs()));
    found.iter().zip(expected).fold(0f64, |largest, (a, b)| largest.max((a - b).abs())) / scale
}

#[test]
fn two_and_three_ranks_train_what_one_process_trains() {
    equal_to_one(ITERATIONS);
}

#[test]
#[ignore = "a minute"]
fn two_and_three_ranks_train_what_one_process_trains_for_200_steps() {
    equal_to_one(200);
}

fn equal_to_one(iterations: u64) {
    let folders = [1, 2, 3].map(|_| tempfile::tempdir().unwrap());
    let part = |world: usize| format!("train {iterations} {}", folders[world - 1].path().display());
    let one = told(&part(1), 1).remove(0);
    assert_eq!(one.len(), CASES.len() * 3 + 2);
    for world in [2, 3] {
        let ranks = told(&part(world), world);
        assert!(ranks.iter().all(|rank| *rank == ranks[0]), "ranks differ");
        for key in one.keys() {
            let off = off(&ranks[0], &one, key);
            let most = if key.ends_with("losses") { 1e-6 } else { 1e-9 };
            println!("{world} ranks, {key}: {off:e}");
            assert!(off < most, "{world} ranks, {key}: off by {off:e}");
        }
    }
}

#[test]
fn a_run_of_two_ranks_goes_on_with_one_and_with_three() {
    let folder = |name: &str| tempfile::Builder::new().prefix(name).tempdir().unwrap();
    let alone = folder("alone");
    let expected = told(&format!("resume 40 {}", alone.path().display()), 1).remove(0);
    let mixed = folder("mixed");
    for (world, step) in [(2, 10), (1, 25), (3, 40)] {
        let ranks = told(&format!("resume {step} {}", mixed.path().display()), world);
        assert!(ranks.iter().all(|rank| *rank == ranks[0]));
        if step == 40 {
            assert!(expected.keys().all(|key| off(&ranks[2], &expected, key) < 1e-9));
        }
    }
}

#[test]
fn ranks_whose_parameters_differ_and_batches_that_cannot_be_shared_are_refused_by_all() {
    for rank in start_all("training", "differ", 3, "60") {
        assert_eq!(rank.said(), "rank 1 has another velocity (its parameters at step 1) than rank 0");
    }
    for rank in start_all("training", "whole", 2, "60") {
        let said = rank.said();
        assert!(said.contains("marginal_flow_matching is over a whole batch, which ranks cannot share"), "{said}");
    }
}
