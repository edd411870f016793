//! Draws every family of paths on eight Gaussians: `families [FOLDER]`.
//!
//! Fixed paths are drawn as they are. A learned path is first trained by the energy objective together with a velocity,
//! with the same settings for all, which were not tuned. For a path that is invertible in its source point the field is
//! the exact marginal field over 512 data points; for the others it is a velocity network that is trained from scratch.
//! The example prints a table of residuals.

mod common;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;
use strait::build;
use strait::config::{FAMILIES, Family, InterpolantConfig};
use strait_core::{Dataset, Parameters, Seed, Source, Split, StandardNormal, VelocityField};
use strait_data::ToyDataset;
use strait_data::toys::Mixture;
use strait_metrics::residual;
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use strait_ode::{Method, Options, TimeGrid};
use strait_optim::objectives::{Energy, FlowMatching};
use strait_optim::{Level, LevelName, LevelPlan, Pairing, Phase, System, Term};
use strait_paths::{Along, ExactField, along_time, material_derivative};
use strait_report::{
    Axis, Chart, Colour, Figure, ImageCell, ImageFormat, ImageGrid, ImageRow, Panel, Series, Shade, Trajectories,
    TrajectoryPanel,
};
use strait_transport::Independent;
use tch::{Device, Kind, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;
const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
const SEED: Seed = Seed(0);
const TIMES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];
/// Points along a side of the plane where the residual is taken, and where the plane ends.
const SIDE: i64 = 40;
const EDGE: f64 = 2.2;

/// The families by name, each as the program's table shows it.
fn families() -> Outcome<Vec<(String, InterpolantConfig)>> {
    let one = |family: &Family| {
        let config = toml::from_str(&format!("family = '{}'\n{}", family.name, family.example))?;
        Ok((family.name.replace('_', " "), config))
    };
    FAMILIES.iter().map(one).collect()
}

fn plan(level: LevelName, energy: bool, steps: u32, rate: f64) -> LevelPlan {
    let term = if energy { Term::of(Energy { acceleration: 2e-3 }) } else { Term::of(FlowMatching) };
    common::plan(level, term, steps, 256, rate)
}

/// The path after its training, and a velocity trained afresh on it.
fn trained(config: &InterpolantConfig, pairing: Pairing<'_>) -> Outcome<System> {
    let build::Path { path: interpolant, parameters, map } =
        build::interpolant(config, build::Samples::of(&[2]), SEED, FLOAT.1)?;
    let (level, path) = match map {
        Some((_, map)) => (LevelName::Transport, map),
        None => (LevelName::Interpolant, parameters),
    };
    let mut field = Parameters::new(SEED.below("velocity"), FLOAT.0, FLOAT.1);
    let network = MlpConfig {
        input: 2,
        hidden: vec![64; 3],
        output: 2,
        activation: Activation::Silu,
        time: TimeFeatures::Raw,
        zero_last: false,
    };
    let velocity = Box::new(Mlp::new(&network, &mut field.root())?);
    let learns = path.count() > 0;
    let mut levels = vec![Level::new(LevelName::Velocity, field, &[])?];
    let phase = |name: &str, iterations, levels, fresh| Phase { name: name.into(), iterations, levels, fresh };
    let mut phases = vec![];
    if learns {
        levels.push(Level::new(level, path, &[])?);
        phases.push(phase("warm-up", 500, vec![plan(LevelName::Velocity, false, 1, 4e-3)], vec![]));
        let both = vec![plan(LevelName::Velocity, false, 4, 4e-3), plan(level, true, 1, 2e-3)];
        phases.push(phase("together", 1500, both, vec![]));
    }
    let last = vec![plan(LevelName::Velocity, false, 1, 4e-3)];
    phases.push(phase("final", 4000, last, vec![LevelName::Velocity]));
    common::trained(System { interpolant, velocity, levels }, phases, pairing, SEED)
}

/// What is drawn of one family.
struct Drawn {
    paths: Vec<Tensor>,
    flow: Tensor,
    /// $|Dv|$ over the plane at each of `TIMES`.
    maps: Vec<Vec<f64>>,
    profile: Vec<(f64, f64)>,
    mean: f64,
    exact: bool,
}

fn draw(system: &System, data: &ToyDataset) -> Outcome<Drawn> {
    let source = StandardNormal::new(&[2]);
    let mut draws = SEED.stream("drawing").at(0);
    let x0 = source.sample(512, &mut draws, FLOAT.0, FLOAT.1)?;
    let x1 = data.points(Split::Test, 40, &mut draws)?;
    let candidates = data.points(Split::Train, 512, &mut draws)?;
    let exact = system.interpolant.as_invertible();
    let exact = exact.map(|path| ExactField::new(path, &source, &Independent, candidates, 1 << 17)).transpose()?;
    let field: &dyn VelocityField = match &exact {
        Some(exact) => exact,
        None => &*system.velocity,
    };
    let _no_grad = tch::no_grad_guard();
    let t = Tensor::linspace(0.0, 1.0, 65, FLOAT);
    let paths = (0..40)
        .map(|i| along_time(&*system.interpolant, &x0.narrow(0, i, 1), &x1.narrow(0, i, 1), &t))
        .collect::<Result<_, _>>()?;
    // Euler steps never ask for the field at t = 1.
    let options = Options { trajectory: true, ..Options::default() };
    let solution = Method::Euler.solve(field, &x0.narrow(0, 0, 40), &TimeGrid::uniform(100)?, options)?;
    let along = Along::Difference { step: 2e-3 };
    let bent = residual(field, &x0.narrow(0, 0, 256), 20, 5, along)?;
    let line = Tensor::linspace(-EDGE, EDGE, SIDE, FLOAT);
    let column = line.flip([0]).repeat_interleave_self_int(SIDE, 0, None);
    let plane = Tensor::stack(&[&line.repeat([SIDE]), &column], 1);
    let maps = TIMES
        .iter()
        .map(|&time| {
            let t = Tensor::full([SIDE * SIDE], time, FLOAT);
            let bend = material_derivative(&|x, t| field.velocity(x, t), &plane, &t, along)?.derivative;
            let size = bend.square().sum_dim_intlist([1i64].as_slice(), false, FLOAT.0).sqrt();
            Ok(Vec::<f64>::try_from(size.to_kind(Kind::Double))?)
        })
        .collect::<Outcome<_>>()?;
    Ok(Drawn {
        paths,
        flow: solution.trajectory.ok_or("no trajectory")?.transpose(0, 1),
        maps,
        mean: bent.mean(),
        profile: bent.times.into_iter().zip(bent.profile).collect(),
        exact: exact.is_some(),
    })
}

