//! The records of a run: they are read again, or changed on purpose, or refused with a line that says how to fix them.

use crate::common::{Place, TINY, json};
use ndarray::{Array2, Axis};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_finished_run_is_trained_longer_and_says_so() {
    let place = Place::new();
    place.train("a");
    for (set, words) in [
        ("velocity.hidden=[8]", "with --resume"),
        ("seed=4", "with --resume"),
        ("phase.0.iterations=30", "phase.0.iterations = 30"),
        ("phase.2.iterations=10", "phase.2.iterations = 10"),
    ] {
        let (line, code) = place.refusal(&["train", "--resume", "a", "--set", set]);
        assert!(code == 2 && line.contains(words), "{set}: {line}");
    }
    let others =
        ["phase.2.iterations=80", "phase.2.level.0.rate=1e-3", "phase.2.level.0.batch=32", "phase.2.level.0.clip=2.0"];
    let sets = others.iter().flat_map(|set| ["--set", set]);
    let longer: Vec<&str> = ["train", "--resume", "a"].into_iter().chain(sets).collect();
    let output = place.run(&longer);
    assert!(output.status.success(), "{}", said(&output));
    let run = place.path("runs/a");
    assert_eq!(json(&run.join("summary.json"))["steps"], 160);
    let change = &json(&run.join("provenance.json"))["changes"][0];
    assert_eq!((change["step"].as_u64(), &change["settings"]), (Some(140), &others.to_vec().into()));
    assert!(run.join("checkpoints/step-160").is_dir() && run.join("baseline/config.toml").is_file());
    // Without words it is what it is by now, and the same words change nothing more.
    for arguments in [&["sample", "a"][..], &["train", "--resume", "a"], &longer] {
        let output = place.run(arguments);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(json(&run.join("provenance.json"))["changes"].as_array().unwrap().len(), 1);
}

#[test]
fn records_that_cannot_be_read_block_nothing_or_are_named() {
    let place = Place::new();
    place.train_alone("a");
    let run = place.path("runs/a");
    // A full disk, in the middle of a line.
    let mut metrics = OpenOptions::new().append(true).open(run.join("metrics.jsonl")).unwrap();
    metrics.write_all(b"{\"step\": \xff").unwrap();
    // What can be made anew is; a folder in its place can neither be read nor written, as in a run that is not one's own.
    fs::write(run.join("averages.json"), "{").unwrap();
    for arguments in [&["train", "--resume", "a"][..], &["sample", "a"]] {
        let output = place.run(arguments);
        assert!(output.status.success(), "{}", said(&output));
    }
    fs::remove_file(run.join("averages.json")).unwrap();
    fs::create_dir(run.join("averages.json")).unwrap();
    let output = place.run(&["sample", "a"]);
    assert!(output.status.success(), "{}", said(&output));
    fs::write(run.join("provenance.json"), "not json").unwrap();
    let (line, code) = place.refusal(&["sample", "a"]);
    assert!(code == 2 && line.contains("provenance.json: it is damaged (line 1); remove it"), "{line}");
}

#[test]
fn samples_of_half_a_training_say_so() {
    let place = Place::new();
    place.train_alone("a");
    let newest = strait_optim::checkpoint::list(&place.path("runs/a/checkpoints")).unwrap().remove(0);
    fs::remove_dir_all(newest).unwrap();
    let output = place.run(&["sample", "a", "--solver", "dopri5", "--nfe", "3"]);
    let text = said(&output);
    assert!(output.status.success() && text.contains("stands at iteration 130 of 140"), "{text}");
    assert!(text.contains("--nfe 3 is passed over"), "{text}");
}

/// Who asks a flow of one step for more evaluations hears it before the work, by each command.
#[test]
fn what_one_step_passes_over_is_said_before_the_work() {
    let place = Place::new();
    place.write("flow.toml", ONE_STEP);
    let said_of = |arguments: &[&str]| {
        let output = place.command(arguments).env("RUST_LOG", "info").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    let word = "its velocity is one step of a flow: a sample takes 1 evaluation, whatever";
    let check = |arguments: &[&str], asked: &str, work: &str| {
        let text = said_of(arguments);
        let (early, late) = (text.find(&format!("{word} {asked} says")), text.find(work));
        assert!(early.is_some() && early < late, "{arguments:?}: {text}");
    };
    check(&["train", "flow.toml", "--name", "a"], "evaluate.nfe", "runs/a");
    check(&["sample", "a", "--nfe", "3"], "--nfe", "100 samples, euler, 1 evaluations each");
    check(&["sample", "a", "--solver", "dopri5", "--grid", "cosine"], "--solver and --grid", "100 samples");
    let text = said_of(&["evaluate", "a", "--nfe", "2,4", "--solver", "heun"]);
    assert!(text.contains(&format!("{word} --nfe and --solver says")), "{text}");
    for arguments in [
        &["sample", "a", "--nfe", "1"][..],
        &["evaluate", "a", "--nfe", "1"],
        &["train", "flow.toml", "--name", "b", "--set", "evaluate.nfe=[1]"],
    ] {
        let text = said_of(arguments);
        assert!(!text.contains(word), "{text}");
    }
}

/// A velocity of one evaluation, measured at two counts.
const ONE_STEP: &str = "version = 1\n[data]\nname = \"8gaussians\"\n[interpolant]\nfamily = \"linear\"\n[velocity]\n\
    family = \"flow\"\nsteps = 1\ntransform = \"affine\"\nhidden = [8]\n[[phase]]\nname = \"flow\"\niterations = 2\n\
    level = [ { level = \"velocity\", batch = 16, rate = 1e-3, objective = { name = \"likelihood\" } } ]\n\
    [evaluate]\nnfe = [1, 2]\nsamples = 20\nbaseline = false\n";

/// Columns of scales 1e-3 and 1e5, in double precision and under names of one's own.
#[test]
fn own_data_come_back_as_they_were() {
    let place = Place::new();
    let array = Array2::<f64>::from_shape_fn((300, 2), |(i, j)| {
        let z = ((i * 37 + j * 11) % 101) as f64 / 29.0 - 1.7;
        if j == 0 { 1e-3 * z } else { 1e9 + 1e5 * z }
    });
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path("own.npz")).unwrap());
    npz.add_array("numbers", &array).unwrap();
    npz.add_array("others", &array).unwrap();
    npz.finish().unwrap();
    let data = "file = \"own.npz\"\narrays = { data = \"numbers\" }";
    let text = TINY.replacen("name = \"8gaussians\"\nsd = 0.5", data, 1).replace("batch = 64", "batch = 16");
    place.write("own.toml", text);
    let output = place.command(&["train", "own.toml", "--name", "a"]).env("RUST_LOG", "info").output().unwrap();
    assert!(output.status.success() && said(&output).contains("propose units = \"column\""), "{}", said(&output));
    let output = place.run(&["sample", "a", "--count", "400"]);
    assert!(output.status.success(), "{}", said(&output));
    let mut npz = ndarray_npy::NpzReader::new(File::open(place.path("samples.npz")).unwrap()).unwrap();
    let samples: Array2<f64> = npz.by_name("samples.npy").unwrap();
    for (found, own) in samples.std_axis(Axis(0), 0.0).iter().zip(array.std_axis(Axis(0), 0.0)) {
        assert!((0.3..3.0).contains(&(found / own)), "{found} {own}");
    }
    // The page shows them with their digits, too: at 1e9 those of single precision are 64 apart.
    let shown = strait_io::tensors::read(&place.path("runs/a/report/samples.safetensors")).unwrap();
    let (_, data) = shown.iter().find(|(name, _)| name == "plane/data").unwrap();
    for row in 0..data.size()[0] {
        let value = data.double_value(&[row, 1]);
        let nearest = array.column(1).iter().map(|own| (own - value).abs()).fold(f64::INFINITY, f64::min);
        assert!(nearest < 1.0, "{value} is {nearest} from the nearest");
    }
    let output = place.run(&["inspect", "own.npz", "--array", "numbers"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && table.contains("300 rows") && table.contains("units = \"column\""), "{table}");
}

/// The mean of no step is not 0, the best of losses: it is left out, and the steps are counted.
#[test]
fn skipped_steps_are_counted_and_leave_no_loss_of_zero() {
    let place = Place::new();
    place.write("fast.toml", FAST);
    let output = place.command(&["train", "fast.toml", "--name", "a"]).env("RUST_LOG", "warn").output().unwrap();
    assert!(said(&output).contains("of the last steps of level velocity were skipped"), "{}", said(&output));
    let text = fs::read_to_string(place.path("runs/a/metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let level = &last["levels"][0];
    assert_eq!((&level["skipped"], level["terms"].as_object().unwrap().len()), (&10.into(), 0), "{text}");
    assert!(level.get("gradient_norm").is_none(), "{text}");
}

/// A rate at which no gradient is finite after the first steps.
const FAST: &str = "version = 1\n[data]\nname = \"8gaussians\"\n[interpolant]\nfamily = \"linear\"\n[velocity]\n\
    hidden = [64, 64, 64]\n[[phase]]\nname = \"fast\"\niterations = 40\nlevel = [ { level = \"velocity\", batch = 64, \
    rate = 1000.0, objective = { name = \"flow_matching\" } } ]\n[log]\nevery = 10\n[evaluate]\nnfe = [1]\nsamples = 20\n\
    baseline = false\n";
