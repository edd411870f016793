//! `sample`: new samples of a trained run, to an array or a picture.

use super::condition_args::ConditionArgs;
use super::one_step::say_passed_over;
use crate::build::ImageDisplay;
use crate::config::{GridConfig, check_range};
use crate::evaluation::choose_solver;
use crate::evaluation::time_grids;
use crate::run::folder::RunFolder;
use crate::training::context::RunContext;
use crate::training::threads;
use crate::training::training_run::TrainingRun;
use crate::{ProgramError, page};
use clap::{Args, value_parser};
use indicatif::{MultiProgress, ProgressBar};
use std::fs;
use std::path::{Path, PathBuf};
use strait_core::Conditions;
use strait_io::{Element, npz};
use strait_ode::{Control, DormandPrince, Method, OdeError, Options};
use strait_report::{Colour, ImageCell, ImageGrid, ImageRow, ScatterCell, ScatterGrid, ScatterRow};
use tch::{Kind, Tensor};
use tracing::warn;

/// Draws samples from a run.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// A run, by name or path
    run: String,
    /// Evaluations of the velocity for each sample [default: 4]
    #[arg(long)]
    nfe: Option<usize>,
    /// euler, midpoint, heun, ralston, rk4, ab2, dopri5 (which chooses its own evaluations) or, of a flow map, map [default:
    /// of a flow map what was chosen for it on validation points, else euler]
    #[arg(long)]
    solver: Option<String>,
    /// Times of the solver's steps
    #[arg(long, value_enum, default_value = "uniform")]
    grid: GridConfig,
    /// How many samples; of --classes, of each; of --conditions, as many as it has rows [default: 100]
    #[arg(long)]
    count: Option<i64>,
    #[command(flatten)]
    under: ConditionArgs,
    /// Where to: an .npz (array `samples`, in the data's own units, and one of what they are under) or a .png
    #[arg(long, default_value = "samples.npz")]
    out: PathBuf,
    /// Another seed draws other samples
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads to compute with on the CPU [default: OMP_NUM_THREADS, else what the network keeps busy]
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Evaluations where none are asked for.
const NFE: usize = 4;
/// Samples where none are asked for.
const COUNT: i64 = 100;
/// The most samples of one command.
const MOST: i64 = 100_000_000;

enum Format {
    Npz,
    Png,
}

