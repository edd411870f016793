//! The distances between two clouds of points from files: `distances X.npy Y.npy`, (n, d) and (m, d) in double
//! precision. On Linux the largest memory that the process held is printed too.

use ndarray::Array2;
use ndarray_npy::read_npy;
use std::error::Error;
use std::time::Instant;
use strait_core::Seed;
use strait_transport::{Bandwidth, energy_distance, mmd, sliced_wasserstein2, wasserstein2};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [x, y] = paths.as_slice() else {
        return Err("two files are needed: X.npy Y.npy".into());
    };
    let (x, y): (Array2<f64>, Array2<f64>) = (read_npy(x)?, read_npy(y)?);
    println!("x {:?}, y {:?}", x.dim(), y.dim());
    let timed = |name: &str, distance: &mut dyn FnMut() -> Result<f64, Box<dyn Error>>| {
        let start = Instant::now();
        let value = distance()?;
        println!("{name:<24} {value:>14.6}  {:>8.2} s", start.elapsed().as_secs_f64());
        Ok::<_, Box<dyn Error>>(())
    };
    if x.nrows() == y.nrows() {
        timed("exact W2", &mut || Ok(wasserstein2(x.view(), y.view())?))?;
    }
    let mut draws = Seed(0).stream("projections").at(0);
    timed("sliced W2, 256 slices", &mut || Ok(sliced_wasserstein2(x.view(), y.view(), 256, &mut draws)?))?;
    timed("energy distance", &mut || Ok(energy_distance(x.view(), y.view())?))?;
    timed("MMD^2, median bandwidth", &mut || Ok(mmd(x.view(), y.view(), Bandwidth::Median)?.squared))?;
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    }
    Ok(())
}
