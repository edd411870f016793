//! What a trained method is worth: samples at each count of evaluations, distances beside their floor, straightness.

use super::{exact, grids};
use crate::build::Data;
use crate::comparison::methods;
use crate::config::Config;
use crate::evaluation::likelihood::likelihood;
use crate::evaluation::scores::{Metric, Scores, Yardstick, scores};
use crate::run::summary::{Evaluation, LevelSummary, MethodSummary, PathSummary, StraightnessSummary};
use crate::training::context::Setting;
use crate::training::reflow;
use crate::training::training_run::{LevelLine, MetricsLine, Models, Track};
use crate::{ProgramError, build};
use strait_core::{Interpolant, PairedDataset as _, Pairs, Seed, Source, Split, VelocityField, event_size};
use strait_metrics::{Residual, Straightness, conditional_motion, distances, residual, straightness};
use strait_ode::{Method, Options, TimeGrid};
use strait_paths::{Along, Linear};
use tch::{Device, Kind, Tensor};

/// Euler steps that path energy and straightness are measured over.
const DYNAMICS_STEPS: usize = 100;
/// Times that the path of each pair is looked at.
const REPEATS: i64 = 8;

/// The points that every method of a run is measured with: the same source points, the same reference.
pub struct Reference {
    /// Source points: n, and more behind them where features ask for more samples, (N, ...).
    pub x0: Tensor,
    /// Real points in normalised units, (n, ...).
    pub points: Tensor,
    /// The same in the data's units.
    pub data: Tensor,
    /// What samples are compared with in features, where the data have a feature map.
    pub yardstick: Option<Yardstick>,
    /// The scores of real points that are not the reference.
    pub floor: Scores,
    /// $W_2^2$ between source and data, in normalised units.
    pub transport: f64,
    /// What `points` are, in words.
    pub name: String,
}

/// Samples at one count of evaluations, in the data's units.
pub struct Samples {
    /// The solver's name.
    pub solver: &'static str,
    /// Evaluations of the field.
    pub nfe: usize,
    /// (N, ...).
    pub x: Tensor,
    /// How far they are from the reference.
    pub scores: Scores,
}

/// All that was measured of one method.
pub struct Measured {
    /// For `summary.json`.
    pub summary: MethodSummary,
    /// For the report.
    pub samples: Vec<Samples>,
    /// What was measured.
    pub models: Models,
    /// Pairs as its path is trained on: n of them.
    pub pairs: Pairs,
}

impl Reference {
    /// Draws the points of a run's evaluation.
    ///
    /// # Errors
    /// Those of the data and the distances.
    pub fn new(config: &Config, data: &Data, source: &dyn Source, device: Device) -> Result<Self, ProgramError> {
        let split = config.evaluate.split.split();
        let set = &*data.points;
        let stream = Seed(config.seed).stream("evaluation");
        // The floor is of as many training points.
        let held = [split, Split::Train].into_iter().filter_map(|split| set.len(split)).min();
        let n = held.map_or(config.evaluate.samples, |held| held.min(config.evaluate.samples));
        let mut points = set.points(split, n, &mut stream.stream("reference").at(0))?;
        if set.len(split) == Some(n) {
            // All of a split come as they are stored, which may be by class; what looks at the first few shall see any.
            let order = stream.stream("order").at(0).permutation(n, points.device())?;
            points = points.f_index_select(0, &order)?;
        }
        let in_units = set.denormalise(&points)?;
        let features = build::features(&config.data)?;
        let yardstick = features.map(|features| Yardstick::new(features, data, &in_units)).transpose()?;
        let most = if yardstick.is_some() { config.evaluate.samples.max(n) } else { n };
        let x0 = source.sample(most, &mut stream.stream("source").at(0), points.kind(), device)?;
        let other = set.points(Split::Train, n, &mut stream.stream("floor").at(0))?;
        let mut floor = scores(&set.denormalise(&other)?, &in_units, None)?;
        floor.features = yardstick.as_ref().map(|yardstick| yardstick.floor(most, &in_units)).transpose()?;
        let transport = distances(&x0.narrow(0, 0, n), &points)?.w2.powi(2);
        let mut name = format!("{n} {} points of {}", split.name(), set.name());
        if let Some(yardstick) = &yardstick {
            name = format!("{name}; features: {}", yardstick.name());
        }
        Ok(Self { x0, points, data: in_units, yardstick, floor, transport, name })
    }

    /// The distance that judges.
    pub fn leading(&self) -> Metric {
        Metric::leading(&self.floor, event_size(&self.data))
    }

