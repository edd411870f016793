//! Densities trained by maximum likelihood, beside peers of the same size and budget on the same data.
//!
//! `cargo bench -p strait-benches --bench likelihood -- NAME [SEED...]` with NAME one of 8gaussians, moons,
//! checkerboard, digits, fashion-mnist; `STRAIT_PYTHON` names a Python that has torch 2.13.0, normflows and zuko, and `cargo
//! xtask bench NAME` brings one.
//!
//! Planar laws: a Glow of splines, against zuko's neural spline flow and normflows' coupled splines; the figure is the
//! gap in nats to the best that any model can reach, the law's own entropy (that of moons is not known). Images: a Glow
//! of affine couplings, against normflows' Glow; the figure is bits per dimension of dequantised levels on the test
//! split. All draw as many minibatches from the same training points, with Adam, a cosine to zero and the gradient
//! clipped. `STRAIT_RATE` sets another learning rate for all; `STRAIT_VALIDATE` judges images on the validation split.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;
use strait_core::{Condition, Dataset, Parameters, Seed, Source, Split};
use strait_data::toys::{Checkerboard, Mixture, Moons};
use strait_data::{ArrayDataset, NormalisedToy, Toy, data_dir, digits, fashion_mnist};
use strait_flows::strait_autodiff::{AdamW, AdamWState, clip};
use strait_flows::{Base, Density, Glow, Memory, Plan, Transform, bits_per_dimension, dequantise};
use tch::{Device, Kind, Tensor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// How long, how fast, how many at once.
#[derive(Clone, Copy)]
struct Budget {
    steps: u64,
    batch: i64,
    rate: f64,
}

/// Points to learn from and to judge by; images as levels below `levels`.
struct Task {
    train: Tensor,
    test: Tensor,
    levels: Option<i64>,
    /// The mean of $\log p$ over the test points, where the law is known.
    best: Option<f64>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let Some((name, seeds)) = words.split_first() else {
        eprintln!("likelihood: left out, it takes minutes: name a data set (see benches/likelihood.rs)");
        return ExitCode::SUCCESS;
    };
    let seeds: Vec<u64> = seeds.iter().filter_map(|seed| seed.parse().ok()).collect();
    tch::set_num_threads(1);
    match run(name, if seeds.is_empty() { &[0] } else { &seeds }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("likelihood: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, seeds: &[u64]) -> Result<()> {
    for &seed in seeds {
        let (task, peers): (Task, &[&str]) = match name {
            "8gaussians" => (planar(Box::new(Mixture::eight_gaussians(5.0, 0.5)?), seed)?, &["zuko", "normflows"]),
            "moons" => (planar(Box::new(Moons::new(0.1, 1.0, [0.0, 0.0])?), seed)?, &["zuko", "normflows"]),
            "checkerboard" => (planar(Box::new(Checkerboard::new(4.0)?), seed)?, &["zuko", "normflows"]),
            "digits" => (levels(&digits(&data_dir()?, Kind::Double, Device::Cpu)?, 17)?, &["normflows"]),
            "fashion-mnist" => (levels(&fashion_mnist(&data_dir()?, Kind::Double, Device::Cpu)?, 256)?, &["normflows"]),
            _ => return Ok(()), // `cargo bench FILTER` hands its filter to every bench
        };
        let rate =
            |default: f64| std::env::var("STRAIT_RATE").ok().and_then(|rate| rate.parse().ok()).unwrap_or(default);
        let budget = match name {
            "digits" => Budget { steps: 1500, batch: 64, rate: rate(1e-3) },
            "fashion-mnist" => Budget { steps: 2000, batch: 32, rate: rate(1e-3) },
            _ => Budget { steps: 3000, batch: 512, rate: rate(6e-3) },
        };
        println!("{name}, seed {seed}: {} steps of {}, Adam at {}", budget.steps, budget.batch, budget.rate);
        ours(&task, budget, seed)?;
        let folder = std::env::temp_dir().join(format!("strait-likelihood-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        task.train.write_npy(folder.join("train.npy"))?;
        task.test.write_npy(folder.join("test.npy"))?;
        for peer in peers {
            beside(peer, &task, budget, seed, &folder)?;
        }
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// 200,000 points of a law in units of unit variance, and 50,000 others.
fn planar(toy: Box<dyn Toy + Send>, seed: u64) -> Result<Task> {
    let law = NormalisedToy::new(toy)?;
    let points = |name: &str, n| law.sample(n, &mut Seed(seed).stream(name).at(0), Kind::Double, Device::Cpu);
    let test = points("test", 50_000)?;
    // Some laws have no density in closed form.
    let best = law.log_density(&test).ok().map(|x| x.mean(Kind::Double).double_value(&[]));
    let float = |x: &Tensor| x.to_kind(Kind::Float);
    Ok(Task { train: float(&points("train", 200_000)?), test: float(&test), levels: None, best })
}

/// The training and the test images of a data set as levels, (n, c, h, w).
fn levels(data: &ArrayDataset, levels: i64) -> Result<Task> {
    let image = data.image().ok_or("no images")?;
    let split = |split| -> Result<Tensor> {
        let n = data.len(split).ok_or("no end")?;
        let x = data.denormalise(&data.points(split, n, &mut Seed(0).stream("points").at(0))?)?;
        let grey = (x * levels).floor().clamp(0.0, (levels - 1) as f64).to_kind(Kind::Int64);
        Ok(grey.view([-1, image.channels, image.height, image.width]))
    };
    let judge = if std::env::var_os("STRAIT_VALIDATE").is_some() { Split::Validation } else { Split::Test };
    Ok(Task { train: split(Split::Train)?, test: split(judge)?, levels: Some(levels), best: None })
}

impl Task {
    /// The figure of mean log-density over dequantised test points.
    fn figure(&self, log_density: f64) -> String {
        match (self.best, self.levels) {
            (Some(best), _) => format!("{:.4} nats above the entropy {:.4}", best - log_density, -best),
            (None, Some(levels)) => {
                let d = strait_core::event_size(&self.test);
                let bits = bits_per_dimension(&Tensor::from(log_density), d, levels).double_value(&[]);
                format!("{bits:.4} bits per dimension")
            }
            (None, None) => format!("{:.4} nats (the entropy is not known)", -log_density),
        }
    }

    fn points(&self, x: &Tensor, draws: &mut strait_core::Draws) -> Result<Tensor> {
        Ok(match self.levels {
            Some(levels) => dequantise(x, levels, Kind::Float, draws)?,
            None => x.shallow_clone(),
        })
    }
}

fn ours(task: &Task, budget: Budget, seed: u64) -> Result<()> {
    let mut parameters = Parameters::new(Seed(seed), FLOAT.0, FLOAT.1);
    let event = &task.train.size()[1..];
    let flow = match *event {
        [c, h, w] => {
            // As many parameters as the peer's 64 give it: here what is factored out has a coupling of its own.
            let plan = Plan { steps: 4, hidden: &[60, 60], ..Plan::default() };
            Glow::image(&mut parameters.root().sub("flow"), [c, h, w], 2, &plan)?
        }
        _ => {
            let plan = Plan {
                steps: 8,
                hidden: &[64, 64],
                transform: Transform::Spline { bins: 8, bound: 3.0 },
                ..Plan::default()
            };
            Glow::vector(&mut parameters.root().sub("flow"), event[0], &plan)?
        }
    };
    let density = Density::new(flow, Base::learned(&mut parameters.root().sub("base"), event)?);
    let streams = Seed(seed).stream("training");
    let n = task.train.size()[0];
    let batch = |size: i64, step: u64| -> Result<Tensor> {
        let mut draws = streams.at(step);
        let rows = draws.integers(n, &[size], Device::Cpu)?;
        task.points(&task.train.index_select(0, &rows), &mut draws)
    };
    density.initialise(&batch(1024, 0)?, Condition::NONE)?;
    let all = density.parameters();
    let mut state = AdamWState::new(&all)?;
    let begun = Instant::now();
    for step in 1..=budget.steps {
        let progress = step as f64 / budget.steps as f64;
        let lr = budget.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let adam = AdamW { lr, betas: (0.9, 0.999), weight_decay: 0.0, eps: 1e-8 };
        let found = density.likelihood(&batch(budget.batch, step)?, Condition::NONE, Memory::Ordinary)?;
        let gradients: Vec<Tensor> = found.parameters.into_iter().chain(found.others).collect();
        let clip = clip(&gradients, 5.0)?;
        adam.step(&all, &gradients, &mut state, Some(&clip))?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let mut draws = Seed(seed).stream("dequantised test").at(0);
    let _guard = tch::no_grad_guard();
    let mut sum = 0.0;
    let passes = if task.levels == Some(17) { 20 } else { 1 };
    for _ in 0..passes {
        for part in task.test.split(1000, 0) {
            let log_density = density.log_density(&task.points(&part, &mut draws)?, Condition::NONE)?;
            sum += log_density.sum(Kind::Double).double_value(&[]) / f64::from(passes);
        }
    }
    report("strait", &task.figure(sum / task.test.size()[0] as f64), parameters.count(), seconds / budget.steps as f64);
    Ok(())
}

fn report(name: &str, figure: &str, parameters: usize, seconds: f64) {
    println!("  {name:10} {figure}, {parameters} parameters, {:.1} ms a step", 1e3 * seconds);
}

fn beside(peer: &str, task: &Task, budget: Budget, seed: u64, folder: &Path) -> Result<()> {
    let python = std::env::var("STRAIT_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/likelihood_of_flows.py"))
        .args([peer, &folder.display().to_string(), &task.levels.unwrap_or(0).to_string()])
        .args([budget.steps.to_string(), budget.batch.to_string(), budget.rate.to_string(), seed.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
    match (number(), number(), number()) {
        (Some(log_density), Some(parameters), Some(seconds)) => {
            report(peer, &task.figure(log_density), parameters as usize, seconds);
        }
        _ => println!("  {peer:10} left out: {}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("")),
    }
    Ok(())
}
