//! `sample`: new samples of a trained run, to an array or a picture.

use crate::build::Picture;
use crate::config::GridConfig;
use crate::evaluation::choose_average::choose_average;
use crate::evaluation::grids;
use crate::run::folder::RunFolder;
use crate::training::context::RunContext;
use crate::training::training_run::TrainingRun;
use crate::{ProgramError, page};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar};
use std::fs;
use std::path::{Path, PathBuf};
use strait_core::Seed;
use strait_io::{Element, npz};
use strait_ode::{Method, OdeError, Options};
use strait_report::{Colour, ImageCell, ImageGrid, ImageRow, ScatterCell, ScatterGrid, ScatterRow};
use tch::{Kind, Tensor};

/// Draws samples from a run.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// A run, by name or path
    run: String,
    /// Evaluations of the velocity for each sample
    #[arg(long, default_value_t = 4)]
    nfe: usize,
    /// euler, midpoint, heun, ralston, rk4, ab2, dopri5 (which chooses its own evaluations) or, of a flow map, map [default:
    /// map of a flow map, else euler]
    #[arg(long)]
    solver: Option<String>,
    /// Times of the solver's steps
    #[arg(long, value_enum, default_value = "uniform")]
    grid: GridConfig,
    /// How many samples
    #[arg(long, default_value_t = 100)]
    count: i64,
    /// Where to: an .npz (array `samples`, in the data's own units) or a .png
    #[arg(long, default_value = "samples.npz")]
    out: PathBuf,
    /// Another seed draws other samples
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
}

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
    if args.count < 1 {
        let problem = "at least 1".into();
        return Err(ProgramError::Argument { argument: format!("--count {}", args.count), problem });
    }
    let folder = RunFolder::open(&args.run)?;
    let config = folder.config()?;
    let solver = args.solver.as_deref().unwrap_or(config.default_solver());
    let refused = |problem: String| {
        let argument = format!("--solver {solver} --nfe {}", args.nfe);
        ProgramError::Argument { argument, problem }
    };
    let of_ode = |error: OdeError| refused(error.to_string());
    let method: Method = solver.parse().map_err(of_ode)?;
    if !matches!(method, Method::Dopri5(_)) {
        method.steps(args.nfe).map_err(of_ode)?;
    }
    if method == Method::Map && !config.is_flow_map() {
        return Err(refused("the run's velocity is not trained as a flow map; take another solver".into()));
    }
    let context = RunContext::new(&config, &args.device)?;
    let run = TrainingRun::new(&config, folder.path());
    let models = choose_average(&run, &context, run.load(&context)?)?;
    let (method, nfe) = if models.flow.is_some() { (Method::Euler, 1) } else { (method, args.nfe) };
    let grid = grids::grid(args.grid, &config.evaluate.grid_search, (method, nfe), &models, &context, &folder)?;
    let mut draws = Seed(config.seed).stream("sample").at(args.seed);
    let x0 = context.source.sample(args.count, &mut draws, Kind::Float, context.device)?;
    let bar = bars.add(ProgressBar::new(1000));
    let tell = |done: f64| bar.set_position((done * 1000.0) as u64);
    let options = Options { chunk: Some(4096), trajectory: false, progress: Some(&tell) };
    let solution = method.solve(&*models.velocity, &x0, &grid, options)?;
    bar.finish_and_clear();
    let x = context.data.points.denormalise(&solution.x)?;
    match format {
        Format::Npz => npz::write(&args.out, &[("samples", &x, Element::of(x.kind()).unwrap_or(Element::F32))])?,
        Format::Png => write_png(&args.out, folder.name(), context.data.picture, &x)?,
    }
    tracing::info!("{} samples, {}, {} evaluations each", args.count, method, solution.nfe);
    Ok(args.out.clone())
}

fn write_png(path: &Path, title: String, picture: Option<Picture>, x: &Tensor) -> Result<(), ProgramError> {
    let (id, caption, colour) = ("samples".to_owned(), String::new(), Colour::of(1));
    let figure = match picture {
        Some(picture) => {
            let cell = ImageCell { values: picture.values(x, i64::MAX), note: String::new() };
            ImageGrid {
                id,
                title,
                caption,
                format: picture.format,
                columns: vec![String::new()],
                last_is_truth: false,
                rows: vec![ImageRow { label: String::new(), colour, cells: vec![cell] }],
            }
            .draw()?
        }
        None => {
            let cell = ScatterCell { points: page::points(x, i64::MAX), note: String::new() };
            let row = ScatterRow { label: String::new(), colour, cells: vec![cell] };
            ScatterGrid { id, title, caption, columns: vec![String::new()], rows: vec![row], truth: None }.draw()?
        }
    };
    write(path, &figure.png)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ProgramError> {
    strait_io::write_whole(path, |to| fs::write(to, bytes)).map_err(ProgramError::io(path))
}