    /// As many source points as there are reference points, (n, ...).
    pub fn sources(&self) -> Tensor {
        self.x0.narrow(0, 0, self.points.size()[0])
    }
}

/// Measures a method at every count of evaluations of the config.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn measure(setting: &Setting<'_>, track: &Track<'_>, reference: &Reference) -> Result<Measured, ProgramError> {
    let data = &setting.data;
    let models = track.models(setting)?;
    let samples = samples(setting, track, &models, reference)?;
    let pairs = pairs(setting, track, reference)?;
    let summary = MethodSummary {
        method: track.name.clone(),
        steps: models.state.position.step,
        gradient_steps: models.spent.gradient_steps,
        wall_seconds: models.spent.wall_seconds,
        parameters: models.parameters,
        evaluations: evaluations(&samples, reference),
        straightness: straightness_of(&models, reference)?,
        likelihood: likelihood(&models, &*setting.source, data, &reference.points, Seed(setting.config.seed))?,
        ess: exact::effective(setting, track, &models, reference)?,
        path: motion(&models, &pairs)?,
        map: alone(setting, &models, reference)?,
        levels: levels(&track.read_metrics()?),
        average: models.average.clone(),
        stress: None,
    };
    Ok(Measured { summary, samples, models, pairs })
}

/// Samples of a trained velocity at every count of the config; of a flow of one step, at one.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn samples(
    setting: &Setting<'_>,
    track: &Track<'_>,
    models: &Models,
    reference: &Reference,
) -> Result<Vec<Samples>, ProgramError> {
    let config = &setting.config.evaluate;
    let (method, counts) = match &models.flow {
        Some(_) => (Method::Euler, &[1][..]),
        None => (config.solver.parse()?, &config.nfe[..]),
    };
    let at = |&nfe: &usize| {
        let grid = grids::grid(config.grid, method, nfe, models, setting, &track.run())?;
        sample(setting, &*models.velocity, method, &grid, reference)
    };
    counts.iter().map(at).collect()
}

/// Samples of a field by one solver, and how far they are from the reference.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn sample(
    setting: &Setting<'_>,
    field: &dyn VelocityField,
    method: Method,
    grid: &TimeGrid,
    reference: &Reference,
) -> Result<Samples, ProgramError> {
    let options = Options { chunk: Some(4096), ..Options::default() };
    let solution = method.solve(field, &reference.x0, grid, options)?;
    let x = setting.data.points.denormalise(&solution.x)?;
    let scores = scores(&x, &reference.data, reference.yardstick.as_ref())?;
    Ok(Samples { solver: method.name(), nfe: solution.nfe, x, scores })
}

/// What the map that a path goes through reaches by itself: a path through it must be worth more.
fn alone(setting: &Setting<'_>, models: &Models, reference: &Reference) -> Result<Vec<Evaluation>, ProgramError> {
    let Some(map) = &models.map else { return Ok(vec![]) };
    Ok(evaluations(&[sample(setting, map, Method::Euler, &TimeGrid::uniform(1)?, reference)?], reference))
}

/// All that samples are judged by, as records.
pub fn evaluations(samples: &[Samples], reference: &Reference) -> Vec<Evaluation> {
    let of = |sample: &Samples, metric: Metric| {
        let ((value, samples), (floor, _)) = (metric.of(&sample.scores)?, metric.of(&reference.floor)?);
        Some(Evaluation {
            solver: sample.solver.into(),
            nfe: sample.nfe,
            metric: metric.name().into(),
            value,
            floor,
            samples,
            reference: reference.name.clone(),
        })
    };
    samples.iter().flat_map(|sample| Metric::ALL.into_iter().filter_map(move |metric| of(sample, metric))).collect()
}

/// How straight the flow of a trained velocity is.
///
/// # Errors
/// Those of the field.
pub fn straightness_of(models: &Models, reference: &Reference) -> Result<StraightnessSummary, ProgramError> {
    let (along, bent) = dynamics(models, &reference.sources())?;
    Ok(StraightnessSummary {
        steps: if models.flow.is_some() { 1 } else { DYNAMICS_STEPS },
        straightness: along.s,
        path_energy: along.path_energy,
        transport: reference.transport,
        normalised_path_energy: (along.path_energy - reference.transport).abs() / reference.transport,
        residual: bent.mean(),
        residual_times: bent.times,
        residual_profile: bent.profile,
    })
}

/// Energy, straightness and residual of the flow. What a flow of one step does is straight.
fn dynamics(models: &Models, x0: &Tensor) -> Result<(Straightness, Residual), ProgramError> {
    let field = &*models.velocity;
    if models.flow.is_some() {
        return Ok((straightness(field, x0, 1)?, Residual { times: vec![0.5], profile: vec![0.0] }));
    }
    let few = x0.narrow(0, 0, x0.size()[0].min(1024));
    Ok((straightness(field, x0, DYNAMICS_STEPS)?, residual(field, &few, 10, 10, Along::Forward)?))
}