/// Runs `sample`. Returns the file written.
///
/// # Errors
/// Each one line.
pub fn sample(args: &SampleArgs, bars: &MultiProgress) -> Result<PathBuf, ProgramError> {
    let format = match args.out.extension().and_then(|e| e.to_str()) {
        Some("npz") => Format::Npz,
        Some("png") => Format::Png,
        _ => {
            let problem = "it ends in .npz or .png".into();
            return Err(ProgramError::Argument { argument: format!("--out {}", args.out.display()), problem });
        }
    };
    let below = args.out.parent().filter(|below| !below.as_os_str().is_empty());
    if let Some(below) = below.filter(|below| !below.is_dir()) {
        let problem = format!("{} is no folder", below.display());
        return Err(ProgramError::Argument { argument: format!("--out {}", args.out.display()), problem });
    }
    if args.out.is_dir() {
        let problem = "it is a folder".into();
        return Err(ProgramError::Argument { argument: format!("--out {}", args.out.display()), problem });
    }
    let count = args.count.unwrap_or(COUNT);
    if !(1..=MOST).contains(&count) {
        let problem = format!("it is from 1 to {MOST}");
        return Err(ProgramError::Argument { argument: format!("--count {count}"), problem });
    }
    let nfe = args.nfe.unwrap_or(NFE);
    check_range(&format!("--nfe {nfe}"), "evaluate.nfe", nfe as f64)?;
    let refused = |solver: &str, problem: String| {
        let argument = format!("--solver {solver} --nfe {nfe}");
        ProgramError::Argument { argument, problem }
    };
    let guidance = args.under.guidance()?;
    let method = |solver: &str| {
        let method: Method = solver.parse().map_err(|error: OdeError| refused(solver, error.to_string()))?;
        if !matches!(method, Method::Dopri5(_)) {
            guidance.steps(method, nfe).map_err(|problem| refused(solver, problem))?;
        }
        Ok::<_, ProgramError>(alone(method))
    };
    let named = args.solver.as_deref().map(method).transpose()?;
    let folder = RunFolder::open(&args.run)?;
    let config = folder.config()?;
    let method = named.map_or_else(|| method(config.default_solver()), Ok)?;
    if method == Method::Map && !config.is_flow_map() {
        return Err(refused("map", "the run's velocity is not trained as a flow map; take another solver".into()));
    }
    if let Some(problem) = config.refuses_guidance(guidance, method) {
        let argument = format!("--guidance {}", guidance.0);
        return Err(ProgramError::Argument { argument, problem: problem.into() });
    }
    let asked = [
        ("--nfe", args.nfe.is_some_and(|nfe| nfe != 1)),
        ("--solver", args.solver.is_some()),
        ("--grid", args.grid != GridConfig::Uniform),
    ];
    say_passed_over(&config, &asked);
    if args.nfe.is_some() && matches!(method, Method::Dopri5(_)) && !config.velocity.kind().is_one_step {
        warn!("dopri5 chooses its own evaluations: --nfe {nfe} is passed over");
    }
    let mut context = RunContext::new(&config, &args.device)?;
    threads::set(args.threads, &config, &mut context);
    let conditions = args.under.conditions(&config, &context, count)?;
    if args.under.is_of_a_file() && args.count.is_some_and(|asked| Some(asked) != conditions.count()) {
        let rows = conditions.count().unwrap_or_default();
        warn!("a sample is made under each of the {rows} rows of --conditions: --count {count} is passed over");
    }
    let count = conditions.count().unwrap_or(count);
    if count > MOST {
        let problem = format!("{count} samples in all, and {MOST} are the most");
        return Err(ProgramError::Argument { argument: "--count".into(), problem });
    }
    let run = TrainingRun::new(&config, folder.path());
    let models = run.on_newest(|| choose_solver::choose(&run, &context, run.load(&context)?))?;
    let (taken, iterations) = (models.state.position.step, config.iterations());
    if taken < iterations {
        warn!("its training stands at iteration {taken} of {iterations}: these are no samples of the finished one");
    }
    let (method, nfe) = if models.flow.is_some() { (Method::Euler, 1) } else { (method, nfe / guidance.evaluations()) };
    let free = args.solver.is_none() && args.grid == GridConfig::Uniform;
    let (method, grid) = match models.solvers.as_ref().filter(|_| free) {
        Some(chosen) => time_grids::chosen(chosen, nfe)?,
        None => {
            let search = &config.evaluate.grid_search;
            (method, time_grids::grid(args.grid, search, (method, nfe), &models, &context, &folder)?)
        }
    };
    let x0 = source_points(args, count, &context)?;
    let bar = bars.add(ProgressBar::new(1000));
    let tell = |done: f64| bar.set_position((done * 1000.0) as u64);
    let options = Options { chunk: Some(4096), trajectory: false, progress: Some(&tell) };
    let field = guidance.of(&*models.velocity);
    let solution = method.solve_given(&*field, &conditions, &x0, &grid, options)?;
    bar.finish_and_clear();
    let x = context.data.points.denormalise(&solution.x)?;
    refuse_non_finite(&x, &folder)?;
    match format {
        Format::Npz => {
            let (x, element) = match &context.data.form {
                Some(form) => (form.store(&x)?, form.element()),
                None => (x.shallow_clone(), Element::of(x.kind()).unwrap_or(Element::F32)),
            };
            let mut arrays = vec![("samples", &x, element)];
            // Where the data's condition is called as samples are, these come first.
            let under = conditions.named().filter(|(name, _)| *name != "samples");
            arrays.extend(under.map(|(name, rows)| (name, rows, Element::of(rows.kind()).unwrap_or(Element::F32))));
            npz::write(&args.out, &arrays)?;
        }
        Format::Png => write_png(&args.out, folder.name(), context.data.picture, (&x, &conditions))?,
    }
    tracing::info!("{count} samples, {method}, {} evaluations each", solution.nfe);
    Ok(args.out.clone())
}

/// A method by which a sample is the same among others: where steps are chosen by their error, each sample has its own.
fn alone(method: Method) -> Method {
    match method {
        Method::Dopri5(method) => Method::Dopri5(DormandPrince { control: Control::Sample, ..method }),
        method => method,
    }
}

