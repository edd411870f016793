//! `report`: finished runs on one page, of what their folders hold.

#[path = "../../strait-report/tests/probe/mod.rs"]
pub(crate) mod probe;

use crate::common::{Place, json};
use std::collections::BTreeSet;
use std::fs;

/// A run under a name, with another rate of its last phase, which nothing is left of that could be sampled.
fn run(place: &Place, name: &str, rate: &str) {
    let rate = format!("phase.2.level.0.rate={rate}");
    let output = place.run(&["train", "tiny.toml", "--name", name, "--set", &rate, "--set", "evaluate.baseline=false"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_dir_all(place.path(&format!("runs/{name}/checkpoints"))).unwrap();
}

#[test]
fn runs_stand_side_by_side_on_a_page_that_a_browser_reads() {
    let place = Place::new();
    run(&place, "slow", "1e-5");
    run(&place, "fast", "4e-3");
    let output = place.run(&["report", "slow", "runs/fast"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(page.trim(), "runs/report-slow-fast/index.html");
    let folder = place.path("runs/report-slow-fast");
    let html = fs::read_to_string(folder.join("index.html")).unwrap();
    let text = html.replace("<td class=\"text\">", "|").replace("</td>", "");
    for words in [
        "<h1>slow beside fast</h1>",
        "<h2>What differs</h2>",
        "|0.00001|0.004",
        "W2 by number of evaluations",
        "64 samples against 64 test points of 8gaussians",
        "Losses",
        "cargo xtask report slow runs/fast",
    ] {
        assert!(text.contains(words), "no `{words}` in\n{:.900}", text.split_once("<h1>").unwrap().1);
    }
    assert_eq!(text.matches("phase.2.level.0.rate").count(), 1);
    assert!(!text.contains("phase.0.level.0.rate") && !text.contains("not comparable"));
    // The numbers of the samples are those of the summaries.
    let svg = fs::read_to_string(folder.join("samples.svg")).unwrap();
    for name in ["slow", "fast"] {
        let summary = json(&place.path(&format!("runs/{name}/summary.json")));
        let found = summary["evaluations"].as_array().unwrap().iter().filter(|found| found["metric"] == "w2");
        let values: Vec<f64> = found.map(|found| found["value"].as_f64().unwrap()).collect();
        assert_eq!(values.len(), 2);
        for value in values {
            let note = format!("W2 {}", strait_report::significant(value));
            assert!(svg.contains(&note), "{name}: no {note}");
        }
    }
    // Each run has its colour, and its own samples at each count.
    let colour = |name: &str| {
        let label = svg.lines().find(|line| line.ends_with(&format!(">{name}</text>"))).unwrap();
        label.split_once("fill=\"").unwrap().1.split('"').next().unwrap().to_owned()
    };
    let [slow, fast] = ["slow", "fast"].map(colour);
    let pictures: BTreeSet<&str> = svg.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(pictures.len() >= 5, "{}", pictures.len());
    assert_ne!(slow, fast);
    for file in ["quality.png", "losses.svg", "samples-1-evaluation.svg", "samples-4-evaluations.png"] {
        assert!(folder.join(file).is_file(), "no {file}");
    }
    if let Some(browser) = probe::browser() {
        let found = probe::looked_at(browser, &folder, false).unwrap();
        let whole =
            ["360 light", "1280 light", "without scripts"].map(|screen| format!("{screen}: 1 sliders, 2 settings"));
        assert_eq!(found, whole);
    }
}

#[test]
fn runs_that_cannot_stand_side_by_side_are_refused_in_one_line() {
    let place = Place::new();
    run(&place, "a", "4e-3");
    let copy = |to: &str| {
        fs::create_dir_all(place.path(to).join("report")).unwrap();
        for file in ["config.toml", "summary.json", "metrics.jsonl", "report/samples.safetensors"] {
            fs::copy(place.path("runs/a").join(file), place.path(to).join(file)).unwrap();
        }
    };
    copy("runs/b");
    copy("runs/solid");
    copy("runs/unmeasured");
    fs::remove_file(place.path("runs/unmeasured/summary.json")).unwrap();
    let mut summary = json(&place.path("runs/a/summary.json"));
    assert_eq!(summary["event"], serde_json::json!([2]));
    summary["event"] = serde_json::json!([3]);
    place.write("runs/solid/summary.json", summary.to_string());
    fs::create_dir(place.path("folder")).unwrap();
    for (words, said, code) in [
        (&["a"][..], "strait: a: name one run more to put beside it; its own report is runs/a/report/index.html", 2),
        (&["a", "nothing"], "strait: run runs/nothing: there is no such run; there are: a, b, solid, unmeasured", 2),
        (&["folder", "a"], "strait: run runs/folder: there is no such run; there are: a, b, solid, unmeasured", 2),
        (&["a", "./runs/a"], "strait: ./runs/a: it is named twice", 2),
        (&["a", "solid"], "its points have shape [3], and those of a [2]; name runs on data of one shape", 2),
        (&["a", "unmeasured"], "it is not measured yet; `cargo xtask evaluate runs/unmeasured` does that", 2),
        (&["a", "b", "--name", "a"], "strait: --name a: a run is there; choose another name", 2),
        (&["a", "a", "a", "a", "a", "a", "b"], "at most 6 runs stand on one page", 2),
    ] {
        let (line, found) = place.refusal(&[&["report"][..], words].concat());
        assert!(line.contains(said) && found == code, "{words:?}: {found} {line}");
    }
    assert!(fs::read_dir(place.path("runs")).unwrap().count() == 4, "a refusal leaves something behind");
    // Runs of other data, and one whose report kept no samples, are shown with what must be known of them.
    summary["event"] = serde_json::json!([2]);
    summary["dataset"] = "moons".into();
    summary["warnings"] = serde_json::json!(["a word of its own"]);
    place.write("runs/solid/summary.json", summary.to_string());
    fs::remove_file(place.path("runs/b/report/samples.safetensors")).unwrap();
    let mut fewer = json(&place.path("runs/b/summary.json"));
    for found in fewer["evaluations"].as_array_mut().unwrap() {
        found["reference"] = "32 test points of 8gaussians".into();
        found["floor"] = 0.0625.into();
    }
    place.write("runs/b/summary.json", fewer.to_string());
    let output = place.run(&["report", "a", "b", "solid", "--name", "three"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let html = fs::read_to_string(place.path("runs/three/index.html")).unwrap();
    assert!(html.contains("The runs differ in their data, and their numbers are not comparable: a 8gaussians"));
    assert!(html.contains("The report of b is of a version that kept no samples") && html.contains("data of a"));
    assert!(html.contains("solid: a word of its own") && !html.contains("a: a word of its own"));
    let output = place.run(&["report", "a", "b"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let html = fs::read_to_string(place.path("runs/report-a-b/index.html")).unwrap();
    let said = "The runs differ in what they are compared with, and their numbers are not comparable: a 64 samples against 64 test";
    assert!(html.contains(said) && html.contains("b 64 samples against 32 test points of 8gaussians"));
    // Whose floor a line is, its colour says.
    let svg = fs::read_to_string(place.path("runs/report-a-b/quality.svg")).unwrap();
    let dotted = svg.split('<').filter(|element| element.contains("stroke-dasharray=\"2 4\""));
    let inks = dotted.filter_map(|line| Some(line.split_once("stroke=\"")?.1.split('"').next()?.to_owned()));
    let inks: BTreeSet<String> = inks.collect();
    assert!(["sampling floor, a", "sampling floor, b"].iter().all(|name| svg.contains(name)));
    let of_a_marker = |ink: &String| svg.contains(&format!("fill=\"{ink}\""));
    assert!(inks.len() == 2 && inks.iter().all(of_a_marker), "{inks:?}");
}
