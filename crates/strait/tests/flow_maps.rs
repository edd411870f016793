//! Flow maps in the program: the choice of their solver, and comparisons with other methods.

use crate::common::{Place, json};
use serde_json::Value;
use std::fs;

/// Eight Gaussians by a small flow map.
const MAP: &str = r#"
version = 1
seed = 3

[data]
name = "8gaussians"
sd = 0.5

[interpolant]
family = "linear"

[velocity]
hidden = [16, 16]
map = true
ema_half_lives = [20.0]

[[phase]]
name = "map"
iterations = 120

[[phase.level]]
level = "velocity"
objective = { name = "mean_flow" }
spans = { off_diagonal = 0.25 }
batch = 64
rate = 4e-3

[evaluate]
nfe = [1, 2, 3]
samples = 64

[evaluate.dynamics]
steps = 8

[evaluate.likelihood]
steps = 4

[compare]
trajectories = 200
trajectories_nfe = 4

[log]
every = 5
checkpoint = 40
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("map.toml", MAP);
    place
}

fn run(place: &Place, arguments: &[&str]) {
    let output = place.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where nobody names a solver it is what is nearest to validation points at each count: in `evaluate`, the report and `sample`.
#[test]
fn a_map_is_followed_by_what_is_nearest_to_validation_points() {
    let place = place();
    run(&place, &["train", "map.toml", "--name", "a"]);
    let solvers = place.path("runs/a/solvers.json");
    let mut chosen = json(&solvers);
    assert!(chosen["reference"].as_str().unwrap().contains("validation"), "{chosen}");
    let summary = json(&place.path("runs/a/summary.json"));
    for (nfe, tries) in [(1, vec!["euler", "map"]), (2, vec!["euler", "map", "midpoint"]), (3, vec!["euler", "map"])] {
        let tried = chosen["counts"][nfe - 1]["tried"].as_array().unwrap();
        let values: Vec<f64> = tried.iter().map(|tried| tried["value"].as_f64().unwrap()).collect();
        assert!(values.is_sorted() && values[0] > 0.0 && values[0] < *values.last().unwrap(), "{tried:?}");
        let mut names: Vec<&str> = tried.iter().map(|tried| tried["solver"].as_str().unwrap()).collect();
        let first = names[0];
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, tries);
        let measured =
            summary["evaluations"].as_array().unwrap().iter().find(|e| e["nfe"] == nfe && e["metric"] == "w2");
        assert_eq!(measured.unwrap()["solver"], first);
    }
    let report = fs::read_to_string(place.path("runs/a/report/index.html")).unwrap();
    assert!(report.contains("By which steps a flow map is followed") && !report.contains(">w2</th>"));
    assert!(report.contains(">floor ") && report.contains("W2 at 1 evaluation is"), "a run that stands alone");

    // Measured at other counts, by another solver, nothing is chosen again.
    let before = fs::read(&solvers).unwrap();
    run(&place, &["evaluate", "a", "--nfe", "2,5"]);
    run(&place, &["evaluate", "a", "--nfe", "1", "--solver", "map"]);
    assert_eq!(fs::read(&solvers).unwrap(), before);

    // What is written there is what samples, at the count itself and at those nearest to it; a solver that is named wins.
    let sample = |more: &[&str]| {
        run(&place, &[&["sample", "a", "--count", "20", "--out", "x.npz"], more].concat());
        fs::read(place.path("x.npz")).unwrap()
    };
    let [euler, map, midpoint] = ["euler", "map", "midpoint"].map(|solver| sample(&["--nfe", "2", "--solver", solver]));
    for (solver, power, is) in [("euler", 1.0, Some(&euler)), ("midpoint", 1.0, Some(&midpoint)), ("map", 2.0, None)] {
        chosen["counts"][1]["tried"][0] = serde_json::json!({ "solver": solver, "power": power, "value": 0.5 });
        fs::write(&solvers, chosen.to_string()).unwrap();
        let found = sample(&["--nfe", "2"]);
        assert!(is.is_none_or(|is| *is == found), "{solver}");
        assert!(is.is_some() || found != map, "maps of unequal spans");
        assert_eq!(sample(&["--nfe", "2", "--solver", "map"]), map);
    }
    chosen["counts"][2]["tried"][0] = serde_json::json!({ "solver": "euler", "power": 1.0, "value": 0.5 });
    fs::write(&solvers, chosen.to_string()).unwrap();
    assert_eq!(sample(&["--nfe", "7"]), sample(&["--nfe", "7", "--solver", "euler"]));
}

