//! The cost of an all-reduce of one flat gradient, by size, among ranks of this machine; and the prediction of a cost
//! model for more ranks.
//!
//! `cargo run --release -p strait-distributed --features gloo --example all_reduce -- RANKS` measures;
//! `... --example all_reduce -- predict` prints the model's table.

use std::process::ExitCode;

/// Efficiency by the cost model of docs/guide/scale.md: a ring moves $2 (N-1)/N$ of the gradient's bytes through each link in
/// $2 (N-1)$ messages, after a step's computation and not beside it.
fn predict() {
    let bytes = 4.0 * 35.7e6;
    println!("| ranks | link | all-reduce, s | efficiency at 0.1 s a step | at 1 s |");
    println!("| ---: | --- | ---: | ---: | ---: |");
    for ranks in [8u32, 64, 512, 4096] {
        let n = f64::from(ranks);
        for (link, latency, bandwidth) in
            [("10 Gbit/s", 50e-6, 1.25e9), ("100 Gbit/s", 20e-6, 12.5e9), ("NVLink", 5e-6, 300e9)]
        {
            let seconds = 2.0 * (n - 1.0) * latency + 2.0 * (n - 1.0) / n * bytes / bandwidth;
            let at = |compute: f64| compute / (compute + seconds);
            println!("| {ranks} | {link} | {seconds:.3} | {:.2} | {:.2} |", at(0.1), at(1.0));
        }
    }
}

#[cfg(feature = "gloo")]
mod measured {
    use std::net::TcpListener;
    use std::process::Command;
    use std::time::Instant;
    use strait_distributed::{Group, Place};
    use tch::{Device, Kind, Tensor};

    pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

    /// Starts the ranks, which are this program.
    pub(crate) fn start(ranks: usize) -> Result<()> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let rank = |rank: usize| {
            let mut command = Command::new(std::env::current_exe()?);
            command.envs([("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", &port), ("OMP_NUM_THREADS", "1")]);
            command.envs([("RANK", rank.to_string()), ("WORLD_SIZE", ranks.to_string())]).spawn()
        };
        let children = (0..ranks).map(rank).collect::<std::io::Result<Vec<_>>>()?;
        for mut child in children {
            if !child.wait()?.success() {
                return Err("a rank failed".into());
            }
        }
        Ok(())
    }

    pub(crate) fn measure(place: Place) -> Result<()> {
        tch::set_num_threads(1);
        let group = Group::join(place)?;
        if group.rank() == 0 {
            println!("| bytes | least, us | quartiles, us | MB/s at the least |\n| ---: | ---: | ---: | ---: |");
        }
        for power in (2..=26).step_by(4) {
            let (bytes, runs) = (1i64 << power, if power < 20 { 400 } else { 24 });
            let x = Tensor::zeros([bytes / 4], (Kind::Float, Device::Cpu));
            let mut times = vec![];
            for _ in 0..runs {
                group.barrier()?;
                let begun = Instant::now();
                group.sum(&x)?;
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times[(f64::from(runs - 1) * share) as usize];
            if group.rank() == 0 {
                let speed = bytes as f64 / at(0.0);
                println!("| {bytes} | {:.0} | {:.0} to {:.0} | {speed:.0} |", at(0.0), at(0.25), at(0.75));
            }
        }
        Ok(())
    }
}

#[cfg(feature = "gloo")]
fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_else(|| "2".into());
    let done = match (strait_distributed::Place::of_environment(), word.as_str()) {
        (Ok(Some(place)), _) => measured::measure(place),
        (_, "predict") => {
            predict();
            Ok(())
        }
        (_, ranks) => ranks.parse().map_err(Into::into).and_then(measured::start),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("all_reduce: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(feature = "gloo"))]
fn main() -> ExitCode {
    predict();
    eprintln!("all_reduce: to measure, build it with `--features gloo`");
    ExitCode::SUCCESS
}