/// Where `count` samples start: the first so many of each class, however many are asked for.
fn source_points(args: &SampleArgs, count: i64, context: &RunContext) -> Result<Tensor, ProgramError> {
    let draws = context.seed.stream("sample").at(args.seed);
    let classes = args.under.classes();
    let each = count / classes;
    let of = |class: i64| {
        let mut own = draws.clone().from_row(class as u64 * CLASS_ROWS);
        context.source.sample(each, &mut own, Kind::Float, context.device)
    };
    let parts = (0..classes).map(of).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::f_cat(&parts, 0).map_err(strait_core::Error::from)?)
}

/// Rows between the draws of two classes; above the most samples.
const CLASS_ROWS: u64 = 1 << 32;

/// No sample that is not a number is written: whoever reads the file would not look for one.
fn refuse_non_finite(x: &Tensor, folder: &RunFolder) -> Result<(), ProgramError> {
    let rows = x.f_isfinite()?.f_flatten(1, -1)?.f_all_dim(1, false)?;
    let bad = x.size()[0] - rows.f_sum(Kind::Int64)?.int64_value(&[]);
    if bad == 0 {
        return Ok(());
    }
    let problem = format!(
        "{bad} of {} samples are not finite, and none is written; take more evaluations (--nfe) or another --solver, or train \
         it with a lower rate",
        x.size()[0]
    );
    Err(ProgramError::Failed { path: folder.path().to_owned(), problem })
}

fn write_png(
    path: &Path,
    title: String,
    picture: Option<ImageDisplay>,
    (x, conditions): (&Tensor, &Conditions),
) -> Result<(), ProgramError> {
    let (id, caption) = ("samples".to_owned(), String::new());
    let by_class = by_class(x, conditions)?;
    let png = match picture {
        Some(picture) if by_class.len() == 1 => picture.png(title, x)?,
        Some(picture) => {
            let row = |(label, x, colour): (String, Tensor, Colour)| {
                let cell = ImageCell { values: picture.values(&x, i64::MAX), note: String::new() };
                ImageRow { label, colour, cells: vec![cell] }
            };
            let (columns, rows) = (vec![String::new()], by_class.into_iter().map(row).collect());
            ImageGrid { id, title, caption, format: picture.format, columns, last_is_truth: false, rows }.draw()?.png
        }
        None => {
            let row = |(label, x, colour): (String, Tensor, Colour)| {
                let cell = ScatterCell { points: page::points(&x, i64::MAX), note: String::new() };
                ScatterRow { label, colour, cells: vec![cell] }
            };
            let rows = by_class.into_iter().map(row).collect();
            ScatterGrid { id, title, caption, columns: vec![String::new()], rows, truth: None }.draw()?.png
        }
    };
    write(path, &png)
}

/// Samples with a name and a colour, those of each class for themselves.
fn by_class(x: &Tensor, conditions: &Conditions) -> Result<Vec<(String, Tensor, Colour)>, ProgramError> {
    let Some(labels) = conditions.only()?.filter(|labels| !labels.is_floating_point()) else {
        return Ok(vec![(String::new(), x.shallow_clone(), Colour::of(1))]);
    };
    let mut classes = Vec::<i64>::try_from(labels).map_err(strait_core::Error::from)?;
    classes.sort_unstable();
    classes.dedup();
    let of = |&class: &i64| {
        let places = labels.eq(class).nonzero().view([-1]);
        Ok((format!("class {class}"), x.f_index_select(0, &places)?, Colour::of(class.unsigned_abs() as usize)))
    };
    classes.iter().map(of).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ProgramError> {
    strait_io::write_whole(path, |to| fs::write(to, bytes)).map_err(ProgramError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_is_no_number_is_refused() {
        let folder = RunFolder::of(Path::new("a"));
        let x = |last: f64| Tensor::from_slice2(&[[1.0, 2.0], [3.0, last]]);
        refuse_non_finite(&x(4.0), &folder).unwrap();
        for last in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let line = refuse_non_finite(&x(last), &folder).unwrap_err().to_string();
            assert!(line.starts_with("run a: 1 of 2 samples are not finite"), "{line}");
        }
    }
}
