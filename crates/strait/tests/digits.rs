//! The feature classifier of digits, on a synthetic file in the real format.

use crate::common::{Place, TINY, json};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write as _;
use std::sync::OnceLock;

/// 1,797 images in ten classes: each has 24 bright pixels of its own, and noise.
fn images() -> Vec<u8> {
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let bright: Vec<Vec<u64>> = (0..10).map(|_| (0..24).map(|_| next(64)).collect()).collect();
    let mut text = String::new();
    for row in 0..1797 {
        let class = row % 10;
        for pixel in 0..64 {
            let level = if bright[class].contains(&pixel) { 9 + next(8) } else { next(6) };
            text.push_str(&format!("{level},"));
        }
        text.push_str(&format!("{class}\n"));
    }
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What `features` says, and the files that it leaves: it is run once for all tests.
struct Fitted {
    said: String,
    files: [(&'static str, Vec<u8>); 2],
}

fn fitted() -> &'static Fitted {
    static FITTED: OnceLock<Fitted> = OnceLock::new();
    FITTED.get_or_init(|| {
        let place = place();
        let output = place.run(&["features", "digits"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = ["data/digits/classifier.safetensors", "data/digits/classifier.json"]
            .map(|name| (name, fs::read(place.path(name)).unwrap()));
        Fitted { said: String::from_utf8_lossy(&output.stdout).into_owned(), files }
    })
}

/// A place where the classifier has been fitted.
fn place_of_features() -> Place {
    let place = place();
    for (name, bytes) in &fitted().files {
        place.write(name, bytes);
    }
    place
}

fn place() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("data/digits")).unwrap();
    place.write("data/digits/digits.csv.gz", images());
    let digits =
        TINY.replace("name = \"8gaussians\"\nsd = 0.5", "name = \"digits\"").replace("\"triangular\"", "\"diagonal\"");
    assert!(digits.contains("digits") && digits.contains("diagonal"));
    place.write("digits.toml", digits.replace("samples = 64", "samples = 300"));
    place
}

#[test]
fn the_classifier_is_fitted_once_and_found_again() {
    let (place, said) = (place_of_features(), &fitted().said);
    let weights = place.path("data/digits/classifier.safetensors");
    let record = json(&place.path("data/digits/classifier.json"));
    let accuracy = record["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.95 && said.contains(&format!("test accuracy {accuracy:.3}")), "{said}");
    assert!(said.trim_end().ends_with("data/digits/classifier.safetensors"), "{said}");
    let sha256 = record["sha256"].as_str().unwrap().to_owned();
    let bytes = fs::read(&weights).unwrap();

    // A run takes it as it lies there, and fits it again where it is not whole.
    let train = |name: &str| {
        let output = place.run(&["train", "digits.toml", "--name", name]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        json(&place.path(&format!("runs/{name}/summary.json")))
    };
    let modified = || fs::metadata(&weights).unwrap().modified().unwrap();
    let before = modified();
    let summary = train("a");
    assert_eq!(before, modified());
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let again = train("b");
    assert!(bytes == fs::read(&weights).unwrap(), "another fit has other weights");
    assert_eq!(summary["evaluations"], again["evaluations"]);

    let evaluations = summary["evaluations"].as_array().unwrap();
    let at = |metric: &str| evaluations.iter().find(|e| e["metric"] == metric && e["nfe"] == 4).unwrap().clone();
    for metric in [
        "frechet_classifier",
        "energy_distance_classifier",
        "density_classifier",
        "coverage_classifier",
        "nearest_train",
    ] {
        let found = at(metric);
        // One by one as many as there are test images.
        assert_eq!(found["samples"], if metric == "nearest_train" { 250 } else { 300 }, "{found}");
        assert!(found["reference"].as_str().unwrap().contains(&sha256[..8]), "{found}");
        assert!(found["value"].as_f64().unwrap() >= 0.0 && found["floor"].as_f64().unwrap() > 0.0, "{found}");
    }
    assert_eq!(at("w2")["samples"], 250);
    // An hour of training this is not: real images are nearer by far, and cover the test images.
    for metric in ["frechet_classifier", "energy_distance_classifier"] {
        let (value, floor) = (at(metric)["value"].as_f64().unwrap(), at(metric)["floor"].as_f64().unwrap());
        assert!(value > 10.0 * floor, "{metric}: {value}, floor {floor}");
    }
    assert!(at("coverage_classifier")["floor"].as_f64().unwrap() > 0.9);
    let page = fs::read_to_string(place.path("runs/a/report/index.html")).unwrap();
    assert!(page.contains("Frechet distance in classifier features") && page.contains("training images are"));
}

#[test]
fn a_gaussian_fitted_to_the_pixels_is_a_row_like_any_other() {
    let place = place_of_features();
    let output = place.run(&["compare", "digits.toml", "--methods", "linear,gaussian_fit", "--name", "c"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let comparison = json(&place.path("runs/c/comparison.json"));
    let rows = comparison["rows"].as_array().unwrap();
    let value = |method: &str, metric: &str, nfe: u64| {
        let here = |row: &&serde_json::Value| row["method"] == method && row["metric"] == metric && row["nfe"] == nfe;
        rows.iter().find(here).unwrap_or_else(|| panic!("{method} {metric} {nfe}"))["value"].as_f64().unwrap()
    };
    // Straight and exact: the same samples at every count, but for rounding.
    for metric in ["w2", "frechet_classifier", "energy_distance_classifier"] {
        let (one, four) = (value("gaussian_fit", metric, 1), value("gaussian_fit", metric, 4));
        assert!((one - four).abs() < 1e-3 * one, "{metric}: {one} at 1, {four} at 4");
        assert!(one < value("linear", metric, 1), "{metric}: {one}");
    }
    assert!(value("gaussian_fit", "straightness", 20).abs() < 1e-3);
    assert!(rows.iter().filter(|row| row["method"] == "gaussian_fit").all(|row| row["steps"] == 0));
    let table = fs::read_to_string(place.path("runs/c/comparison.md")).unwrap();
    assert!(
        table.contains("100 x energy distance in classifier features at 4") && table.contains("| real points |"),
        "{table}"
    );

    // It is a run: it can be sampled, measured, trained by its config alone, and it is refused beside a phase.
    let output = place.run(&["sample", "runs/c/gaussian_fit-3", "--nfe", "1", "--count", "10", "--out", "x.png"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = fs::read_to_string(place.path("runs/c/gaussian_fit-3/config.toml")).unwrap();
    place.write("gaussian.toml", &config);
    let output = place.run(&["train", "gaussian.toml", "--name", "g"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json(&place.path("runs/g/summary.json"))["method"], "gaussian_fit");
    place.write("both.toml", TINY.replace("hidden = [16, 16]", "hidden = [16, 16]\ngaussian = true"));
    let (line, code) = place.refusal(&["train", "both.toml"]);
    assert!(line.contains("phase = 3") && line.contains("`gaussian`") && code == 2, "{line}");
}
