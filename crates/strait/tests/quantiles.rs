//! Data of every scale and kind, trained by the default for a user's own data: samples have the quantiles of each
//! column, in the type of the file.
//!
//! A short training runs with the other tests, with wider tolerances. `STRAIT_QUANTILES=long cargo xtask test -p strait
//! --test suite quantiles:: -- --nocapture` trains as long as the default says, and compares each quantile with the floor and
//! 5% of the column's width.

use crate::common::Place;
use crate::common::damage::Numbers;
use ndarray::Array2;
use std::fs::{self, File};

const ROWS: usize = 2000;
const QUANTILES: [f64; 5] = [0.01, 0.25, 0.5, 0.75, 0.99];
/// By so much the shares of two samples of `ROWS` rows differ within three standard deviations.
const LEVELS: f64 = 0.047;

/// What column j of a row is, of a standard normal and a uniform number.
type Column = fn(usize, f64, f64) -> f64;

struct Case {
    name: &'static str,
    columns: usize,
    value: Column,
    /// One row this many standard deviations away.
    outlier: Option<f64>,
}

const CASES: [Case; 5] = [
    Case { name: "sd 1 at 1e9", columns: 2, value: |j, z, _| 1e9 * (1 + j) as f64 + z, outlier: None },
    Case { name: "sd 1e-30", columns: 2, value: |_, z, _| 1e-30 * z, outlier: None },
    Case { name: "scales 1e-6 to 1e6", columns: 5, value: |j, z, _| 10f64.powi(3 * j as i32 - 6) * z, outlier: None },
    Case { name: "one row at 1e6 sd", columns: 2, value: |_, z, _| z, outlier: Some(1e6) },
    Case {
        name: "constant, rare, whole, two values",
        columns: 5,
        value: |j, z, u| match j {
            0 => 7.0,
            1 => f64::from(u < 0.003),
            2 => (3.0 + 1.5 * z).round().clamp(0.0, 9.0),
            3 => f64::from(u < 0.37),
            _ => z,
        },
        outlier: None,
    },
];

/// Rows of a case; another seed draws others.
fn rows(case: &Case, seed: u64) -> Array2<f64> {
    let mut numbers = Numbers(seed);
    let mut uniform = move || ((numbers.next() >> 11) as f64 + 0.5) * (-53f64).exp2();
    let mut array = Array2::from_shape_fn((ROWS, case.columns), |(_, j)| {
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        (case.value)(j, radius * angle.cos(), uniform())
    });
    if let Some(far) = case.outlier {
        array.row_mut(ROWS / 2).fill(far);
    }
    array
}

fn sorted(array: &Array2<f64>, column: usize) -> Vec<f64> {
    let mut values = array.column(column).to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], level: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * level.clamp(0.0, 1.0)).round() as usize]
}

/// The largest error of a column's quantiles, in widths of the column in the data. Those of whole numbers jump at the levels
/// where the share of a number ends, and two samples of one law lie on both sides of a jump: theirs are right where some level
/// within `LEVELS` has the data's number.
fn error(found: &Array2<f64>, data: &Array2<f64>, column: usize, whole: bool) -> f64 {
    let (found, own) = (sorted(found, column), sorted(data, column));
    let [least, .., greatest] = QUANTILES.map(|level| quantile(&own, level));
    let width = if greatest > least { greatest - least } else { least.abs().max(1.0) };
    let within = if whole { LEVELS } else { 0.0 };
    let off = |level: f64| {
        let [low, high] = [level - within, level + within].map(|level| quantile(&found, level));
        let own = quantile(&own, level);
        (own - own.clamp(low, high)).abs() / width
    };
    QUANTILES.map(off).into_iter().fold(0.0, f64::max)
}

#[test]
fn quantiles_of_every_column_come_back() {
    let long = std::env::var_os("STRAIT_QUANTILES").is_some();
    // What is measured besides samples is the same for all data.
    let few = ["phase.0.iterations=250", "evaluate.dynamics.steps=4", "evaluate.likelihood={ steps = 4, points = 64 }"];
    let few = few.map(|set| ["--set", set]);
    let sets: &[&str] = if long { &[] } else { few.as_flattened() };
    let allowed = if long { 0.05 } else { 0.1 };
    let mut missed = vec![];
    for case in &CASES {
        let place = Place::new();
        let (data, other) = (rows(case, 1), rows(case, 2));
        ndarray_npy::write_npy(place.path("own.npy"), &data).unwrap();
        let less = ["--set", "evaluate.baseline=false", "--set", "evaluate.samples=500", "--name", "a"];
        let output = place.run(&[&["train", "own.npy"][..], &less, sets].concat());
        assert!(output.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&output.stderr));
        let output = place.run(&["sample", "a", "--count", &ROWS.to_string(), "--out", "x.npz"]);
        assert!(output.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&output.stderr));
        let mut npz = ndarray_npy::NpzReader::new(File::open(place.path("x.npz")).unwrap()).unwrap();
        let samples: Array2<f64> = npz.by_name("samples.npy").unwrap();
        for column in 0..case.columns {
            let value = case.value;
            let whole = (0..50).all(|i| value(column, f64::from(i) / 7.0, f64::from(i) / 50.0).fract() == 0.0);
            let [found, floor] = [&samples, &other].map(|rows| error(rows, &data, column, whole));
            println!("{:<36} column {column}: {found:.4}, floor {floor:.4}", case.name);
            assert!(
                !whole || samples.column(column).iter().all(|x| x.fract() == 0.0),
                "{}, column {column}",
                case.name
            );
            if found > floor + allowed {
                missed.push(format!("{}, column {column}: {found} above {floor} and {allowed}", case.name));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Whole numbers, bytes and truth values are trained on, and samples are written in their type.
#[test]
fn samples_have_the_type_of_the_file() {
    let place = Place::new();
    let mut numbers = Numbers(3);
    let values: Vec<u64> = (0..400).map(|_| numbers.next() % 5).collect();
    for kind in ["|b1", "|u1", "<i2", "<i4", "<i8", "<f4", "<f8"] {
        let width: usize = kind[2..].parse().unwrap();
        let bytes = values.iter().flat_map(|&value| {
            let value = if kind == "|b1" { value % 2 } else { value };
            match kind {
                "<f4" => (value as f32).to_le_bytes().to_vec(),
                "<f8" => (value as f64).to_le_bytes().to_vec(),
                _ => value.to_le_bytes()[..width].to_vec(),
            }
        });
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (200, 2), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        let file = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &bytes.collect::<Vec<_>>()].concat();
        fs::write(place.path("own.npy"), file).unwrap();
        let short = [
            "phase.0.iterations=8",
            "evaluate.baseline=false",
            "evaluate.nfe=[1]",
            "evaluate.dynamics.steps=4",
            "evaluate.likelihood={ steps = 4, points = 64 }",
        ];
        let short = short.map(|set| ["--set", set]);
        let name = format!("of-{}", kind.trim_start_matches(['|', '<']));
        let output = place.run(&[&["train", "own.npy", "--name", &name][..], short.as_flattened()].concat());
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let output = place.run(&["sample", &name, "--count", "20", "--out", "x.npz"]);
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let mut archive = zip::ZipArchive::new(File::open(place.path("x.npz")).unwrap()).unwrap();
        let mut bytes = vec![];
        std::io::copy(&mut archive.by_name("samples.npy").unwrap(), &mut bytes).unwrap();
        let said = String::from_utf8_lossy(&bytes[..80]).into_owned();
        assert!(said.contains(kind), "{kind}: {said}");
    }
}
