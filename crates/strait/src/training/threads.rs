//! The number of threads that libtorch computes with, and of those that pair batches ahead.

use super::context::RunContext;
use crate::config::{Config, VelocityConfig};
use std::num::NonZero;
use std::{env, thread};
use tch::Device;

/// Multiply-adds of a batch's forward pass that keep one thread busy. With fewer for each, threads wait for one another longer
/// than they compute.
const EACH: i64 = 16_000_000;

/// Threads that pair batches ahead, at most: each holds a batch.
const MOST_PAIRING: usize = 8;

/// Lets libtorch compute with as many threads as are `asked` for; else with as many as `OMP_NUM_THREADS` says; else with no
/// more of the machine's than the run's network keeps busy. Returns how many they are. All of these but one, or all of the
/// machine's, may pair batches ahead: a small network leaves them idle.
pub fn set(asked: Option<u16>, config: &Config, context: &mut RunContext) -> i32 {
    let (all, named) = (tch::get_num_threads(), env::var_os("OMP_NUM_THREADS").is_some());
    let allowed = match asked {
        Some(asked) => usize::from(asked),
        None if named => usize::try_from(all).unwrap_or(1),
        None => thread::available_parallelism().map_or(1, NonZero::get),
    };
    context.pairing_threads = allowed.saturating_sub(1).min(MOST_PAIRING);
    let threads = match asked {
        Some(asked) => i32::from(asked),
        None if named || context.device != Device::Cpu => all,
        None => all.min(busy(config, context.data.points.event_shape())),
    };
    if threads != all {
        tch::set_num_threads(threads);
    }
    threads
}

/// Threads that a step of the run's perceptrons keeps busy; any number for other networks, whose layers are large.
fn busy(config: &Config, event: &[i64]) -> i32 {
    let d: i64 = event.iter().product();
    let products = |hidden: &[i64]| {
        let widths: Vec<i64> = [&[d], hidden, &[d]].concat();
        widths.windows(2).fold(0i64, |sum, pair| sum.saturating_add(pair[0].saturating_mul(pair[1])))
    };
    let of_a_point = match &config.velocity {
        VelocityConfig::Mlp(mlp) => products(&mlp.hidden),
        VelocityConfig::Flow(flow) => products(&flow.hidden).saturating_mul(flow.steps as i64),
        VelocityConfig::Unet(_) | VelocityConfig::Transformer(_) => i64::MAX,
        VelocityConfig::Gaussian => 0,
    };
    let batch = config.phase.iter().flat_map(|phase| &phase.level).map(|level| level.batch).max().unwrap_or(1);
    i32::try_from(of_a_point.saturating_mul(batch) / EACH).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn small_networks_keep_one_thread_busy_and_large_ones_all() {
        let of = |preset: &str, event: &[i64], sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            busy(&load(preset, &sets).unwrap(), event)
        };
        assert_eq!(of("8gaussians", &[2], &["velocity.hidden=[64,64,64]"]), 1);
        let wide = ["velocity.hidden=[512,512]", "phase.0.level.0.batch=4096"];
        assert!((60..80).contains(&of("8gaussians", &[2], &wide)));
        assert_eq!(of("fashion-mnist", &[1, 28, 28], &[]), i32::MAX);
    }
}
