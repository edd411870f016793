//! Methods side by side, and rectified flow as a run of its own.

use crate::common::{Place, TINY, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The newest checkpoint's parameters.
fn velocity(run: &Path) -> Vec<u8> {
    let newest = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0);
    fs::read(newest.join("velocity.safetensors")).unwrap()
}

#[test]
fn every_method_is_compared_with_one_budget_and_one_evaluation() {
    let place = Place::new();
    // What the last phase asks of independent pairs is no business of the others.
    let (before, last) = TINY.rsplit_once("\"flow_matching\"").unwrap();
    let last = last.replacen(" }", ", candidates = 16 }", 1);
    place.write("tiny.toml", format!("{before}\"marginal_flow_matching\"{last}"));
    let arguments = ["compare", "tiny.toml", "--name", "c"];
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.path("runs/c");
    let comparison = json(&folder.join("comparison.json"));
    let rows = comparison["rows"].as_array().unwrap();
    let mut methods = BTreeSet::new();
    for row in rows {
        for key in ["method", "seed", "solver", "nfe", "metric", "value", "steps", "wall_seconds"] {
            assert!(!row[key].is_null(), "a row lacks `{key}`: {row}");
        }
        methods.insert(row["method"].as_str().unwrap());
        // 20 + 3 * 60 + 60, all that is trained for a method counted.
        assert_eq!(row["steps"], 260, "{row}");
        assert!(row["wall_seconds"].as_f64().unwrap() > 0.0);
        if row["metric"] == "w2" {
            assert!(row["value"].as_f64().unwrap() > 0.0 && row["floor"].as_f64().unwrap() > 0.0);
            assert_eq!(row["floor"], rows[0]["floor"], "another reference");
        }
    }
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["learned", "likelihood", "linear", "ot", "paper", "reflow"]);
    let config = |method: &str| fs::read_to_string(folder.join(format!("{method}-3/config.toml"))).unwrap();
    assert!(config("learned").contains("candidates = 16") && config("learned").contains("batch = 64"));
    assert!(config("ot").contains("batch = 48") && !config("ot").contains("batch = 64"));
    let w2 = |method: &str| rows.iter().filter(|r| r["metric"] == "w2" && r["method"] == method).count();
    assert_eq!((w2("linear"), w2("likelihood")), (2, 1)); // one step is all that a flow can take
    let table = fs::read_to_string(folder.join("comparison.md")).unwrap();
    assert!(table.contains("| sampling floor |") && table.contains("cargo xtask compare tiny.toml --name c"));
    assert_eq!(fs::read_to_string(folder.join("comparison.csv")).unwrap().lines().count(), rows.len() + 1);
    assert!(fs::read(folder.join("comparison.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(folder.join("comparison.svg")).unwrap().starts_with("<svg"));

    // A method-seed is a run: it can be sampled, and what was lost of it is made again to the bit.
    let output = place.run(&["sample", "runs/c/reflow-3", "--nfe", "2", "--count", "10", "--out", "x.npz"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = folder.join("reflow-3");
    let before = velocity(&run);
    let shards = fs::read_dir(run.join("pairs")).unwrap().count();
    fs::remove_file(run.join("pairs/pairs-00003-of-00004.npy")).unwrap();
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    let untouched = fs::metadata(folder.join("ot-3/summary.json")).unwrap().modified().unwrap();
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_dir(run.join("pairs")).unwrap().count(), shards);
    assert!(velocity(&run) == before, "another velocity after an interruption");
    assert_eq!(fs::metadata(folder.join("ot-3/summary.json")).unwrap().modified().unwrap(), untouched);
    let values = |comparison: &serde_json::Value| -> Vec<f64> {
        comparison["rows"].as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).collect()
    };
    assert_eq!(values(&comparison), values(&json(&folder.join("comparison.json"))));
}

#[test]
fn seeds_and_methods_are_added_and_what_does_not_fit_is_a_line() {
    let place = Place::new();
    let linear = TINY.replace(
        "family = \"affine\"\nhidden = [8]\nmixing = \"triangular\"\nlog_scale_bound = 10.0",
        "family = \"linear\"",
    );
    let level = "[[phase.level]]\nlevel = \"interpolant\"\nobjective = { name = \"energy\", acceleration = 2e-3 }\nbatch = 64\nrate = 4e-3\nclip = 1.0\n";
    assert!(linear.contains(level) && linear.contains("family = \"linear\""));
    place.write("linear.toml", linear.replace(level, ""));
    let (line, code) = place.refusal(&["compare", "linear.toml", "--methods", "learned"]);
    assert!(line.contains("learned is left out: the preset's path has nothing to learn") && code == 2, "{line}");
    assert!(!place.path("runs").exists());
    for arguments in [&["--methods", "learned,linear"][..], &["--methods", "linear", "--seeds", "2"]] {
        let output = place.run(&[&["compare", "linear.toml"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let table = fs::read_to_string(place.path("runs/compare-linear/comparison.md")).unwrap();
    assert!(table.contains("Seeds: linear 2."), "{table}");
    for arguments in ["compare linear.toml --methods learned,linear", "compare linear.toml --methods linear --seeds 2"]
    {
        assert!(table.contains(&format!("    cargo xtask {arguments}\n")), "{table}");
    }
    // It is no run, though each row of it is one.
    let (line, code) = place.refusal(&["train", "--resume", "compare-linear"]);
    assert!(line.contains("it is a comparison") && code == 2, "{line}");
    // A row against other features, or of other data, is none of this table.
    let summary = place.path("runs/compare-linear/linear-4/summary.json");
    fs::write(&summary, fs::read_to_string(&summary).unwrap().replace("64 test points", "64 other points")).unwrap();
    let output = place.run(&["compare", "linear.toml", "--methods", "linear"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = fs::read_to_string(place.path("runs/compare-linear/comparison.md")).unwrap();
    let told = table.lines().find(|line| line.starts_with("linear with seed 4 is left out: ")).unwrap();
    assert!(table.contains("Seeds: linear 1.") && told.contains("against 64 other points"), "{table}");
    assert!(told.contains("against 64 test points") && told.contains("remove the summary.json"), "{told}");
    // Other settings never mix with what is there.
    let (line, code) = place.refusal(&["compare", "linear.toml", "--set", "seed=9"]);
    assert!(line.contains("other settings") && code == 2, "{line}");
}

#[test]
fn a_rectified_flow_of_two_rounds_is_a_run() {
    let place = Place::new();
    let output = place.run(&["compare", "tiny.toml", "--methods", "reflow", "--rounds", "2", "--name", "c"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = fs::read_to_string(place.path("runs/c/reflow-3/config.toml")).unwrap();
    place.write("two.toml", config.replace("pairs = 16384", "pairs = 200"));
    let output = place.run(&["train", "two.toml", "--name", "r"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = place.path("runs/r");
    for file in ["pairs/pairs-00000-of-00001.npy", "teacher/pairs/pairs-00000-of-00001.npy", "report/index.html"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let summary = json(&run.join("summary.json"));
    assert_eq!((&summary["steps"], &summary["gradient_steps"]), (&86.into(), &258.into()));
    assert_eq!(summary["method"], "reflow");
    assert_eq!(summary["ess"]["candidates"], 0); // rectified pairs are not independent
}

/// What is made before a training is kept with its run, and made again to the bit where the run is lost.
#[test]
fn couplings_that_are_made_before_a_training_are_kept_with_it() {
    let place = Place::new();
    let few = ["compare.pairs=96", "compare.pool_batch=32", "compare.points=50"].map(|set| ["--set", set]);
    let arguments = ["compare", "tiny.toml", "--methods", "ot_pool,semidiscrete_ot", "--name", "c"];
    let arguments = [&arguments[..], few.as_flattened()].concat();
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let comparison = json(&place.path("runs/c/comparison.json"));
    for (method, file) in [("ot_pool", "pairs/pairs-00002-of-00003.npy"), ("semidiscrete_ot", "potentials.safetensors")]
    {
        let own = |row: &&serde_json::Value| row["method"] == method && row["metric"] == "w2";
        assert_eq!(comparison["rows"].as_array().unwrap().iter().filter(own).count(), 2, "{method}");
        let run = place.path(&format!("runs/c/{method}-3"));
        // The seconds that they took are among those of the method: without them its own training's are left.
        let before = json(&run.join("pairs.json"))["wall_seconds"].as_f64().unwrap();
        let newest = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0);
        let trained = json(&newest.join("state.json"))["wall_seconds"].as_f64().unwrap();
        let spent = json(&run.join("summary.json"))["wall_seconds"].as_f64().unwrap();
        assert!(before > 0.0 && (spent - before - trained).abs() < 1e-9, "{method}: {spent}, {before} and {trained}");
        let (before, made) = (velocity(&run), fs::read(run.join(file)).unwrap());
        fs::remove_dir_all(&run).unwrap();
        assert!(place.run(&arguments).status.success());
        assert!(velocity(&run) == before && fs::read(run.join(file)).unwrap() == made, "{method}");
    }
    let alone = ["train", "tiny.toml", "--set", "coupling={ name = \"pool\", pairs = 8, batch = 0 }"];
    let (line, code) = place.refusal(&alone);
    assert!(line.contains("coupling.batch") && code == 2, "{line}");
}

#[test]
fn a_source_without_a_density_is_measured_without_one() {
    let place = Place::new();
    let moons = "[source]\nname = \"moons\"\nnoise = 0.05\nscale = 2.0\nshift = [-1.0, 0.0]\n\n[velocity]";
    place.write(
        "moons.toml",
        TINY.replace("[velocity]", moons).replace("sd = 0.5", "sd = 0.5\npoints = 300\nunits = \"own\""),
    );
    let output = place.run(&["compare", "moons.toml", "--methods", "linear,likelihood", "--name", "c"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        fs::read_to_string(place.path("runs/c/comparison.md")).unwrap().contains("likelihood is left out: its source")
    );
    let summary = json(&place.path("runs/c/linear-3/summary.json"));
    assert!(summary["likelihood"].is_null() && summary["ess"]["candidates"] == 0, "{summary}");
    assert!(summary["dataset"].as_str().unwrap().starts_with("8gaussians"));
}

/// A rectified flow of the learned path, and one of a longer teacher, with as many steps as each other.
#[test]
fn a_rectified_flow_may_have_another_teacher() {
    let place = Place::new();
    let output = place.run(&["compare", "tiny.toml", "--methods", "learned_reflow,reflow_longer", "--name", "r"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.path("runs/r");
    // 260 of the teacher and half as many of the student.
    for row in json(&folder.join("comparison.json"))["rows"].as_array().unwrap() {
        assert_eq!(row["steps"], 390, "{row}");
    }
    let interpolant = |run: &str| {
        let newest = strait_optim::checkpoint::list(&folder.join(run).join("teacher/checkpoints")).unwrap().remove(0);
        newest.join("interpolant.safetensors").is_file()
    };
    assert!(interpolant("learned_reflow-3") && !interpolant("reflow_longer-3"));
    // What is wrong with a teacher is named as the teacher's.
    let text = fs::read_to_string(folder.join("learned_reflow-3/config.toml")).unwrap();
    place.write("teacher.toml", text.replacen("log_scale_bound = 10.0", "log_scale_bound = -1.0", 1));
    let (line, code) = place.refusal(&["train", "teacher.toml"]);
    assert!(line.contains("coupling.teacher.interpolant.log_scale_bound") && code == 2, "{line}");
}

/// The teacher of `learned_reflow` is `learned`, to the bit, whatever pairs the preset trains on.
#[test]
fn the_learned_teacher_has_the_pairs_of_its_preset() {
    let place = Place::new();
    let pairs = ["--set", "coupling.name=ot", "--name", "r"];
    let output = place.run(&[&["compare", "tiny.toml", "--methods", "learned,learned_reflow"], &pairs[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = place.path("runs/r/learned_reflow-3");
    assert_eq!(velocity(&place.path("runs/r/learned-3")), velocity(&run.join("teacher")));
    // Pairs of a teacher are drawn.
    let text = fs::read_to_string(run.join("config.toml")).unwrap();
    let other = "name = \"reflow\"\nrounds = 1\npairs = 1\nsolver = \"euler\"\nnfe = 1";
    place.write("teacher.toml", text.replacen("name = \"ot\"", other, 1));
    let (line, code) = place.refusal(&["train", "teacher.toml"]);
    assert!(line.contains("coupling.teacher.coupling.name") && code == 2, "{line}");
    // A flow's pairs are not independent, so that their marginal field is not known.
    let (before, last) = text.rsplit_once("flow_matching").unwrap();
    place.write("student.toml", format!("{before}marginal_flow_matching{last}"));
    let (line, code) = place.refusal(&["train", "student.toml"]);
    assert!(line.contains("phase.0.level.0.objective") && line.contains("independent") && code == 2, "{line}");
}

/// Beside its row at equal steps, a method has one of as long as the learned path took.
#[test]
fn methods_are_also_compared_at_equal_wall_time() {
    let place = Place::new();
    let alone = place.run(&["compare", "tiny.toml", "--methods", "linear", "--same-time", "--name", "alone"]);
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
    let table = fs::read_to_string(place.path("runs/alone/comparison.md")).unwrap();
    assert!(table.contains("linear_same_time is left out: neither learned nor preset was trained"), "{table}");

    let arguments = ["compare", "tiny.toml", "--methods", "linear,reflow,learned", "--same-time", "--name", "t"];
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.path("runs/t");
    let comparison = json(&folder.join("comparison.json"));
    let number = |comparison: &serde_json::Value, method: &str, key: &str| {
        let rows = comparison["rows"].as_array().unwrap();
        rows.iter().find(|row| row["method"] == method).unwrap_or_else(|| panic!("no row of {method}"))[key]
            .as_f64()
            .unwrap()
    };
    let seconds = number(&comparison, "learned", "wall_seconds");
    for (method, stages) in [("linear", 1.0), ("reflow", 2.0)] {
        let asked = 260.0 * seconds / number(&comparison, method, "wall_seconds");
        let steps = number(&comparison, &format!("{method}_same_time"), "steps");
        assert!((steps - asked).abs() <= 0.5 * stages + 0.5, "{method}: {steps} steps where {asked} were to be taken");
    }
    let table = fs::read_to_string(folder.join("comparison.md")).unwrap();
    assert!(table.contains("of linear's at 1") && table.contains("of linear_same_time's at 1"), "{table}");

    // What was lost of it is made again, in as many steps, whatever other seconds say by then.
    let run = folder.join("reflow_same_time-3");
    let before = velocity(&run);
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    let summary = fs::read_to_string(folder.join("learned-3/summary.json")).unwrap();
    let slower = summary.replacen("\"wall_seconds\": ", "\"wall_seconds\": 9", 1);
    assert!(slower != summary);
    fs::write(folder.join("learned-3/summary.json"), slower).unwrap();
    let output = place.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(velocity(&run) == before, "another velocity after an interruption");
}

/// What lies in a method's folder stands for it only if it is of the whole training, measured as the comparison measures.
#[test]
fn a_row_is_of_a_whole_training_measured_as_its_config_says() {
    let place = Place::new();
    let arguments = ["compare", "tiny.toml", "--methods", "linear", "--name", "c"];
    let compare = || {
        let output = place.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut comparison = json(&place.path("runs/c/comparison.json"));
        for row in comparison["rows"].as_array_mut().unwrap() {
            row["wall_seconds"].take();
        }
        comparison["rows"].take()
    };
    let run = place.path("runs/c/linear-3");
    let (whole, trained) = (compare(), velocity(&run));

    let evaluate = |more: &[&str]| {
        let output = place.run(&[&["evaluate", "runs/c/linear-3"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    evaluate(&["--solver", "heun", "--nfe", "2", "--samples", "32"]);
    let output = place.run(&["compare", "tiny.toml", "--methods", "ot", "--name", "c"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!fs::read_to_string(place.path("runs/c/comparison.md")).unwrap().contains("heun"));
    fs::remove_dir_all(place.path("runs/c/ot-3")).unwrap();
    assert_eq!(compare(), whole, "rows of another evaluation");

    let newest = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0);
    fs::remove_dir_all(newest).unwrap();
    evaluate(&[]);
    assert_eq!(compare(), whole, "rows of half a training");
    assert_eq!(velocity(&run), trained);

    // Records that cannot be read: what is only chosen is chosen anew, and what was measured is named.
    fs::write(run.join("averages.json"), "{").unwrap();
    fs::write(run.join("summary.json"), "[1]").unwrap();
    let (line, code) = place.refusal(&arguments);
    assert!(code == 2 && line.contains("c/linear-3/summary.json: it is damaged (line 1); remove it, and"), "{line}");
    fs::remove_file(run.join("summary.json")).unwrap();
    assert_eq!(compare(), whole, "rows beside damaged records");
}

/// Little is trained and measured, where the configs alone are looked at.
const FEW: [&str; 7] = [
    "phase.0.iterations=4",
    "phase.1.iterations=4",
    "phase.2.iterations=4",
    "compare.pairs=64",
    "evaluate.nfe=[1]",
    "evaluate.dynamics.steps=4",
    "evaluate.likelihood={ steps = 4, points = 64 }",
];

/// Times at which a preset's last velocity matches the flow are every method's; those of another objective are its own.
#[test]
fn times_of_flow_matching_are_for_every_method() {
    let place = Place::new();
    for (objective, times) in [("flow_matching", "power = 2.0"), ("marginal_flow_matching", "law = \"uniform\"")] {
        let objective = format!("phase.2.level.0.objective.name={objective}");
        let more =
            ["--set", &objective, "--set", "phase.2.level.0.times={ law = \"power\", power = 2.0 }", "--name", times];
        let compare = ["compare", "tiny.toml", "--methods", "linear,reflow,paper"];
        let output = place.run(&[&compare[..], &more, FEW.map(|set| ["--set", set]).as_flattened()].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for method in ["linear", "reflow", "paper"] {
            let config = fs::read_to_string(place.path(&format!("runs/{times}/{method}-3/config.toml"))).unwrap();
            let (_, last) = config.rsplit_once("[[phase]]").unwrap();
            assert!(last.contains(times), "{method}: {last}");
        }
    }
}

/// A method whose training fails, at any moment, is a line of the table, and the others go on.
#[test]
fn a_method_that_fails_leaves_the_others_theirs() {
    // The effective sample size is known when its phase begins, and too few carry weight for this floor.
    let floor =
        "phase.1.level.1.objective={ name = \"straightness\", candidates = 32, times = 4, until = 0.9, floor = 31.0 }";
    // A network that overflows after its first step: no other can be taken, and a hundred in a row end the training.
    let overflow = "phase.0.level.0.rate=1000";
    for (setting, said) in [(overflow, "is not finite"), (floor, "below the floor of 31")] {
        let place = Place::new();
        place.write("tiny.toml", TINY.replace("iterations = 60", "iterations = 120"));
        let more = ["--set", setting, "--seeds", "2", "--name", "c"];
        let output = place.run(&[&["compare", "tiny.toml", "--methods", "learned,linear"], &more[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let comparison = json(&place.path("runs/c/comparison.json"));
        let rows = comparison["rows"].as_array().unwrap();
        let seeds: BTreeSet<_> = rows.iter().map(|row| (row["method"].as_str(), row["seed"].as_u64())).collect();
        assert_eq!(seeds, BTreeSet::from([(Some("linear"), Some(3)), (Some("linear"), Some(4))]));
        let left_out = |comparison: &serde_json::Value| -> Vec<(u64, String)> {
            let of = |out: &serde_json::Value| {
                assert_eq!(out["method"], "learned");
                (out["seed"].as_u64().unwrap(), out["why"].as_str().unwrap().to_owned())
            };
            comparison["left_out"].as_array().unwrap().iter().map(of).collect()
        };
        let found = left_out(&comparison);
        assert!(found.iter().map(|(seed, _)| *seed).eq([3, 4]), "{found:?}");
        assert!(found.iter().all(|(_, why)| why.contains(said)), "{found:?}");
        // A later command that does not ask for it does not forget it.
        let output = place.run(&[&["compare", "tiny.toml", "--methods", "linear"], &more[..2], &more[4..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(left_out(&json(&place.path("runs/c/comparison.json"))), found);
    }
}

/// Under rectified pairs the path is measured between those, which lie nearer to each other than drawn ones.
#[test]
fn the_pairs_that_are_measured_are_those_that_were_trained_on() {
    let place = Place::new();
    let output = place.run(&["compare", "tiny.toml", "--methods", "linear,ot,reflow", "--name", "c"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let speed = |method: &str| {
        let summary = json(&place.path(&format!("runs/c/{method}-3/summary.json")));
        summary["path"]["squared_speed"].as_f64().unwrap()
    };
    assert!(speed("ot") < 0.8 * speed("linear"), "{} {}", speed("ot"), speed("linear"));
    assert!(speed("reflow") < 0.8 * speed("linear"), "{} {}", speed("reflow"), speed("linear"));
}
