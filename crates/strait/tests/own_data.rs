//! A user's own data without any settings: a file in place of a preset is trained, sampled and compared.

use crate::common::{Place, json};
use ndarray::Array2;
use std::fs::{self, File};

/// Two columns, the second of 100 times the scale.
fn save(place: &Place, name: &str) {
    let array =
        Array2::<f64>::from_shape_fn((120, 2), |(i, j)| (((i * 7 + j * 5) % 19) as f64) * 100f64.powi(j as i32));
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path(name)).unwrap());
    npz.add_array("data", &array).unwrap();
    npz.finish().unwrap();
}

const SHORT: [&str; 10] = [
    "--set",
    "phase.0.iterations=8",
    "--set",
    "velocity.hidden=[8]",
    "--set",
    "evaluate.nfe=[1,2]",
    "--set",
    "evaluate.dynamics.steps=4",
    "--set",
    "evaluate.likelihood={ steps = 4, points = 64 }",
];

#[test]
fn a_file_alone_is_trained_by_the_default_for_it() {
    let place = Place::new();
    save(&place, "own.npz");
    for (arguments, run) in [(&["train", "own.npz"][..], "own-1"), (&["train", "--data", "own.npz"], "own-2")] {
        let output = place.run(&[arguments, &SHORT].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let config = fs::read_to_string(place.path("runs").join(run).join("config.toml")).unwrap();
        for said in ["map = true", "units = \"column\"", "name = \"pool\"", "batch = 84", "name = \"mean_flow\""] {
            assert!(config.contains(said), "no {said}: {config}");
        }
        let summary = json(&place.path("runs").join(run).join("summary.json"));
        assert_eq!(summary["method"], "flow_map");
        assert!(place.path("runs").join(run).join("solvers.json").is_file());
    }
    let output = place.run(&["sample", "own-1", "--nfe", "1", "--count", "10", "--out", "x.npz"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let compare = ["compare", "own.npz", "--name", "c"];
    let output = place.run(&[&compare[..], &SHORT].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = json(&place.path("runs/c/comparison.json"))["rows"].clone();
    for method in ["linear", "ot", "preset"] {
        let own = |row: &&serde_json::Value| row["method"] == method && row["metric"] == "w2" && row["field"] == "own";
        let rows: Vec<_> = rows.as_array().unwrap().iter().filter(own).collect();
        let euler = method == "preset" || rows.iter().all(|row| row["solver"] == "euler");
        assert!(rows.len() == 2 && euler, "{method}: {rows:?}");
    }
}

/// Coins have no density, whatever the type of their numbers, and a flow that learns them has a likelihood without end;
/// dequantised, they have at least the bit that they are.
#[test]
fn no_likelihood_is_given_of_data_without_a_density() {
    let place = Place::new();
    let coins = Array2::<f64>::from_shape_fn((120, 2), |(i, j)| f64::from(u8::from((i * 7 + j * 5) % 19 < 9)));
    ndarray_npy::write_npy(place.path("coins.npy"), &coins).unwrap();
    let small = ["--set", "evaluate.baseline=false"];
    for (name, dequantise) in [("a", "false"), ("b", "true")] {
        let set = format!("data.dequantise={dequantise}");
        let words = [&["train", "coins.npy", "--name", name, "--set", &set][..], &SHORT, &small].concat();
        let output = place.run(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let likelihood = json(&place.path(&format!("runs/{name}/summary.json")))["likelihood"].clone();
        assert_eq!(likelihood.is_null(), dequantise == "false", "{likelihood}");
        if dequantise == "true" {
            assert!(likelihood["bits_per_dimension"].as_f64().unwrap() >= 1.0, "{likelihood}");
        }
    }
}

#[test]
fn data_beside_a_name_stand_in_the_place_of_its_data() {
    let place = Place::new();
    save(&place, "own.npz");
    let sets = ["--set", "phase.0.level.0.batch=16", "--set", "phase.1.level.0.batch=16"];
    let more =
        ["--set", "phase.1.level.1.batch=16", "--set", "phase.2.level.0.batch=16", "--set", "evaluate.baseline=false"];
    let output = place.run(&[&["train", "tiny.toml", "--data", "own.npz", "--name", "a"][..], &sets, &more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json(&place.path("runs/a/summary.json"))["method"], "learned");
    for (arguments, said) in [
        (&["train", "own.npz", "--data", "own.npz"][..], "--data"),
        (&["train", "--data", "none.npz"], "none.npz"),
        (&["compare", "tiny.toml", "--methods", "mean_flow"], "no second time"),
    ] {
        let (line, code) = place.refusal(arguments);
        assert!(line.contains(said) && code != 0, "{line}");
    }
}

/// The map to the Gaussian of the training data is that of all of them, and data in units of their own have mean 0.
#[test]
fn a_gaussian_map_is_fitted_to_all_training_points() {
    let place = Place::new();
    let array = Array2::<f64>::from_shape_fn((6000, 2), |(i, j)| {
        ((i * 7919 + j * 104_729) % 1013) as f64 + if i % 97 < 5 { 3e3 } else { 0.0 }
    });
    ndarray_npy::write_npy(place.path("own.npy"), &array).unwrap();
    let map =
        ["--set", "interpolant={ family = 'transport', map = { kind = 'gaussian' } }", "--set", "data.units='unit'"];
    let pairs = ["--set", "coupling.name=ot", "--set", "evaluate.baseline=false", "--set", "evaluate.samples=50"];
    let output = place.run(&[&["train", "own.npy", "--name", "a"][..], &SHORT, &map, &pairs].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let parameters = strait_io::tensors::read(&place.path("runs/a/checkpoints/step-8/transport.safetensors")).unwrap();
    let (_, shift) = parameters.iter().find(|(name, _)| name == "shift").unwrap();
    assert!(shift.abs().max().double_value(&[]) < 1e-5, "{shift}");
}