fn rows(place: &Place, name: &str, method: &str) -> Vec<Value> {
    let comparison = json(&place.path(&format!("runs/{name}/comparison.json")));
    let own = |row: &&Value| row["method"] == method && row["metric"] == "w2";
    comparison["rows"].as_array().unwrap().iter().filter(own).cloned().collect()
}

/// Beside a flow map stand the linear rows and the config itself, at equal steps and at equal seconds.
#[test]
fn the_preset_itself_is_a_row_beside_a_flow_map() {
    let place = place();
    run(&place, &["compare", "map.toml", "--same-time", "--name", "c"]);
    let preset = &rows(&place, "c", "preset")[0];
    assert_eq!(preset["steps"], 120);
    for method in ["linear", "ot"] {
        assert_eq!(rows(&place, "c", method)[0]["steps"], 120);
        let seconds = |row: &Value| row["wall_seconds"].as_f64().unwrap();
        let own = &rows(&place, "c", method)[0];
        let asked = 120.0 * seconds(preset) / seconds(own);
        let steps = rows(&place, "c", &format!("{method}_same_time"))[0]["steps"].as_f64().unwrap();
        assert!((steps - asked).abs() <= 1.0, "{method}: {steps} steps where {asked} were to be taken");
    }
    run(&place, &["train", "map.toml", "--name", "alone"]);
    let velocity = |run: &str| {
        let newest = strait_optim::checkpoint::list(&place.path(run).join("checkpoints")).unwrap().remove(0);
        fs::read(newest.join("velocity.safetensors")).unwrap()
    };
    assert_eq!(velocity("runs/c/preset-3"), velocity("runs/alone"));
}

/// A teacher's trajectories are made once, counted, kept, and made again to the bit; those of another are refused.
#[test]
fn maps_regress_on_a_teachers_trajectories() {
    let place = place();
    let arguments = ["compare", "map.toml", "--methods", "cmt,cmt_ot,cmt_learned,flow_map_learned", "--name", "c"];
    run(&place, &arguments);
    for (method, coupling) in [("cmt", "independent"), ("cmt_ot", "ot")] {
        let row = &rows(&place, "c", method)[0];
        assert_eq!(row["steps"], 120);
        let folder = place.path(&format!("runs/c/{method}-3"));
        let config = fs::read_to_string(folder.join("config.toml")).unwrap();
        assert!(
            config.contains("trajectory_regression") && config.contains(&format!("name = \"{coupling}\"")),
            "{config}"
        );
        let seconds = |path: &str| json(&folder.join(path))["wall_seconds"].as_f64().unwrap();
        assert!(seconds("pairs.json") > 0.0 && row["wall_seconds"].as_f64().unwrap() > seconds("pairs.json"));
    }
    let table = fs::read_to_string(place.path("runs/c/comparison.md")).unwrap();
    assert!(table.contains("cmt_learned is left out: the preset's path has nothing to learn"), "{table}");

    let cmt = place.path("runs/c/cmt-3");
    let stored = cmt.join("trajectories/trajectories-00000-of-00001.safetensors");
    let newest = || strait_optim::checkpoint::list(&cmt.join("checkpoints")).unwrap().remove(0);
    let (made, trained) = (fs::read(&stored).unwrap(), fs::read(newest().join("velocity.safetensors")).unwrap());
    fs::remove_dir_all(&cmt).unwrap();
    run(&place, &arguments);
    assert!(fs::read(&stored).unwrap() == made, "other trajectories");
    assert!(fs::read(newest().join("velocity.safetensors")).unwrap() == trained, "another map");

    let other = place.path("runs/c/cmt_ot-3/trajectories/trajectories-00000-of-00001.safetensors");
    fs::copy(other, &stored).unwrap();
    let (line, code) = place.refusal(&["evaluate", "runs/c/cmt-3"]);
    assert!(line.contains("of another flow") && code != 0, "{line}");
}