/// Pairs as a training is given them, before any noise: those that its teacher made, or the reference's points, paired at
/// most as many at a time as in its last phase.
fn pairs(setting: &Setting<'_>, track: &Track<'_>, reference: &Reference) -> Result<Pairs, ProgramError> {
    let stream = Seed(setting.config.seed).stream("evaluation");
    let (x0, x1) = (reference.sources(), &reference.points);
    let n = x1.size()[0];
    if let Some(stored) = reflow::stored(track.config, &track.folder, setting.device)? {
        return Ok(stored.minibatch(n, 0, stream.stream("pairs"))?);
    }
    let batch = methods::last(track.config).map_or(n, |level| level.batch);
    let (mut sources, mut points, mut draws) = (vec![], vec![], stream.stream("coupling").at(0));
    for (x0, x1) in x0.f_split(batch, 0)?.into_iter().zip(x1.f_split(batch, 0)?) {
        let Pairs { x0, x1, .. } = setting.coupling.couple(x0, x1, &mut draws)?;
        sources.push(x0);
        points.push(x1);
    }
    Ok(Pairs { x0: Tensor::f_cat(&sources, 0)?, x1: Tensor::f_cat(&points, 0)?, target_rows: None })
}

/// How the path moves between pairs, beside the linear path.
fn motion(models: &Models, pairs: &Pairs) -> Result<Option<PathSummary>, ProgramError> {
    let of = |path: &dyn Interpolant| conditional_motion(path, &pairs.x0, &pairs.x1, REPEATS);
    let (Some(own), Some(linear)) = (of(&*models.path)?, of(&Linear)?) else { return Ok(None) };
    Ok(Some(PathSummary {
        squared_speed: own.squared_speed,
        squared_speed_tail: own.squared_speed_tail,
        squared_acceleration: own.squared_acceleration,
        log_det: own.log_det,
        linear_squared_speed: linear.squared_speed,
        linear_squared_speed_tail: linear.squared_speed_tail,
    }))
}

/// What the log says of each level.
fn levels(lines: &[MetricsLine]) -> Vec<LevelSummary> {
    let mut found: Vec<LevelSummary> = vec![];
    for LevelLine { level, gradient_norm, seconds, .. } in lines.iter().flat_map(|line| &line.levels) {
        match found.iter_mut().find(|other| other.level == *level) {
            Some(other) => (other.gradient_norm, other.seconds) = (*gradient_norm, other.seconds + seconds),
            None => {
                let (level, gradient_norm, seconds) = (*level, *gradient_norm, *seconds);
                found.push(LevelSummary { level, gradient_norm, seconds, share: 0.0 });
            }
        }
    }
    let all: f64 = found.iter().map(|level| level.seconds).sum();
    found.iter_mut().for_each(|level| level.share = level.seconds / all);
    found
}

/// A trajectory from each of a few source points, (steps + 1, n, ...), in the data's units.
///
/// # Errors
/// Those of sampling.
pub fn trajectories(models: &Models, reference: &Reference, data: &Data, n: i64) -> Result<Tensor, ProgramError> {
    let x0 = reference.x0.narrow(0, 0, n.min(reference.x0.size()[0]));
    let grid = TimeGrid::uniform(DYNAMICS_STEPS)?;
    let options = Options { trajectory: true, ..Options::default() };
    let solution = Method::Euler.solve(&*models.velocity, &x0, &grid, options)?;
    let states = solution.trajectory.unwrap_or(solution.x);
    let shape = states.size();
    Ok(data.points.denormalise(&states.flatten(0, 1))?.view(shape.as_slice()))
}

/// The conditional path of each of the first pairs, (n, times, ...), in the data's units.
///
/// # Errors
/// Those of the path.
pub fn conditional_paths(measured: &Measured, data: &Data, n: i64) -> Result<Vec<Tensor>, ProgramError> {
    let Pairs { x0, x1, .. } = &measured.pairs;
    let t = Tensor::linspace(0.0, 1.0, 65, (Kind::Float, x0.device()));
    (0..n.min(x1.size()[0]))
        .map(|i| {
            let (x0, x1) = (x0.narrow(0, i, 1), x1.narrow(0, i, 1));
            let path = tch::no_grad(|| strait_paths::along_time(&*measured.models.path, &x0, &x1, &t))?;
            Ok(data.points.denormalise(&path)?)
        })
        .collect()
}
