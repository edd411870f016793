//! Stress tests: a larger velocity and the exact field on the paths of finished trainings.

use crate::common::{Place, TINY, json};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

fn newest(run: &Path) -> PathBuf {
    strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0)
}

fn tensors(run: &Path, level: &str) -> Vec<u8> {
    fs::read(newest(run).join(format!("{level}.safetensors"))).unwrap()
}

fn counts(evaluations: &Value) -> Vec<u64> {
    let w2 = |e: &&Value| e["metric"] == "w2";
    evaluations.as_array().unwrap().iter().filter(w2).map(|e| e["nfe"].as_u64().unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// With checkpoints as rare as so many iterations want them.
fn place(iterations: u64) -> Place {
    let place = Place::new();
    let tiny = TINY
        .replace("checkpoint = 10", "checkpoint = 100")
        .replace("iterations = 1000", &format!("iterations = {iterations}"));
    place.write("tiny.toml", tiny.replace("sampled_candidates = 256", "sampled_candidates = 2048"));
    place
}

#[test]
fn a_run_is_measured_by_a_larger_velocity_and_by_the_exact_field_on_its_own_path() {
    let place = place(4000);
    place.train("a");
    copy(&place.path("runs/a"), &place.path("runs/whole"));
    let run = place.path("runs/a");
    let arguments = ["evaluate", "a", "--stress", "--nfe", "1,2,16"];

    // Stopped on the way, it goes on to where it would have come.
    let child = place.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while fs::read_to_string(run.join("stress/metrics.jsonl")).map_or(0, |text| text.lines().count()) < 30 {
        assert!(begun.elapsed() < Duration::from_secs(120), "training did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(130) && text.contains("cargo xtask evaluate a --stress"), "{text}");
    for name in ["a", "whole"] {
        let output = place.run(&["evaluate", name, "--stress", "--nfe", "1,2,16"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("learned    stress") && said.contains("linear     exact"), "{said}");
    }
    let stress = run.join("stress");
    assert!(tensors(&stress, "velocity") == tensors(&place.path("runs/whole/stress"), "velocity"));
    // The path is the run's own, to the bit, and stays so.
    assert!(tensors(&stress, "interpolant") == tensors(&run, "interpolant"));

    let summary = json(&run.join("summary.json"));
    let own = &summary["stress"];
    assert_eq!((&own["hidden"], &own["steps"]), (&serde_json::json!([32, 32, 32]), &4000.into()));
    assert_eq!(own["gradient_steps"], 260 + 4000);
    assert_eq!(counts(&own["evaluations"]), [1, 2, 16]);
    assert_eq!(counts(&own["exact_field"]["evaluations"]), [1, 2]); // few steps only
    assert_eq!(own["exact_field"]["ess"]["candidates"], 2048);
    // A velocity that was trained for 4,000 iterations follows the paths' exact fields better than those of 60 do: over both paths
    // and counts, as few points tell one from another by chance.
    let (mut small, mut large) = (0.0, 0.0);
    for method in [&summary, &summary["baseline"]] {
        let found = method["stress"]["exact_field"]["ess"]["effective"].as_array().unwrap();
        assert!(found.iter().all(|n| (1.0..=2048.0).contains(&n.as_f64().unwrap())), "{found:?}");
        for nfe in [1, 2] {
            let w2 = |at: &Value| {
                let all = at.as_array().unwrap();
                all.iter().find(|e| e["metric"] == "w2" && e["nfe"] == nfe).unwrap()["value"].as_f64().unwrap()
            };
            let exact = w2(&method["stress"]["exact_field"]["evaluations"]);
            small += (w2(&method["evaluations"]) - exact).abs();
            large += (w2(&method["stress"]["evaluations"]) - exact).abs();
        }
    }
    assert!(large < small, "off the exact field: own {small}, larger {large}");

    let page = fs::read_to_string(run.join("report/index.html")).unwrap();
    assert!(page.contains("learned: larger velocity") && page.contains("linear: exact field"));

    // Again, at other counts: nothing is trained, and what was not asked for is not there.
    let before = tensors(&stress, "velocity");
    let output = place.run(&["evaluate", "a", "--stress", "--nfe", "4", "--solver", "heun"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(before == tensors(&stress, "velocity"));
    let again = &json(&run.join("summary.json"))["stress"];
    for (evaluations, solver) in [(&again["evaluations"], "heun"), (&again["exact_field"]["evaluations"], "euler")] {
        assert_eq!((counts(evaluations), &evaluations[0]["solver"]), (vec![4], &solver.into()));
    }
    assert!(place.run(&["evaluate", "a"]).status.success());
    assert!(json(&run.join("summary.json"))["stress"].is_null());

    // A training that is not finished has no path to judge yet.
    fs::remove_dir_all(run.join("checkpoints/step-140")).unwrap();
    let (line, code) = place.refusal(&["evaluate", "a", "--stress"]);
    assert!(
        line.contains("runs/a") && line.contains("not finished") && line.contains("--resume") && code == 2,
        "{line}"
    );
}

#[test]
fn methods_are_compared_under_stress_and_stand_beside_linear_as_ratios() {
    let place = place(1000);
    let compare = |more: &[&str]| {
        let arguments =
            [&["compare", "tiny.toml", "--name", "c", "--methods", "linear,likelihood,reflow"], more].concat();
        let output = place.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        json(&place.path("runs/c/comparison.json"))["rows"].as_array().unwrap().clone()
    };
    let plain = compare(&[]);
    assert!(plain.iter().all(|row| row["field"] == "own"));
    let rows = compare(&["--stress"]);
    let of = |field: &str, method: &str| -> Vec<&Value> {
        rows.iter().filter(|row| row["field"] == field && row["method"] == method && row["metric"] == "w2").collect()
    };
    let values = |rows: Vec<&Value>| -> Vec<f64> { rows.iter().map(|row| row["value"].as_f64().unwrap()).collect() };
    let own: Vec<&Value> = plain.iter().filter(|row| row["method"] == "reflow" && row["metric"] == "w2").collect();
    assert_eq!(values(own), values(of("own", "reflow"))); // what stood there stays
    assert_eq!([of("stress", "linear").len(), of("exact", "linear").len()], [2, 2]);
    // Rectified pairs are not independent; a flow of one step has no velocity to enlarge.
    assert_eq!(
        [of("stress", "reflow").len(), of("exact", "reflow").len(), of("stress", "likelihood").len()],
        [2, 0, 0]
    );
    assert!(of("stress", "reflow").iter().all(|row| row["steps"] == 260 + 1000));
    // The larger velocity learns from the pairs that are there: no teacher is trained for it.
    let run = place.path("runs/c/reflow-3");
    assert!(run.join("pairs").is_dir() && !run.join("stress/pairs").exists() && !run.join("stress/teacher").exists());

    let table = fs::read_to_string(place.path("runs/c/comparison.md")).unwrap();
    let (_, stress) = table.split_once("## With a larger velocity").unwrap();
    let (_, ratios) = stress.split_once("of linear's at 1").unwrap();
    let line = |method: &str| -> Vec<f64> {
        let line = ratios.lines().find(|line| line.starts_with(&format!("| {method} |"))).unwrap();
        line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect()
    };
    assert_eq!(line("linear"), [1.0, 1.0]);
    let (linear, reflow) = (values(of("stress", "linear")), values(of("stress", "reflow")));
    for (ratio, (a, b)) in line("reflow").into_iter().zip(reflow.into_iter().zip(linear)) {
        assert!((ratio - a / b).abs() < 1e-3, "{ratio} for {a} / {b}");
    }
    let header = fs::read_to_string(place.path("runs/c/comparison.csv")).unwrap();
    assert!(header.lines().next().unwrap().ends_with("wall_seconds,field"));
}
