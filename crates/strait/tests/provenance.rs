//! Provenance: a run with changed settings or data is refused, and an unfinished training is reported as such.

use crate::common::{Place, TINY, json};
use ndarray::Array2;
use std::fs::{self, File};
use std::path::Path;

fn newest(run: &Path) -> std::path::PathBuf {
    strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0)
}

fn save(path: &Path, scale: f32) {
    let array = Array2::<f32>::from_shape_fn((200, 2), |(i, j)| scale * ((i * 7 + j * 3) % 19) as f32);
    let mut npz = ndarray_npy::NpzWriter::new(File::create(path).unwrap());
    npz.add_array("data", &array).unwrap();
    npz.finish().unwrap();
}

/// Half a training is never set against a whole one, and never goes without saying.
#[test]
fn what_is_measured_of_half_a_training_says_so() {
    let place = Place::new();
    place.train("a");
    let run = place.path("runs/a");
    let evaluated = || {
        let output = place.run(&["evaluate", "a"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        json(&run.join("summary.json"))
    };
    assert!(!evaluated()["baseline"].is_null());
    fs::remove_dir_all(newest(&run.join("baseline"))).unwrap();
    let summary = evaluated();
    assert!(summary["baseline"].is_null(), "{summary}");
    // Killed before its first checkpoint was whole.
    for checkpoint in strait_optim::checkpoint::list(&run.join("baseline/checkpoints")).unwrap() {
        fs::remove_dir_all(checkpoint).unwrap();
    }
    let summary = evaluated();
    let stands = |summary: &serde_json::Value| summary["warnings"].to_string().contains("stands at iteration");
    assert!(!stands(&summary), "{summary}");
    fs::remove_dir_all(newest(&run)).unwrap();
    let summary = evaluated();
    let first = summary["warnings"][0].as_str().unwrap();
    assert!(first.contains("iteration 130 of 140"), "{first}");
    assert!(fs::read_to_string(run.join("report/index.html")).unwrap().contains(first));
}

/// How a run is measured does not change the run: its moving average is chosen as its config says.
#[test]
fn settings_of_evaluate_do_not_change_the_chosen_average() {
    let place = Place::new();
    place.train_alone("a");
    let averages = place.path("runs/a/averages.json");
    let chosen = fs::read(&averages).unwrap();
    fs::remove_file(&averages).unwrap();
    let output = place.run(&["evaluate", "a", "--nfe", "3", "--samples", "16", "--solver", "euler"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(chosen), String::from_utf8(fs::read(&averages).unwrap()));
}

#[test]
fn a_training_does_not_go_on_with_other_settings() {
    let place = Place::new();
    place.train_alone("a");
    let path = place.path("runs/a/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let (before, last) = config.rsplit_once("iterations = 60").unwrap();
    fs::write(&path, format!("{before}iterations = 90{last}")).unwrap();
    for arguments in [&["train", "--resume", "a"][..], &["sample", "a"], &["evaluate", "a"]] {
        let (line, code) = place.refusal(arguments);
        assert!(line.contains("runs/a") && line.contains("other settings (`phase`)") && code == 2, "{line}");
    }
    // Where nothing is there to go on from, it begins with what the config says now.
    fs::write(&path, &config).unwrap();
    fs::remove_dir_all(place.path("runs/a/checkpoints")).unwrap();
    fs::write(&path, config.replacen("rate = 0.004", "rate = 0.002", 1)).unwrap();
    let output = place.run(&["train", "--resume", "a"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(config.contains("rate = 0.004"));
    let config = fs::read_to_string(&path).unwrap();
    // What is measured and logged is no such setting.
    fs::write(&path, config.replace("nfe = [1, 4]", "nfe = [2]").replacen("every = 5", "every = 7", 1)).unwrap();
    let output = place.run(&["train", "--resume", "a"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json(&place.path("runs/a/summary.json"))["evaluations"][0]["nfe"], 2);
}

#[test]
fn a_training_does_not_go_on_with_other_data() {
    let place = Place::new();
    let text = TINY.replacen("name = \"8gaussians\"\nsd = 0.5", "file = \"own.npz\"", 1);
    place.write("own.toml", text.replace("batch = 64", "batch = 16"));
    save(&place.path("own.npz"), 1.0);
    let compare = ["compare", "own.toml", "--methods", "linear,gaussian_fit", "--name", "c"];
    for arguments in [&["train", "own.toml", "--name", "a", "--set", "evaluate.baseline=false"][..], &compare] {
        let output = place.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    save(&place.path("own.npz"), 2.0);
    for arguments in [&["train", "--resume", "a"][..], &["sample", "a"], &["evaluate", "a"], &compare] {
        let (line, code) = place.refusal(arguments);
        assert!(line.contains("own.npz") && line.contains("SHA-256") && code == 2, "{line}");
    }
    let path = place.path("runs/a/config.toml");
    let own = fs::read_to_string(&path).unwrap();
    fs::write(&path, own.replace("file = \"own.npz\"", "name = \"moons\"")).unwrap();
    let (line, code) = place.refusal(&["sample", "a"]);
    assert!(line.contains("other settings (`data`)") && code == 2, "{line}");
    fs::write(&path, own).unwrap();
    // The same data elsewhere are the same data.
    save(&place.path("moved.npz"), 1.0);
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("own.npz", "moved.npz")).unwrap();
    let output = place.run(&["sample", "a", "--count", "5"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
