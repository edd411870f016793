//! Solves assignment problems from files: `assignment COSTS.npy ...`, or one path a line on standard input.
//!
//! A file holds a square matrix in single or double precision. For each one line is printed: n, the milliseconds that
//! the solution took, its cost, and how far the potentials are from proving it (rounding).

use ndarray::Array2;
use ndarray_npy::read_npy;
use std::error::Error;
use std::io::Write;
use std::time::Instant;
use strait_transport::assignment::{Costs, Dense, assign};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        for line in std::io::stdin().lines() {
            report(line?.trim())?;
        }
    }
    paths.iter().try_for_each(|path| report(path))
}

fn report(path: &str) -> Result<(), Box<dyn Error>> {
    match read_npy::<_, Array2<f64>>(path) {
        Ok(costs) => solve(&Dense(costs.view())),
        Err(_) => solve(&Dense(read_npy::<_, Array2<f32>>(path)?.view())),
    }
}

fn solve(costs: &impl Costs) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let assignment = assign(costs)?;
    let milliseconds = 1e3 * start.elapsed().as_secs_f64();
    let (n, violation) = (assignment.columns.len(), assignment.violation(costs));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{n} {milliseconds:.4} {:.17e} {violation:.1e}", assignment.cost)?;
    Ok(out.flush()?)
}
