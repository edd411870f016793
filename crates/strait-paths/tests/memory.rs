//! The memory for a million pairs, in parts, stays below a limit. This test has its own process, since the peak is the
//! process's.
#![cfg(target_os = "linux")]

mod common;

use common::{Independent, affine};
use strait_core::{Parameters, Seed, StandardNormal};
use strait_laws::interpolant::Case;
use strait_paths::{ExactField, Mixing};
use tch::{Device, Kind, Tensor};

/// The most memory this process has held so far, in KiB.
fn peak() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_million_pairs_take_no_more_than_their_parts() {
    let float = (Kind::Float, Device::Cpu);
    let mut parameters = Parameters::new(Seed(1), float.0, float.1);
    let case = Case { batch: 1, event: vec![2], seed: 0 };
    let path = affine(Mixing::Triangular)(&case, &mut parameters.root()).unwrap();
    let source = StandardNormal::new(&[2]);
    let normal = |seed| Seed(seed).stream("x").at(0).normal(&[1024, 2], float.0, float.1).unwrap();
    let (x, candidates) = (normal(1), normal(2));
    let t = Tensor::linspace(0.0, 0.9, 1024, float); // each point its own time: nothing is shared
    let run = |x: &Tensor, t: &Tensor, pairs_at_once| {
        let field =
            ExactField::new(&path, &source, &Independent(true), candidates.shallow_clone(), pairs_at_once).unwrap();
        tch::no_grad(|| field.at(x, t).unwrap())
    };
    run(&x, &t, 1 << 10);
    let before = peak();
    let parts = run(&x, &t, 1 << 14);
    let in_parts = peak() - before;
    // At once, the hidden layer of the network alone is 32 MiB, and there are a dozen tensors of its size.
    let whole = run(&x, &t, 1 << 20);
    let at_once = peak() - before;
    assert!(in_parts < 24 << 10, "{in_parts} KiB in parts, {at_once} KiB at once");
    assert!(at_once > 4 * in_parts.max(24 << 10), "{in_parts} KiB in parts, {at_once} KiB at once: nothing was saved");
    assert!(parts.velocity.allclose(&whole.velocity, 1e-4, 1e-4, false));
    // Fewer at once than there are candidates: parts of a sum, for a few points.
    let few = |x: &Tensor| x.narrow(0, 480, 64);
    let sums = run(&few(&x), &few(&t), 100);
    assert!(sums.velocity.allclose(&few(&whole.velocity), 1e-4, 1e-4, false));
    assert!(sums.effective.allclose(&few(&whole.effective), 1e-3, 1e-3, false));
    assert!(sums.log_density.allclose(&few(&whole.log_density), 1e-4, 1e-4, false));
}
