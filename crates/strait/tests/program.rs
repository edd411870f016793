//! The program as a user runs it: train, kill, resume, sample, evaluate, and bad inputs.

use crate::common::{Place, TINY, json, tensors};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Every tensor file of the newest checkpoint of a run, and of its baseline.
fn final_state(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![];
    for part in [run.to_owned(), run.join("baseline")] {
        let newest = strait_optim::checkpoint::list(&part.join("checkpoints")).unwrap().remove(0);
        let mut names: Vec<PathBuf> = fs::read_dir(&newest).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        for path in names.into_iter().filter(|p| p.extension().is_some_and(|e| e == "safetensors")) {
            files.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()));
        }
    }
    files
}

/// The measured numbers of a run, without the seconds.
fn numbers(run: &Path) -> serde_json::Value {
    let mut summary = json(&run.join("summary.json"));
    summary["run"] = "".into();
    summary["wall_seconds"] = 0.into();
    summary["baseline"]["wall_seconds"] = 0.into();
    for method in ["", "/baseline"] {
        for level in summary.pointer_mut(&format!("{method}/levels")).unwrap().as_array_mut().unwrap() {
            (level["seconds"], level["share"]) = (0.into(), 0.into());
        }
    }
    summary
}

#[test]
fn a_run_leaves_what_the_contract_says() {
    let place = Place::new();
    place.train("a");
    let run = place.path("runs/a");
    let summary = json(&run.join("summary.json"));
    for key in [
        "run",
        "method",
        "dataset",
        "seed",
        "device",
        "steps",
        "wall_seconds",
        "parameters",
        "evaluations",
        "straightness",
        "ess",
        "versions",
    ] {
        assert!(!summary[key].is_null(), "summary.json lacks `{key}`: {summary}");
    }
    assert_eq!(summary["method"], "learned");
    assert_eq!(summary["steps"], 140);
    assert_eq!(summary["baseline"]["method"], "linear");
    assert_eq!(summary["baseline"]["gradient_steps"], summary["gradient_steps"]);
    let evaluations = summary["evaluations"].as_array().unwrap();
    assert_eq!(evaluations.len(), 4); // two metrics at two counts
    for e in evaluations {
        for key in ["solver", "nfe", "metric", "value", "floor", "samples", "reference"] {
            assert!(!e[key].is_null(), "an evaluation lacks `{key}`");
        }
        assert!(e["value"].as_f64().unwrap() > 0.0 && e["floor"].as_f64().unwrap() > 0.0);
    }
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 28); // every 5 of 140 iterations
    for file in ["config.toml", "report/index.html", "report/samples.png", "report/quality.svg", "report/paths.png"] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }

    for key in ["nats", "bits_per_dimension", "standard_error", "points"] {
        assert!(summary["likelihood"][key].as_f64().unwrap().is_finite(), "{key}: {}", summary["likelihood"]);
    }

    // What the path does, and what each level took.
    for method in [&summary, &summary["baseline"]] {
        for key in ["squared_speed", "squared_speed_tail", "squared_acceleration", "linear_squared_speed"] {
            assert!(method["path"][key].as_f64().unwrap() >= 0.0, "{key}: {}", method["path"]);
        }
        let shares = method["levels"].as_array().unwrap().iter().map(|level| level["share"].as_f64().unwrap());
        assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9, "{}", method["levels"]);
        assert!(method["straightness"]["transport"].as_f64().unwrap() > 0.0);
    }
    let linear = &summary["baseline"]["path"];
    assert_eq!(linear["squared_speed"], linear["linear_squared_speed"]);
    assert_eq!(summary["levels"].as_array().unwrap().len(), 2);
    let page = fs::read_to_string(run.join("report/index.html")).unwrap();
    for line in summary["warnings"].as_array().unwrap() {
        assert!(page.contains(line.as_str().unwrap()), "the report does not say: {line}");
    }

    // The velocity is one of its moving averages, chosen without a look at test points, and the report says which.
    let average = &summary["average"];
    let values =
        average["averages"].as_array().unwrap().iter().map(|a| (a[0].as_f64().unwrap(), a[1].as_f64().unwrap()));
    let values: Vec<_> = values.collect();
    assert_eq!(values.iter().map(|(half_life, _)| *half_life).collect::<Vec<_>>(), [5.0, 20.0]);
    assert!(values[0].1 != values[1].1, "two averages, one distance: {average}");
    let best = values.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(average["half_life"].as_f64().unwrap(), best.0, "{average}");
    assert!(average["reference"].as_str().unwrap().contains("validation"), "{average}");
    assert!(page.contains(&format!("half-life {}, chosen", best.0)));

    // `evaluate` writes the same contract, at other counts and with another solver.
    let output = place.run(&["evaluate", "a", "--nfe", "2,4,8", "--solver", "heun", "--samples", "32"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("bits per dimension"));
    let again = json(&run.join("summary.json"));
    let counts: Vec<_> = again["evaluations"].as_array().unwrap().iter().map(|e| e["nfe"].as_u64().unwrap()).collect();
    assert_eq!(counts, [2, 2, 4, 4, 8, 8]);
    assert_eq!(again["evaluations"][0]["solver"], "heun");
    assert_eq!(again["average"], *average, "chosen again, at other counts");
    assert_eq!(again["steps"], 140);

    for (out, solver) in [("x.npz", "midpoint"), ("x.png", "dopri5")] {
        let output = place.run(&["sample", "a", "--nfe", "4", "--solver", solver, "--count", "50", "--out", out]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // A searched grid is kept, and found again.
    let sample = |out: &str| {
        let arguments = ["sample", "a", "--nfe", "3", "--grid", "searched", "--count", "20", "--out", out];
        let output = place.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (fs::read(place.path(out)).unwrap(), fs::read(run.join("grids.json")).unwrap())
    };
    let first = sample("g.npz");
    assert!(first == sample("h.npz"));
    let grids: serde_json::Value = serde_json::from_slice(&first.1).unwrap();
    assert_eq!(grids.as_array().unwrap().len(), 1);
    assert_eq!(grids[0]["times"].as_array().unwrap().len(), 4);
    assert!(grids[0]["error"].as_f64().unwrap() <= grids[0]["uniform_error"].as_f64().unwrap());

    let mut npz = ndarray_npy::NpzReader::new(fs::File::open(place.path("x.npz")).unwrap()).unwrap();
    let samples: ndarray::Array2<f32> = npz.by_name("samples").unwrap();
    assert_eq!(samples.dim(), (50, 2));
    assert!(samples.iter().all(|v| v.is_finite()));
    assert!(fs::read(place.path("x.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_run_that_is_killed_ten_times_ends_bit_identical() {
    let place = Place::new();
    place.train("a");
    let child =
        place.command(&["train", "tiny.toml", "--name", "killed"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let mut kills = 0;
    let mut wait = 17u64;
    while kills < 10 {
        // Moments that fall anywhere: in start-up, in an iteration, in a checkpoint, in the report.
        wait = (wait * 7919 + 104_729) % 1500;
        std::thread::sleep(Duration::from_millis(100 + wait));
        let _ = child.kill();
        let _ = child.wait();
        kills += 1;
        let arguments: &[&str] = if place.path("runs/killed/config.toml").is_file() {
            &["train", "--resume", "killed"]
        } else {
            let _ = fs::remove_dir_all(place.path("runs/killed"));
            &["train", "tiny.toml", "--name", "killed"]
        };
        child = place.command(arguments).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    }
    assert!(child.wait().unwrap().success());
    let (whole, killed) = (place.path("runs/a"), place.path("runs/killed"));
    for (a, b) in final_state(&whole).iter().zip(final_state(&killed)) {
        assert_eq!(a.0, b.0);
        assert!(a.1 == b.1, "{} differs after ten kills", a.0);
    }
    assert_eq!(numbers(&whole), numbers(&killed));
    let steps = |run: &Path| -> Vec<u64> {
        let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["step"].as_u64().unwrap()).collect()
    };
    assert_eq!(steps(&whole), steps(&killed));
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let place = Place::new();
    place.train_alone("a");
    let held = fs::File::create(place.path("runs/a/.lock")).unwrap();
    held.lock().unwrap();
    let before = tensors(&place.path("runs/a"));
    let (line, code) = place.refusal(&["train", "--resume", "a"]);
    assert!(line.contains("runs/a") && line.contains("another process") && line.contains("--name"), "{line}");
    assert_eq!(code, 2);
    assert!(before == tensors(&place.path("runs/a")));
    drop(held);
    let output = place.run(&["train", "--resume", "a"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name_and_the_one_before_it_is_used() {
    let place = Place::new();
    place.train_alone("a");
    let run = place.path("runs/a");
    let good = tensors(&run);
    let checkpoints = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap();
    assert_eq!(checkpoints.len(), 3);
    // One bit flipped in the newest, the second cut short.
    let flipped = checkpoints[0].join("velocity.safetensors");
    let mut bytes = fs::read(&flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&flipped, &bytes).unwrap();
    let cut = checkpoints[1].join("velocity.optimizer.safetensors");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.run(&["train", "--resume", "a"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    for (step, file) in [("step-140", "velocity.safetensors"), ("step-130", "velocity.optimizer.safetensors")] {
        let line =
            text.lines().find(|line| line.contains(step)).unwrap_or_else(|| panic!("{step} is not named: {text}"));
        assert!(line.contains(file) && line.contains("truncated or altered"), "{line}");
    }
    assert_eq!(good.len(), tensors(&run).len());
    for (a, b) in good.iter().zip(tensors(&run)) {
        assert!(a.1 == b.1, "{} differs after going back", a.0);
    }
    // Where none is whole the run stops, and says so.
    for checkpoint in strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap() {
        fs::write(checkpoint.join("state.json"), "{").unwrap();
    }
    let (line, code) = place.refusal(&["sample", "a"]);
    assert!(
        line.contains("state.json was truncated or altered") && line.contains("`train --resume` begins anew"),
        "{line}"
    );
    assert_eq!(code, 2);
}

#[test]
#[cfg(unix)]
fn ctrl_c_writes_a_checkpoint_and_says_how_to_go_on() {
    let place = Place::new();
    place.write("long.toml", TINY.replace("iterations = 60\nfresh", "iterations = 100000\nfresh"));
    let child = place.command(&["train", "long.toml", "--name", "a"]).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = place.path("runs/a/metrics.jsonl");
    let begun = std::time::Instant::now();
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 20 {
        assert!(begun.elapsed() < Duration::from_secs(120), "training did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{text}");
    let step: u64 = text.split("stopped at step ").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
    assert!(text.contains("cargo xtask train --resume runs/a"), "{text}");
    assert!(place.path(&format!("runs/a/checkpoints/step-{step}/SHA256SUMS")).is_file());
}

#[test]
fn bad_input_gets_one_line_that_names_the_thing_and_the_remedy() {
    let place = Place::new();
    let change = |name: &str, from: &str, to: &str| {
        assert!(TINY.contains(from), "{from}");
        place.write(name, TINY.replacen(from, to, 1));
    };
    change("key.toml", "ema_half_lives", "ema_half_lifes");
    change("type.toml", "iterations = 20", "iterations = \"many\"");
    change("value.toml", "rate = 4e-3", "rate = -1.0");
    change("version.toml", "version = 1", "version = 7");
    change("missing.toml", "name = \"8gaussians\"\nsd = 0.5", "file = \"nowhere.npz\"");
    change("cut.toml", "name = \"8gaussians\"\nsd = 0.5", "file = \"cut.npz\"");
    change("nan.toml", "name = \"8gaussians\"\nsd = 0.5", "file = \"nan.npz\"");
    change(
        "plan.toml",
        "fresh = [\"velocity\"]\n\n[[phase.level]]\nlevel = \"velocity\"\nobjective = { name = \"flow_matching\" }",
        "\n[[phase.level]]\nlevel = \"interpolant\"\nobjective = { name = \"energy\", acceleration = 2e-3 }",
    );
    let moons = "[source]\nname = \"moons\"\nnoise = 0.05\nscale = 2.0\nshift = [-1.0, 0.0]\n\n[velocity]";
    change("density.toml", "[velocity]", moons);
    let mut array = ndarray::Array2::<f32>::from_shape_fn((200, 2), |(i, j)| (i * 2 + j) as f32 * 0.1);
    let save = |name: &str, array: &ndarray::Array2<f32>| {
        let mut npz = ndarray_npy::NpzWriter::new(fs::File::create(place.path(name)).unwrap());
        npz.add_array("data", array).unwrap();
        npz.finish().unwrap();
    };
    save("whole.npz", &array);
    let bytes = fs::read(place.path("whole.npz")).unwrap();
    place.write("cut.npz", &bytes[..bytes.len() / 2]);
    array[[17, 1]] = f32::NAN;
    save("nan.npz", &array);

    place.write("own.csv", "height,weight\n171,65\n");

    let cases: &[(&[&str], &[&str])] = &[
        (&["train", "own.csv"], &["own.csv is neither", "numpy.save", "a table in text is read by numpy.genfromtxt"]),
        (
            &["train", "key.toml"],
            &["key.toml, line 17", "unknown key `ema_half_lifes`", "did you mean `ema_half_lives`?"],
        ),
        (&["train", "type.toml"], &["type.toml, line 21", "the text \"many\""]),
        (&["train", "value.toml"], &["phase.0.level.0.rate = -1.0", "above 0"]),
        (&["train", "version.toml"], &["version.toml", "version 7", "reads version 1"]),
        (
            &["train", "tiny.toml", "--set", "velocity.hiden=[4]"],
            &["--set velocity.hiden=[4]", "did you mean `hidden`?"],
        ),
        (&["train", "8gausians"], &["`8gausians`", "did you mean `8gaussians`?"]),
        (&["train", "missing.toml"], &["nowhere.npz"]),
        (&["train", "cut.toml"], &["cut.npz", "damaged"]),
        (&["train", "nan.toml"], &["`data`", "NaN", "row 17"]),
        (&["train", "plan.toml"], &["last phase (`final`) does not fit the velocity"]),
        (
            &["train", "density.toml", "--set", "phase.2.level.0.objective.name=\"marginal_flow_matching\""],
            &["marginal_flow_matching", "moons", "no log-density", "another source or objective"],
        ),
        (&["train", "tiny.toml", "--device", "cuda:9"], &["cuda:9", "not there"]),
        (&["train", "tiny.toml", "--device", "gpu"], &["--device gpu", "cpu, cuda or cuda:N"]),
        (&["train", "--resume", "nobody"], &["nobody", "no such run"]),
        (&["sample", "nobody"], &["nobody", "no such run"]),
        (&["evaluate", "nobody"], &["nobody", "no such run"]),
        (&["sample", "nobody", "--out", "x.gif"], &["x.gif", ".npz or .png"]),
        (&["sample", "nobody", "--out", "nowhere/x.png"], &["nowhere/x.png", "nowhere is no folder"]),
    ];
    for (arguments, words) in cases {
        let (line, found) = place.refusal(arguments);
        for word in *words {
            assert!(line.contains(word), "{arguments:?}: `{word}` is not in: {line}");
        }
        assert_eq!(found, 2, "{arguments:?}: {line}");
    }
    assert!(!place.path("runs").exists(), "a refused run left something behind");

    // Data that can be fetched: a code and a line of their own.
    let output = place.run(&["train", "digits"]);
    assert_eq!(output.status.code(), Some(66));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "strait:missing-data digits\n");

    // A name that is taken is never written over.
    place.train_alone("a");
    let before = fs::read(place.path("runs/a/summary.json")).unwrap();
    let (line, code) = place.refusal(&["train", "tiny.toml", "--name", "a"]);
    assert!(line.contains("it exists") && code == 2, "{line}");
    assert_eq!(before, fs::read(place.path("runs/a/summary.json")).unwrap());
}

/// A limit on the size of a file fails writes as a full disk does.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_one_line_and_the_last_checkpoint_stays() {
    let place = Place::new();
    let strait = env!("CARGO_BIN_EXE_strait");
    let run = |limit: &str, arguments: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec {strait} train {arguments}");
        let mut command = place.command(&[]);
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(script).current_dir(place.0.path());
        for (key, value) in command.env("RUST_LOG", "error").get_envs() {
            if let Some(value) = value {
                shell.env(key, value);
            }
        }
        shell.output().unwrap()
    };
    let long = TINY.replace("iterations = 60\nfresh", "iterations = 400\nfresh");
    place.write("long.toml", long.replace("[evaluate]\n", "[evaluate]\nbaseline = false\n"));
    let mut child = place.command(&["train", "long.toml", "--name", "a"]).stderr(Stdio::null()).spawn().unwrap();
    while strait_optim::checkpoint::list(&place.path("runs/a/checkpoints")).map_or(0, |list| list.len()) < 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    let before = strait_optim::checkpoint::list(&place.path("runs/a/checkpoints")).unwrap();
    // What could not begin leaves its name free.
    let output = run("0", "tiny.toml --name b");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && text.lines().count() == 1, "{text}");
    assert!(!place.path("runs/b").exists(), "{text}");
    let output = run("1", "--resume a");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("strait: runs/a/") && text.contains("File too large"), "{text}");
    for path in &before {
        strait_optim::checkpoint::open(path).unwrap();
    }
    let output = run("unlimited", "--resume a");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A row of samples is a function of the seed and its number: of neither the count nor, as once, the lower half of the seed.
#[test]
fn fewer_samples_are_the_first_of_more_and_seeds_have_64_bits() {
    let place = Place::new();
    place.train_alone("a");
    let samples_by = |solver: &str, count: &str, seed: &str| {
        let output =
            place.run(&["sample", "a", "--count", count, "--seed", seed, "--out", "x.npz", "--solver", solver]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut npz = ndarray_npy::NpzReader::new(fs::File::open(place.path("x.npz")).unwrap()).unwrap();
        let samples: ndarray::Array2<f32> = npz.by_name("samples.npy").unwrap();
        samples
    };
    let samples = |count: &str, seed: &str| samples_by("euler", count, seed);
    let many = samples("1000", "1875");
    for count in ["1", "7", "100", "999"] {
        let few = samples(count, "1875");
        // Products of matrices round by their shapes.
        let first = many.slice(ndarray::s![..few.nrows(), ..]);
        assert!((&few - &first).iter().all(|error| error.abs() < 1e-4), "{count}: {few} {first}");
    }
    let first = many.slice(ndarray::s![..4, ..]);
    // Where steps are chosen by their error each sample has its own.
    let (many, few) = (samples_by("dopri5", "300", "1875"), samples_by("dopri5", "7", "1875"));
    assert_eq!(few, many.slice(ndarray::s![..7, ..]));
    for seed in ["151883", "4294969171", "0"] {
        assert!((&samples("4", seed) - &first).iter().any(|error| error.abs() > 0.01), "{seed}");
    }
}