/// A map by regression on trajectories is, before its first step, the velocity that they are of.
#[test]
fn a_map_starts_where_its_teacher_ended() {
    let place = place();
    let level = "{ level = \"velocity\", objective = { name = \"flow_matching\" }, batch = 16, rate = 1e-3 }";
    let phase = format!("[{{ name = \"teacher\", iterations = 20, level = [{level}] }}]");
    let teacher = format!("teacher = {{ interpolant = {{ family = \"linear\" }}, phase = {phase} }}");
    let coupling =
        format!("coupling={{ name = \"trajectories\", trajectories = 8, solver = \"euler\", nfe = 4, {teacher} }}");
    let still =
        |name| format!("{{ level = \"velocity\", objective = {{ name = \"{name}\" }}, batch = 4, rate = 1e-12 }}");
    let levels = format!("phase.0.level=[{}, {}]", still("flow_matching"), still("trajectory_regression"));
    let settings = [coupling.as_str(), levels.as_str(), "phase.0.iterations=1", "evaluate.baseline=false"];
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    run(&place, &[&["train", "map.toml", "--name", "a"], &settings[..]].concat());
    let newest = |folder: &str| {
        let checkpoints = place.path(&format!("runs/a/{folder}checkpoints"));
        let newest = strait_optim::checkpoint::list(&checkpoints).unwrap().remove(0);
        let mut tensors = tch::Tensor::read_safetensors(newest.join("velocity.safetensors")).unwrap();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    let (map, teacher) = (newest(""), newest("teacher/"));
    assert!(!map.is_empty() && map.len() == teacher.len());
    for ((name, ours), (other, theirs)) in map.iter().zip(&teacher) {
        assert_eq!(name, other);
        assert!(ours.allclose(theirs, 0.0, 1e-10, false), "{name}");
    }
    let log = fs::read_to_string(place.path("runs/a/metrics.jsonl")).unwrap();
    assert!(log.contains("trajectory_regression") && log.contains("flow_matching"), "{log}");
}

/// On a learned path the phases are the preset's, and the method's objective takes the place of its map's.
#[test]
fn maps_are_trained_on_the_learned_path() {
    let place = place();
    let path = "\n[interpolant]\nfamily = \"affine\"\nhidden = [8]\nmixing = \"triangular\"\nlog_scale_bound = 10.0\n";
    let learned = MAP.replace("\n[interpolant]\nfamily = \"linear\"\n", path);
    let level = "\n[[phase.level]]\nlevel = \"interpolant\"\nobjective = { name = \"energy\", acceleration = 2e-3 }\nbatch = 64\nrate = 4e-3\nclip = 1.0\n";
    let (before, last) = learned.split_once("[[phase]]").unwrap();
    let (first, rest) = last.split_once("\n[evaluate]").unwrap();
    let second = first.replace("\"map\"", "\"alone\"");
    let learned = format!("{before}[[phase]]{first}{level}\n[[phase]]{second}\n[evaluate]{rest}");
    place.write("learned.toml", learned);
    let methods = "mean_flow_learned,flow_map_learned,cmt_learned";
    run(&place, &["compare", "learned.toml", "--methods", methods, "--name", "c"]);
    for (method, objective, steps) in [
        ("mean_flow_learned", "mean_flow", 360),
        ("flow_map_learned", "lagrangian_distillation", 360),
        ("cmt_learned", "trajectory_regression", 360),
    ] {
        assert_eq!(rows(&place, "c", method)[0]["steps"], steps, "{method}");
        let config = fs::read_to_string(place.path(&format!("runs/c/{method}-3/config.toml"))).unwrap();
        assert!(
            config.contains(&format!("name = \"{objective}\"")) && config.contains("\"energy\""),
            "{method}: {config}"
        );
    }
}

#[test]
fn what_does_not_fit_trajectories_is_refused() {
    let place = place();
    let level = "{ level = \"velocity\", objective = { name = \"flow_matching\" }, batch = 8, rate = 1e-3 }";
    let phase = format!("[{{ name = \"teacher\", iterations = 4, level = [{level}] }}]");
    let teacher = format!("teacher = {{ interpolant = {{ family = \"linear\" }}, phase = {phase} }}");
    let coupling =
        format!("coupling={{ name = \"trajectories\", trajectories = 8, solver = \"euler\", nfe = 4, {teacher} }}");
    let other = coupling.replace("\"linear\"", "\"trigonometric\"");
    let beside = format!("phase.0.level=[{level}, {}]", level.replace("flow_matching", "trajectory_regression"));
    for (settings, said) in [
        (vec![coupling.as_str()], "another where no level trains by trajectory_regression"),
        (vec![other.as_str(), beside.as_str()], "of a flow along another path"),
        (vec!["phase.0.level.0.objective.name=trajectory_regression"], "left to `coupling.name = \"trajectories\"`"),
    ] {
        let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
        let (line, code) = place.refusal(&[&["train", "map.toml"], &settings[..]].concat());
        assert!(line.contains(said) && code == 2, "{line}");
    }
}
