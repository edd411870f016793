//! Maximum likelihood on planar laws whose density is known: the gap to the best that any model can reach.
//!
//! `cargo run --release -p strait-flows --example toys [STEPS] [SEED]`
//!
//! The gap is the mean of $\log p - \log p_\theta$ over fresh points, an estimate of $KL(p \| p_\theta)$ in nats.

use strait_flows::strait_autodiff::{AdamW, AdamWState};
use strait_flows::strait_core::{Condition, Draws, Error, Parameters, Seed};
use strait_flows::tch::{self, Device, Kind, Tensor};
use strait_flows::{Base, Density, Glow, Layer, Memory, Plan, Transform};

const PLANE: (Kind, Device) = (Kind::Float, Device::Cpu);

/// A planar law with its log-density.
struct Toy {
    name: &'static str,
    sample: fn(i64, &mut Draws) -> Result<Tensor, Error>,
    log_density: fn(&Tensor) -> Tensor,
}

fn centres() -> Tensor {
    let angles = Tensor::arange(8, PLANE) * (std::f64::consts::TAU / 8.0);
    Tensor::stack(&[angles.cos(), angles.sin()], 1) * 2.0
}

/// Eight normal laws of standard deviation 0.2 on a circle of radius 2.
const EIGHT: Toy = Toy {
    name: "8 gaussians, radius 2, sd 0.2",
    sample: |n, draws| {
        let which = draws.integers(8, &[n], Device::Cpu)?;
        Ok(centres().index_select(0, &which) + draws.normal(&[n, 2], PLANE.0, PLANE.1)? * 0.2)
    },
    log_density: |x| {
        let distances = (x.unsqueeze(1) - centres()).square().sum_dim_intlist([2i64].as_slice(), false, PLANE.0);
        (distances * (-0.5 / 0.04)).logsumexp([1i64].as_slice(), false) - (8.0 * std::f64::consts::TAU * 0.04).ln()
    },
};

/// Uniform on the eight dark squares of a four by four board of side 4.
const BOARD: Toy = Toy {
    name: "checkerboard, 4 x 4 on [-2, 2]",
    sample: |n, draws| {
        let x = draws.uniform(&[n], PLANE.0, PLANE.1)? * 4.0 - 2.0;
        let column = x.floor();
        let row = draws.integers(2, &[n], Device::Cpu)?.to_kind(PLANE.0) * 2.0 - 2.0 + column.remainder(2.0);
        Ok(Tensor::stack(&[x, draws.uniform(&[n], PLANE.0, PLANE.1)? + row], 1))
    },
    log_density: |x| x.select(1, 0).full_like(-(8.0f64.ln())),
};

/// A uniform angle, a radius of mean 1.5 and standard deviation 0.1.
const RING: Toy = Toy {
    name: "ring, radius 1.5, sd 0.1",
    sample: |n, draws| {
        let angle = draws.uniform(&[n], PLANE.0, PLANE.1)? * std::f64::consts::TAU;
        let radius = draws.normal(&[n], PLANE.0, PLANE.1)? * 0.1 + 1.5;
        Ok(Tensor::stack(&[angle.cos() * &radius, angle.sin() * radius], 1))
    },
    log_density: |x| {
        let radius = x.square().sum_dim_intlist([1i64].as_slice(), false, PLANE.0).sqrt();
        let normal = 0.5 * std::f64::consts::TAU.ln() + 0.1f64.ln() + std::f64::consts::TAU.ln();
        ((&radius - 1.5) / 0.1).square() * -0.5 - normal - radius.log()
    },
};

fn gap(toy: &Toy, transform: Transform, steps: u64, seed: u64) -> Result<String, Error> {
    let mut parameters = Parameters::new(Seed(seed), PLANE.0, PLANE.1);
    let plan = Plan { steps: 8, hidden: &[64, 64], transform, ..Plan::default() };
    let flow = Glow::vector(&mut parameters.root().sub("flow"), 2, &plan)?;
    let density = Density::new(flow, Base::learned(&mut parameters.root().sub("base"), &[2])?);
    let data = Seed(seed).stream("data");
    density.initialise(&(toy.sample)(2000, &mut data.at(0))?, Condition::NONE)?;
    let all = density.parameters();
    let mut state = AdamWState::new(&all)?;
    let begin = std::time::Instant::now();
    for step in 1..=steps {
        let progress = step as f64 / steps as f64;
        let lr = 3e-3 * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let adam = AdamW { lr, betas: (0.9, 0.999), weight_decay: 0.0, eps: 1e-8 };
        let found = density.likelihood(&(toy.sample)(512, &mut data.at(step))?, Condition::NONE, Memory::Ordinary)?;
        let gradients: Vec<Tensor> = found.parameters.into_iter().chain(found.others).collect();
        let clip = strait_flows::strait_autodiff::clip(&gradients, 5.0)?;
        adam.step(&all, &gradients, &mut state, Some(&clip))?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let x = (toy.sample)(50_000, &mut Seed(seed).stream("test").at(0))?;
    let excess = tch::no_grad(|| Ok::<_, Error>((toy.log_density)(&x) - density.log_density(&x, Condition::NONE)?))?;
    let (mean, error) = (excess.mean(Kind::Double), excess.std(true) / (50_000f64).sqrt());
    let entropy = -(toy.log_density)(&x).mean(Kind::Double).double_value(&[]);
    Ok(format!(
        "{:32} {:28} entropy {entropy:.3}, gap {:.4} +- {:.4} nats, {} parameters, {:.2} ms a step",
        toy.name,
        transform.to_string(),
        mean.double_value(&[]),
        error.double_value(&[]),
        density.flow.parameters().iter().map(Tensor::numel).sum::<usize>(),
        1e3 * seconds / steps as f64,
    ))
}

fn main() -> Result<(), Error> {
    tch::set_num_threads(1);
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().unwrap_or_default());
    let (steps, seed) = (arguments.next().unwrap_or(3000), arguments.next().unwrap_or(0));
    for toy in [EIGHT, BOARD, RING] {
        for transform in [Transform::affine(), Transform::spline()] {
            println!("{}", gap(&toy, transform, steps, seed)?);
        }
    }
    Ok(())
}
