//! Early refusal: a run that cannot work is refused before it begins, and leaves no files.

use crate::common::{Place, TINY, json};
use ndarray::Array2;
use std::fs::File;

/// An archive of two arrays (rows, 2), whose rows are sorted.
fn own_data(place: &Place, train: usize, test: usize) {
    let array = |rows: usize| {
        Array2::<f32>::from_shape_fn((rows, 2), |(i, j)| i as f32 / rows as f32 + (i * 7 + j) as f32 % 3.0)
    };
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path("own.npz")).unwrap());
    npz.add_array("train", &array(train)).unwrap();
    npz.add_array("test", &array(test)).unwrap();
    npz.finish().unwrap();
    let text = TINY.replacen("name = \"8gaussians\"\nsd = 0.5", "file = \"own.npz\"", 1);
    place.write("own.toml", text.replace("batch = 64", "batch = 16"));
}

#[test]
fn what_would_stop_a_later_phase_is_refused_before_the_first() {
    let place = Place::new();
    let moons = "[source]\nname = \"moons\"\nnoise = 0.05\nscale = 2.0\nshift = [-1.0, 0.0]\n\n[velocity]";
    place.write("moons.toml", TINY.replacen("[velocity]", moons, 1));
    let linear = TINY.replacen(
        "family = \"affine\"\nhidden = [8]\nmixing = \"triangular\"\nlog_scale_bound = 10.0",
        "family = \"linear\"",
        1,
    );
    let (before, path) = linear.split_once("[[phase.level]]\nlevel = \"interpolant\"").unwrap();
    let after = path.split_once("[[phase]]").unwrap().1;
    let fixed = format!("{before}[[phase]]{after}");
    place.write("fixed.toml", fixed.replace("fresh = [\"velocity\"]", "fresh = [\"interpolant\"]"));
    own_data(&place, 50, 1);
    let straight = |batch: i64| {
        let text =
            "objective = { name = \"straightness\", candidates = 16, times = 4, until = 0.9, floor = 1.5 }\nbatch = ";
        TINY.replacen(
            "objective = { name = \"energy\", acceleration = 2e-3 }\nbatch = 64",
            &format!("{text}{batch}"),
            1,
        )
    };
    place.write("few.toml", straight(16));
    place.write("odd.toml", straight(23));
    place.write(
        "bent.toml",
        straight(24).replacen(
            "family = \"affine\"\nhidden = [8]\nmixing = \"triangular\"\nlog_scale_bound = 10.0",
            "family = \"residual\"\nhidden = [8]\nbase = { family = \"linear\" }",
            1,
        ),
    );
    let marginal = "phase.2.level.0.objective.name=\"marginal_flow_matching\"";
    let flow = "velocity.flow={ steps = 1, transform = \"affine\" }";
    let cases: &[(&str, &[&str], i32, &[&str])] = &[
        ("tiny.toml", &["data.points=40"], 2, &["64", "40"]),
        ("tiny.toml", &["phase.2.fresh=[\"transport\"]"], 2, &["phase.2.fresh", "start from data"]),
        ("fixed.toml", &[], 2, &["names the interpolant"]),
        ("few.toml", &[], 2, &["phase.1.level.1.batch = 16", "16 candidates and a multiple of 4 points"]),
        ("odd.toml", &[], 2, &["phase.1.level.1.batch = 23"]),
        ("bent.toml", &[], 2, &["phase.1.level.1.objective", "invertible"]),
        ("tiny.toml", &[marginal, "phase.2.level.0.noise=0.1"], 2, &["phase.2.level.0.noise = 0.1"]),
        ("moons.toml", &["velocity.gaussian=true", "phase=[]", "interpolant={ family = \"linear\" }"], 2, &["source"]),
        ("moons.toml", &[flow], 2, &["source"]),
        ("tiny.toml", &["phase.0.level.0.times={ law = \"power\", power = -1.0 }"], 2, &["phase.0.level.0.times"]),
        ("tiny.toml", &["phase.1.level.1.objective.acceleration=-1"], 2, &["phase.1.level.1.objective.acceleration"]),
        ("tiny.toml", &["evaluate.nfe=[]"], 2, &["evaluate.nfe"]),
        (
            "tiny.toml",
            &["coupling={ name = \"ot\", batch = 8 }"],
            2,
            &["--set coupling", "unknown key `batch`; `ot` takes"],
        ),
        ("tiny.toml", &["source={ name = \"normal\", nois = 1 }"], 2, &["unknown key `nois`"]),
        ("tiny.toml", &["seed=9223372036854775808"], 2, &["seed", "a whole number", "9223372036854775807"]),
        ("tiny.toml", &["phase.0.level.0.rate=1e300"], 2, &["rate = 1e300 must be"]),
        ("own.toml", &[], 2, &["own.npz", "at least 2 test points"]),
        (
            "tiny.toml",
            &["data={ name = \"gaussian\", dimension = 9 }", "evaluate.samples=23171"],
            2,
            &["evaluate.samples = 23171 must be at most 23170", "9 coordinates"],
        ),
        (
            "tiny.toml",
            &["evaluate.exact_field.candidates=1000000000"],
            2,
            &["exact_field.candidates = 1000000000", "memory"],
        ),
        (
            "tiny.toml",
            &["evaluate.exact_field.sampled_candidates=600000000"],
            2,
            &["evaluate.exact_field.sampled_candidates = 600000000 must be at most 536870912", "2 coordinates"],
        ),
        (
            "tiny.toml",
            &["data.points=1000000000"],
            2,
            &["data.points = 1000000000 must be at most 536870912", "memory"],
        ),
        (
            "tiny.toml",
            &["coupling={ name = \"semidiscrete\", points = 999999999, tolerance = 0.05 }"],
            2,
            &["coupling.points = 999999999", "memory"],
        ),
    ];
    for (config, sets, code, words) in cases {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["train", config].into_iter().chain(sets).collect();
        let (line, found) = place.refusal(&arguments);
        assert!(found == *code && words.iter().all(|word| line.contains(word)), "{arguments:?}: {line}");
        assert!(!place.path("runs").exists(), "{arguments:?} left something behind");
    }
    for arguments in [["--seeds", "0"], ["--rounds", "0"], ["--name", "../x"], ["--name", ""]] {
        let output = place.run(&[&["compare", "tiny.toml", "--methods", "linear"], &arguments[..]].concat());
        assert!(!output.status.success() && !place.path("runs").exists(), "{arguments:?}");
    }
}

