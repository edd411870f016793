//! Effective sample sizes of the exact field on the linear path to sixteen separated modes.

mod common;

use common::Independent;
use strait_core::{Seed, Source, StandardNormal};
use strait_paths::{ExactField, Linear};
use tch::{Device, Kind, Tensor};

const TIMES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// With K = 4096 candidates, from another implementation (Python) on centres of its own.
const MEASURED: [(i64, [f64; 5]); 4] = [
    (2, [3330.0, 1435.0, 601.0, 257.0, 38.0]),
    (8, [1945.0, 232.0, 149.0, 36.0, 1.7]),
    (32, [627.0, 160.0, 36.0, 4.9, 1.2]),
    (128, [224.0, 52.0, 6.9, 1.7, 1.1]),
];

/// Sixteen modes of standard deviation 0.3 in d dimensions, centres from N(0, 9 I).
fn sizes(d: i64, seed: u64) -> Vec<f64> {
    let float = (Kind::Float, Device::Cpu);
    let mut draws = Seed(seed).stream("mixture").at(0);
    let centres = draws.normal(&[16, d], float.0, float.1).unwrap() * 3.0;
    let which = draws.integers(16, &[4096 + 64], Device::Cpu).unwrap();
    let x = centres.index_select(0, &which) + draws.normal(&[4096 + 64, d], float.0, float.1).unwrap() * 0.3;
    let source = StandardNormal::new(&[d]);
    let field = ExactField::new(&Linear, &source, &Independent(true), x.narrow(0, 0, 4096), 1 << 16).unwrap();
    let x0 = source.sample(64, &mut draws, float.0, float.1).unwrap();
    field.effective_sizes(&x0, &x.narrow(0, 4096, 64), &TIMES).unwrap()
}

/// The spread over centres is large while several modes weigh in (at early times), and small once a point knows its own
/// mode: the logarithms agree within three standard deviations over six draws of everything, or within 15 per cent.
#[test]
fn they_are_those_measured_elsewhere() {
    for (d, measured) in MEASURED {
        let runs: Vec<Vec<f64>> = (0..6).map(|seed| sizes(d, seed)).collect();
        for (i, expected) in measured.iter().enumerate() {
            let logs = Tensor::from_slice(&runs.iter().map(|run| run[i].ln()).collect::<Vec<_>>());
            let (mean, sd) = (logs.mean(Kind::Double).double_value(&[]), logs.std(true).double_value(&[]));
            let off = (mean - expected.ln()).abs();
            assert!(
                off < (3.0 * sd).max(0.15),
                "d = {d}, t = {}: {} (sd {sd:.2} in log), {expected}",
                TIMES[i],
                mean.exp()
            );
        }
    }
}