fn points(x: &Tensor) -> Outcome<Vec<[f64; 2]>> {
    let flat = Vec::<f64>::try_from(x.to_kind(Kind::Double).contiguous().view([-1]))?;
    Ok(flat.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

fn write(figure: &Figure, folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(format!("{}.png", figure.id)), &figure.png)?;
    println!("{}", folder.join(format!("{}.png", figure.id)).display());
    Ok(())
}

fn residuals(id: &str, title: &str, series: Vec<Series>) -> Outcome<Figure> {
    let panel = Panel {
        title: String::new(),
        x: Axis::linear("t"),
        y: Axis::log("mean of |Dv/Dt|²"),
        series,
        references: vec![],
        events: vec![],
    };
    let caption = "The mean of |Dv/Dt|² along the field's own trajectories.".into();
    Ok(Chart { id: id.into(), title: title.into(), caption, panels: vec![panel] }.draw()?)
}

fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("families"), PathBuf::from);
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.316)?), FLOAT.0, FLOAT.1)?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Independent };
    let background = points(&data.points(Split::Test, 1000, &mut SEED.stream("background").at(0))?)?;
    let (mut conditional, mut flow, mut rows) = (vec![], vec![], vec![]);
    let (mut fixed, mut learned) = (vec![], vec![]);
    println!("| family | field | residual over all t | its largest part | seconds |\n| --- | --- | --- | --- | --- |");
    for (name, config) in families()? {
        let begun = Instant::now();
        let system = trained(&config, pairing)?;
        let drawn = draw(&system, &data)?;
        let (at, most) = drawn.profile.iter().copied().fold((0.0, 0.0), |a, b| if b.1 > a.1 { b } else { a });
        let field = if drawn.exact { "exact" } else { "a network" };
        let seconds = begun.elapsed().as_secs_f64();
        println!("| {name} | {field} | {:.3} | {most:.3} at t = {at:.3} | {seconds:.0} |", drawn.mean);
        // A chart of the fixed families and one of those that learn: no colour twice in one.
        let chart = if system.levels.len() > 1 { &mut learned } else { &mut fixed };
        let colour = Colour::of(chart.len());
        chart.push(Series::line(&name, colour, drawn.profile));
        let panel = |paths: Vec<Vec<[f64; 2]>>| TrajectoryPanel {
            title: name.clone(),
            colour,
            paths,
            background: background.clone(),
            chords: true,
        };
        conditional.push(panel(drawn.paths.iter().map(points).collect::<Outcome<_>>()?));
        flow.push(panel((0..40).map(|i| points(&drawn.flow.get(i))).collect::<Outcome<_>>()?));
        // From a hundredth to a hundred, in orders of magnitude.
        let ink = |size: &f64| ((size.max(1e-2).log10() + 2.0) / 4.0).min(1.0) as f32;
        let cells =
            drawn.maps.iter().map(|map| ImageCell { values: map.iter().map(ink).collect(), note: String::new() });
        rows.push(ImageRow { label: name, colour, cells: cells.collect() });
    }
    let figures = [
        Trajectories {
            id: "conditional-paths".into(),
            title: "Conditional paths".into(),
            caption: "Forty pairs, the same in every panel. Dashed: the straight line between their endpoints.".into(),
            panels: conditional,
        }
        .draw()?,
        Trajectories {
            id: "marginal-flows".into(),
            title: "The marginal field, by its trajectories".into(),
            caption: "A hundred Euler steps from the same forty source points. Dashed: where one step would go if the \
                      trajectory were straight."
                .into(),
            panels: flow,
        }
        .draw()?,
        ImageGrid {
            id: "residual-maps".into(),
            title: "Where the field bends".into(),
            caption: "|Dv/Dt| over the plane, from 0.01 (white) to 100 (black), in orders of magnitude.".into(),
            format: ImageFormat { shade: Shade::Ink, height: SIDE as usize, width: SIDE as usize },
            columns: TIMES.iter().map(|t| format!("t = {t}")).collect(),
            last_is_truth: false,
            rows,
        }
        .draw()?,
        residuals("residuals-fixed", "The residual of fixed paths over time", fixed)?,
        residuals("residuals-learned", "The residual of learned paths over time", learned)?,
    ];
    figures.iter().try_for_each(|figure| write(figure, &folder))
}