/// Axes in another order than was said are named with the order that is there, and channels last in a network of images with the
/// key that turns them.
#[test]
fn an_image_whose_axes_are_swapped_is_refused_with_what_is_there() {
    let place = Place::new();
    for (name, shape) in [("last", [30, 8, 8, 3]), ("middle", [30, 8, 3, 8]), ("first", [30, 3, 8, 4])] {
        let x = ndarray::Array::from_shape_fn(shape, |(i, j, k, l)| ((i * 7 + j * 5 + k * 3 + l) % 11) as f32);
        ndarray_npy::write_npy(place.path(&format!("{name}.npy")), &x).unwrap();
    }
    place.write("own.toml", TINY.replacen("name = \"8gaussians\"\nsd = 0.5", "file = \"last.npy\"", 1));
    let unet = "velocity={ family = 'unet', stem = 1, channels = 8, multipliers = [1], blocks = 1, embedding = 8 }";
    let transformer = "velocity={ family = 'transformer', patch = 1, width = 8, depth = 1, heads = 1, embedding = 8 }";
    for (file, set, words) in [
        (
            "middle",
            "data.image=[3, 8, 8]",
            "data.image = [3, 8, 8] must be in the order of a sample, which is [8, 3, 8]",
        ),
        (
            "first",
            "data.image=[3, 4, 8]",
            "data.image = [3, 4, 8] must be in the order of a sample, which is [3, 8, 4]",
        ),
        (
            "last",
            "data.image=[3, 8, 4]",
            "data.image = [3, 8, 4] must be of as many numbers as a sample, which is [8, 8, 3]",
        ),
        ("last", "data.image=[8, 8, 3]", "data.image = [8, 8, 3] must be 1 or 3 channels, then height and width"),
        ("last", unet, "data.image must be given, as [3, 8, 8]: samples of shape [8, 8, 3] have their channels last"),
        ("last", transformer, "data.image must be given, as [3, 8, 8]"),
    ] {
        let file = format!("data.file='{file}.npy'");
        let (line, code) = place.refusal(&["train", "own.toml", "--set", &file, "--set", set]);
        assert!(code == 2 && line.contains(words), "{file}, {set}: {line}");
        assert!(!place.path("runs").exists(), "{set} left something behind");
    }
}

/// The config that the docs show is one.
#[test]
fn the_config_of_the_docs_is_one() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/run.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let place = Place::new();
    place.write("docs.toml", rest.split_once("```").unwrap().0);
    let config = strait::config::load(place.path("docs.toml").to_str().unwrap(), &[]).unwrap();
    assert!(config.data.file.is_some() && config.phase.len() == 2);
}

/// Settings are read together: the law of a table and what goes with it may come one after the other.
#[test]
fn settings_make_together_what_none_makes_alone() {
    let place = Place::new();
    let law = ["--set", "phase.2.level.0.times.law=power"];
    let power = ["--set", "phase.2.level.0.times.power=2.0"];
    let alone = ["train", "tiny.toml", "--name", "a", "--set", "evaluate.baseline=false"];
    let arguments = [&alone[..], &law, &power].concat();
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read_to_string(place.path("runs/a/config.toml")).unwrap().contains("power = 2.0"));
    let (line, code) = place.refusal(&[&["train", "tiny.toml", "--set", "seed=1"], &law[..]].concat());
    assert!(line.contains("--set phase.2.level.0.times.law=power: missing field `power`") && code == 2, "{line}");
}

/// A split that is measured may be larger than the one that is trained on.
#[test]
fn few_training_points_are_measured_against_as_many() {
    let place = Place::new();
    own_data(&place, 50, 64);
    let output = place.run(&["train", "own.toml", "--name", "a", "--set", "evaluate.baseline=false"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = json(&place.path("runs/a/summary.json"));
    assert_eq!(summary["evaluations"][0]["samples"], 45, "{summary}");
}

#[test]
fn threads_are_as_many_as_are_asked_for() {
    let place = Place::new();
    let refused = place.run(&["train", "tiny.toml", "--threads", "0"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("--threads") && !place.path("runs").exists(), "{said}");
    let short = ["phase.0.iterations=2", "phase.1.iterations=2", "phase.2.iterations=2", "evaluate.baseline=false"];
    let sets = short.iter().flat_map(|set| ["--set", set]);
    let words = ["train", "tiny.toml", "--name", "two", "--threads", "2"];
    let mut command = place.command(&words.into_iter().chain(sets).collect::<Vec<_>>());
    let output = command.env("RUST_LOG", "info").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| line.contains("seed")).unwrap_or_default();
    assert!(output.status.success() && first.contains("on cpu, 2 threads, seed"), "{said}");
    assert_eq!(json(&place.path("runs/two/summary.json"))["threads"], 2);
}
