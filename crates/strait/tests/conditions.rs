//! Classes and vectors from the data to the sampler: trained, stopped and resumed to the bit, sampled by class with guidance,
//! measured by class; and errors, each in one line.

use crate::common::{Place, json};
use ndarray::{Array1, Array2};
use std::fs::{self, File};
use std::path::Path;

const HEAD: &str = "version = 1\nseed = 3\n[interpolant]\nfamily = 'linear'\n\
    [evaluate]\nnfe = [1, 2]\nsamples = 128\nbaseline = false\ndynamics = { steps = 4 }\nlikelihood = { steps = 4, points = 16 }\n\
    [log]\nevery = 4\ncheckpoint = 1\nkeep = 100\n";
const CLASSES: &str = "[data]\nname = 'moons'\ncondition = 'labels'\n";
const FILE: &str = "[data]\nfile = 'own.npz'\ncondition = 'place'\nunits = 'column'\n";
const NET: &str = "[velocity]\nhidden = [8]\nema_half_lives = [2.0]\n";
const FIT: &str = "[[phase]]\nname = 'fit'\nturns = 8\nlevel = [ { level = 'velocity', batch = 32, rate = 1e-3, \
    objective = { name = 'flow_matching' }, condition_drop = 0.25 } ]\n";
/// A path that sees the class, and learns with a velocity whose class is dropped at times.
const AFFINE: &str =
    "family = 'affine'\nhidden = [8]\nmixing = 'triangular'\nlog_scale_bound = 2.0\nconditioned = true";
const JOINT: &str = "[[phase]]\nname = 'joint'\nturns = 4\nlevel = [ \
    { level = 'velocity', steps = 2, batch = 32, rate = 1e-3, objective = { name = 'flow_matching' }, condition_drop = 0.25 }, \
    { level = 'interpolant', batch = 32, rate = 1e-3, objective = { name = 'energy', acceleration = 0.01 } } ]\n\
    [[phase]]\nname = 'fit'\nturns = 4\nlevel = [ { level = 'velocity', batch = 32, rate = 1e-3, \
    objective = { name = 'flow_matching' } } ]\n";
/// A path through a map for each class.
const TRANSPORT: &str = "family = 'transport'\nmap = { kind = 'glow', steps = 2, hidden = [8], transform = 'affine', conditioned = true, reversible = true }";
/// One back through its inverses, along t.
const GLOW: &str = "family = 'glow'\nsteps = 2\nhidden = [8]\nconditioned = true\nreversible = true";
const CARRIED: &str = "[[phase]]\nname = 'map'\nturns = 4\nlevel = [ { level = 'transport', batch = 32, rate = 1e-3, \
    objective = { name = 'likelihood' }, plus = [ { objective = { name = 'transport_cost' }, weight = 0.1 } ] } ]\n\
    [[phase]]\nname = 'fit'\nturns = 4\nlevel = [ { level = 'velocity', batch = 32, rate = 1e-3, \
    objective = { name = 'flow_matching' } } ]\n";
const FLOW: &str = "[velocity]\nfamily = 'flow'\nsteps = 2\nhidden = [8]\ntransform = 'affine'\nema_half_lives = [2.0]\n\
    [[phase]]\nname = 'fit'\nturns = 8\nlevel = [ { level = 'velocity', batch = 64, rate = 1e-2, \
    objective = { name = 'likelihood' } } ]\n";
const KEEP: &str = "[coupling]\nname = 'conditional_ot'\n";

fn map_fit() -> String {
    FIT.replace("'flow_matching' }", "'mean_flow' }, spans = { off_diagonal = 0.5 }")
}

/// Points (i, sin i) at the place (i, -i), of class i mod 3.
fn save(place: &Place) {
    let x = Array2::<f64>::from_shape_fn((90, 2), |(i, j)| if j == 0 { i as f64 } else { (i as f64).sin() });
    let at = Array2::<f32>::from_shape_fn((90, 2), |(i, j)| if j == 0 { i as f32 / 90.0 } else { -(i as f32) / 90.0 });
    let classes = Array1::<i64>::from_shape_fn(90, |i| (i % 3) as i64);
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path("own.npz")).unwrap());
    npz.add_array("data", &x).unwrap();
    npz.add_array("place", &at).unwrap();
    npz.add_array("labels", &classes).unwrap();
    npz.finish().unwrap();
}

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn trained(place: &Place, name: &str, text: &str) {
    place.write(&format!("{name}.toml"), text);
    succeed(place, &["train", &format!("{name}.toml"), "--name", name]);
}

fn tensors(run: &Path) -> Vec<(String, Vec<u8>)> {
    let newest = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0);
    let mut files: Vec<_> = fs::read_dir(&newest).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    files.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_conditional_training_goes_on_to_the_bit() {
    let reflow = "[coupling]\nname = 'reflow'\nrounds = 1\npairs = 64\nsolver = 'euler'\nnfe = 2\n";
    for (name, text) in [
        ("classes", format!("{HEAD}{CLASSES}{KEEP}{NET}{FIT}")),
        ("map", format!("{HEAD}{CLASSES}{KEEP}{}{}", NET.replace("[8]", "[8]\nmap = true"), map_fit())),
        ("vectors", format!("{HEAD}{FILE}{KEEP}{NET}{FIT}")),
        ("rectified", format!("{HEAD}{CLASSES}{reflow}{NET}{FIT}")),
        ("path", format!("{}{CLASSES}{NET}{}", HEAD.replace("family = 'linear'", AFFINE), JOINT)),
        (
            "glow",
            format!("{}{CLASSES}{NET}{}", HEAD.replace("family = 'linear'", GLOW), JOINT.replace("0.01 }", "0.0 }")),
        ),
        ("transport", format!("{}{CLASSES}{NET}{}", HEAD.replace("family = 'linear'", TRANSPORT), CARRIED)),
        ("flow", format!("{HEAD}{CLASSES}{FLOW}")),
    ] {
        let place = Place::new();
        save(&place);
        trained(&place, name, &text);
        let run = place.path(&format!("runs/{name}"));
        let whole = tensors(&run);
        for path in strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap() {
            let step: u64 = path.file_name().unwrap().to_string_lossy()["step-".len()..].parse().unwrap();
            if step > 3 {
                fs::remove_dir_all(path).unwrap();
            }
        }
        succeed(&place, &["train", "--resume", name]);
        assert!(whole == tensors(&run), "{name}: another end after a stop");
        let summary = json(&run.join("summary.json"));
        assert!(summary["likelihood"]["nats"].as_f64().unwrap().is_finite(), "{name}: {summary}");
        let classes = summary["classes"].as_array().map_or(0, Vec::len);
        let expected = match name {
            "vectors" => 0,
            "flow" => 2,
            _ => 4,
        };
        assert_eq!(classes, expected, "{name}: two classes at two counts, or at one");
    }
}

fn arrays(place: &Place, name: &str) -> (Array2<f64>, Option<Array1<i64>>) {
    let mut npz = ndarray_npy::NpzReader::new(File::open(place.path(name)).unwrap()).unwrap();
    let samples = match npz.by_name::<ndarray::OwnedRepr<f32>, ndarray::Ix2>("samples") {
        Ok(samples) => samples.mapv(f64::from),
        Err(_) => npz.by_name("samples").unwrap(),
    };
    (samples, npz.by_name("labels").ok())
}

/// A flow for each class, fitted by its likelihood given the class, draws the class that is asked for; none is refused.
#[test]
fn a_conditional_flow_draws_the_class_that_is_asked_for() {
    let place = Place::new();
    let x = Array2::<f64>::from_shape_fn((256, 2), |(i, j)| {
        let centre = if i % 2 == 0 { 6.0 } else { -6.0 };
        centre + ((i * (3 + j)) as f64).sin()
    });
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path("own.npz")).unwrap());
    npz.add_array("data", &x).unwrap();
    npz.add_array("labels", &Array1::<i64>::from_shape_fn(256, |i| (i % 2) as i64)).unwrap();
    npz.finish().unwrap();
    let data = "[data]\nfile = 'own.npz'\ncondition = 'labels'\n";
    trained(&place, "flow", &format!("{HEAD}{data}{}", FLOW.replace("turns = 8", "turns = 150")));
    for (class, centre) in [("0", 6.0), ("1", -6.0)] {
        succeed(&place, &["sample", "flow", "--class", class, "--count", "200", "--out", "x.npz"]);
        let (x, _) = arrays(&place, "x.npz");
        let mean = x.mean().unwrap();
        assert!((mean - centre).abs() < 1.5, "class {class}: mean {mean}");
    }
    let (line, code) = place.refusal(&["sample", "flow", "--count", "5"]);
    assert!(line.contains("--class") && code == 2, "{line}");
    let (line, code) = place.refusal(&["sample", "flow", "--class", "1", "--guidance", "2"]);
    assert!(line.contains("--guidance 2") && code == 2, "{line}");
    place.write(
        "drop.toml",
        format!("{HEAD}{data}{}", FLOW.replace("batch = 64,", "batch = 64, condition_drop = 0.1,")),
    );
    let (line, code) = place.refusal(&["train", "drop.toml"]);
    assert!(line.contains("phase.0.level.0.condition_drop") && code == 2, "{line}");
}

#[test]
fn samples_are_drawn_by_class_and_guided_and_their_labels_are_kept() {
    let place = Place::new();
    trained(&place, "a", &format!("{HEAD}{CLASSES}{KEEP}{NET}{FIT}"));
    let drawn = |arguments: &[&str]| {
        succeed(&place, &[&["sample", "a", "--out", "x.npz"], arguments].concat());
        arrays(&place, "x.npz")
    };
    let (one, labels) = drawn(&["--class", "1", "--count", "5", "--nfe", "2"]);
    assert_eq!((one.dim(), labels.unwrap().to_vec()), ((5, 2), vec![1; 5]));
    let (both, labels) = drawn(&["--classes", "1,0", "--count", "3", "--nfe", "2"]);
    assert_eq!(labels.unwrap().to_vec(), [1, 1, 1, 0, 0, 0]);
    assert_eq!(both.row(0), one.row(0), "the same source point under the same class");
    let (more, _) = drawn(&["--classes", "1,0", "--count", "5", "--nfe", "2"]);
    for class in 0..2 {
        let first = |x: &Array2<f64>, each: usize| x.slice(ndarray::s![each * class..each * class + 3, ..]).to_owned();
        assert_eq!(first(&more, 5), first(&both, 3), "the first of class {class}, however many there are");
    }
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path("c.npz")).unwrap());
    npz.add_array("labels", &ndarray::arr1(&[1i64, 0, 1, 1])).unwrap();
    npz.finish().unwrap();
    let (asked, labels) = drawn(&["--conditions", "c.npz", "--nfe", "2"]);
    assert_eq!(labels.unwrap().to_vec(), [1, 0, 1, 1]);
    assert!(asked.row(0) == one.row(0) && asked.row(1) != one.row(1) && asked.row(2) == one.row(2));
    ndarray_npy::write_npy(place.path("c.npy"), &ndarray::arr1(&[1i64, 0, 1, 1])).unwrap();
    assert_eq!(
        drawn(&["--conditions", "c.npy", "--nfe", "2"]),
        (asked, Some(ndarray::arr1(&[1, 0, 1, 1]))),
        "a single array"
    );
    let (none, labels) = drawn(&["--count", "5", "--nfe", "2"]);
    assert!(labels.is_none() && none != one);
    // At guidance 0 the class does not matter, at 1 it is the velocity of the class; else two evaluations a step.
    let guided = |weight, nfe| drawn(&["--class", "1", "--count", "5", "--guidance", weight, "--nfe", nfe]).0;
    assert_eq!(guided("1", "2"), one);
    assert_eq!(guided("0", "2"), none);
    assert!(guided("2", "4") != one && guided("2", "4") != guided("5", "4"));
    succeed(&place, &["sample", "a", "--classes", "0,1", "--out", "x.png"]);
    let printed = succeed(&place, &["evaluate", "a", "--nfe", "2"]);
    assert!(printed.contains("class 0") && printed.contains("class 1"), "{printed}");
    let page = fs::read_to_string(place.path("runs/a/report/index.html")).unwrap();
    assert!(page.contains("Samples of each class"));
}

#[test]
fn a_measurement_is_guided_where_it_is_asked_for_and_says_so() {
    let place = Place::new();
    trained(&place, "a", &format!("{HEAD}{CLASSES}{KEEP}{NET}{FIT}"));
    let measured = |arguments: &[&str]| {
        succeed(&place, &[&["evaluate", "a"], arguments].concat());
        json(&place.path("runs/a/summary.json"))
    };
    let [plain, same] = [&["--nfe", "2,4"][..], &["--nfe", "2,4", "--guidance", "1"]].map(measured);
    assert_eq!(plain["evaluations"], same["evaluations"]);
    let page = || fs::read_to_string(place.path("runs/a/report/index.html")).unwrap();
    assert!(!page().contains("guided to their condition"));
    let guided = measured(&["--nfe", "4", "--guidance", "2"]);
    assert_eq!(guided["evaluate"]["guidance"], 2.0);
    assert!(page().contains("guided to their condition by a weight of 2"));
    let of = |summary: &serde_json::Value, nfe: u64| {
        let own = summary["evaluations"].as_array().unwrap().iter();
        own.filter(|e| e["nfe"] == nfe).map(|e| e["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    // Two steps of two evaluations each, and of another law than that of as many steps or as many evaluations.
    assert!(!of(&guided, 4).is_empty() && of(&guided, 4) != of(&plain, 4) && of(&guided, 4) != of(&plain, 2));
    assert_eq!(of(&guided, 2).len() + of(&guided, 8).len(), 0, "{guided}");
    // At 0 a step is one evaluation, and the class is nothing to it.
    let none = measured(&["--nfe", "2", "--guidance", "0"]);
    assert!(of(&none, 2).len() == of(&plain, 2).len() && of(&none, 2) != of(&plain, 2));
    for own in ["likelihood", "straightness"] {
        assert_eq!(guided[own], plain[own], "of the velocity itself");
    }
}

#[test]
fn pairs_that_keep_their_class_are_a_method_of_a_comparison() {
    let place = Place::new();
    place.write("classes.toml", format!("{HEAD}{CLASSES}{NET}{FIT}"));
    place.write(
        "plain.toml",
        format!("{HEAD}[data]\nname = 'moons'\n{NET}{}", FIT.replace(", condition_drop = 0.25", "")),
    );
    let methods = ["--methods", "ot,conditional_ot", "--name", "c"];
    succeed(&place, &[&["compare", "classes.toml"], &methods[..]].concat());
    let config = |method: &str| fs::read_to_string(place.path(&format!("runs/c/{method}-3/config.toml"))).unwrap();
    assert!(config("conditional_ot").contains("name = \"conditional_ot\"\nshare = 0.05"));
    assert!(config("ot").contains("name = \"ot\"") && config("ot").contains("condition_drop = 0.25"));
    save(&place);
    place.write("vectors.toml", format!("{HEAD}{FILE}{NET}{FIT}"));
    let share =
        ["--set", "coupling={ name = 'conditional_ot', share = 0.5 }", "--methods", "conditional_ot", "--name", "d"];
    succeed(&place, &[&["compare", "vectors.toml"], &share[..]].concat());
    let (line, code) = place.refusal(&[&["compare", "classes.toml"], &share[..5], &["e"]].concat());
    assert!(line.contains("coupling.share = 0.5 must be left out") && code == 2, "{line}");
    assert!(fs::read_to_string(place.path("runs/d/conditional_ot-3/config.toml")).unwrap().contains("share = 0.5"));
    let (line, code) = place.refusal(&["compare", "plain.toml", "--methods", "conditional_ot"]);
    assert!(line.contains("conditional_ot is left out: the preset's data have no condition") && code == 2, "{line}");
}

#[test]
fn what_a_run_is_not_conditioned_on_is_refused_in_one_line() {
    let place = Place::new();
    save(&place);
    let all = FIT.replace(", condition_drop = 0.25", "");
    trained(&place, "classes", &format!("{HEAD}{CLASSES}{KEEP}{NET}{all}"));
    trained(&place, "vectors", &format!("{HEAD}{FILE}{NET}{FIT}"));
    trained(&place, "plain", &format!("{HEAD}[data]\nname = 'moons'\n{NET}{all}"));
    place.write("words.npz", "a,b\n1,2\n");
    fs::create_dir(place.path("folder.npz")).unwrap();
    let map = NET.replace("[8]", "[8]\nmap = true");
    trained(&place, "map", &format!("{HEAD}{CLASSES}{map}{}", map_fit()));
    for (arguments, said) in [
        (&["classes", "--class", "2"][..], "label 2 is not one of the run's 2 classes, 0 to 1"),
        (&["classes", "--classes", "0,-1"], "label -1"),
        (&["classes"], "give --class, or --classes, of 0 to 1"),
        (&["classes", "--class", "1", "--guidance", "2"], "the run dropped no conditions"),
        (&["classes", "--conditions", "own.npz"], "label 2 is not one"),
        (&["classes", "--conditions", "none.npz"], "none.npz"),
        (&["classes", "--conditions", "words.npz"], "it is neither an .npy nor an .npz file"),
        (&["classes", "--class", "1", "--out", "folder.npz"], "--out folder.npz: it is a folder"),
        (&["vectors", "--class", "1"], "conditioned on 2 numbers, `place`, and no classes"),
        (&["vectors", "--guidance", "2"], "there is nothing to guide to"),
        (&["vectors", "--conditions", "own.npz", "--guidance", "2", "--nfe", "3"], "take an even count"),
        (&["plain", "--class", "1"], "the run is conditioned on nothing"),
        (&["plain", "--conditions", "own.npz"], "the run is conditioned on nothing"),
        (&["map", "--class", "1", "--guidance", "2"], "is the diagonal of no flow map"),
        (&["map", "--class", "1", "--guidance", "0", "--nfe", "4"], "is the diagonal of no flow map"),
        (&["classes", "--class", "1", "--guidance", "inf"], "must be from -1000 to 1000"),
    ] {
        let (line, code) = place.refusal(&[&["sample"], arguments].concat());
        assert!(line.contains(said) && code != 0, "{arguments:?}: {line}");
    }
    for (run, nfe, guidance, said) in [
        ("classes", "2", "2", "evaluate.guidance = 2.0 must be 1 (the run dropped no conditions"),
        (
            "vectors",
            "2,3",
            "2",
            "evaluate.nfe = 3 must be a count that the solver can take (at a guidance of 2 a step takes 2",
        ),
        ("vectors", "3", "-1", "take an even count"),
        ("plain", "2", "2", "evaluate.guidance = 2.0 must be 1 (the run is conditioned on nothing"),
        ("map", "2", "2", "evaluate.guidance = 2.0 must be 1 (a guided velocity is the diagonal of no flow map"),
        ("vectors", "2", "nan", "evaluate.guidance = nan must be from -1000 to 1000"),
    ] {
        let (line, code) = place.refusal(&["evaluate", run, "--nfe", nfe, &format!("--guidance={guidance}")]);
        assert!(line.contains(said) && code != 0, "{run} {nfe} {guidance}: {line}");
    }
    succeed(&place, &["sample", "vectors", "--conditions", "own.npz", "--out", "x.npz"]);
    for (count, is_said) in [("7", true), ("90", false)] {
        let output = place.run(&["sample", "vectors", "--conditions", "own.npz", "--out", "y.npz", "--count", count]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("--count 7 is passed over") == is_said, "{said}");
    }
    let few = fs::File::create(place.path("few.npz")).unwrap();
    let mut npz = ndarray_npy::NpzWriter::new(few);
    npz.add_array("place", &Array2::<f32>::zeros((4, 3))).unwrap();
    npz.finish().unwrap();
    let (line, _) = place.refusal(&["sample", "vectors", "--conditions", "few.npz"]);
    assert!(line.contains("`place` is [4, 3], and the run's condition is (n, 2)"), "{line}");
    for wrong in [f64::NAN, f64::NEG_INFINITY, 1e300] {
        let mut rows = Array2::<f64>::zeros((5, 2));
        rows[[3, 1]] = wrong;
        ndarray_npy::write_npy(place.path("wrong.npy"), &rows).unwrap();
        let (line, code) = place.refusal(&["sample", "vectors", "--conditions", "wrong.npy"]);
        assert!(line.contains("not finite in single precision in row 3") && code == 2, "{wrong}: {line}");
    }
    ndarray_npy::write_npy(place.path("none.npy"), &Array2::<f64>::zeros((0, 2))).unwrap();
    let (line, code) = place.refusal(&["sample", "vectors", "--conditions", "none.npy"]);
    assert!(line.contains("has no rows") && code == 2, "{line}");
}

#[test]
fn a_condition_that_nothing_takes_or_has_is_refused_by_its_key() {
    let place = Place::new();
    save(&place);
    let config = format!("{HEAD}{CLASSES}{KEEP}{NET}{FIT}");
    for (from, to, said) in [
        ("condition = 'labels'\n", "", "coupling.name"),
        ("condition = 'labels'\n[coupling]\nname = 'conditional_ot'\n", "", "phase.0.level.0.condition_drop"),
        ("'labels'", "'place'", "data.condition"),
        ("'moons'", "'s-curve'", "data.condition"),
        ("condition_drop = 0.25", "condition_drop = 1.5", "condition_drop = 1.5"),
        (
            "hidden = [8]\nema_half_lives = [2.0]",
            "family = 'flow'\nhidden = [8]\nsteps = 2",
            "phase.0.level.0.condition_drop",
        ),
        ("name = 'conditional_ot'", "name = 'conditional_ot'\nshare = 0.0", "coupling.share"),
        ("name = 'conditional_ot'", "name = 'conditional_ot'\nshare = 0.5", "coupling.share = 0.5 must be left out"),
        ("[data]\nname = 'moons'", "[data]\nfile = 'own.npz'\nunits = 'column'\narrays = { data = 'place' }", ""),
    ] {
        let text = config.replace(from, to);
        assert_ne!(text, config, "{from}");
        place.write("b.toml", text);
        if said.is_empty() {
            succeed(&place, &["train", "b.toml", "--name", "b"]);
            continue;
        }
        let (line, code) = place.refusal(&["train", "b.toml"]);
        assert!(line.contains(said) && code != 0, "{to}: {line}");
    }
    let marginal = config.replace("'flow_matching'", "'marginal_flow_matching'").replace(KEEP, "");
    place.write("b.toml", marginal);
    assert!(place.refusal(&["train", "b.toml"]).0.contains("left out where data.condition is given"));
    place.write(
        "b.toml",
        config.replace("name = 'moons'\ncondition = 'labels'", "file = 'own.npz'\ncondition = 'shape'"),
    );
    assert!(place.refusal(&["train", "b.toml"]).0.contains("holds no array `shape`"));
}

/// A class between others that no training point has.
#[test]
fn a_class_without_points_is_said_and_not_sampled() {
    let place = Place::new();
    let mut npz = ndarray_npy::NpzWriter::new(File::create(place.path("own.npz")).unwrap());
    npz.add_array("data", &Array2::<f64>::from_shape_fn((80, 2), |(i, j)| ((i * 7 + j * 5) % 19) as f64 / 7.0))
        .unwrap();
    npz.add_array("labels", &ndarray::Array1::from_shape_fn(80, |i| 2 * (i as i64 % 2))).unwrap();
    npz.add_array("weights", &ndarray::Array1::<f64>::ones(80)).unwrap();
    npz.finish().unwrap();
    let sets = [
        "data.condition='labels'",
        "phase.0.iterations=2",
        "velocity.hidden=[4]",
        "evaluate.nfe=[1]",
        "evaluate.baseline=false",
    ];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let output = place.run(&[&["train", "own.npz", "--name", "a"][..], &sets].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 of the classes 0 to 2 have no training points, such as 1"), "{said}");
    let (line, code) = place.refusal(&["sample", "a", "--classes", "0,1", "--out", "x.npz"]);
    assert!(line.contains("no training point has label 1") && code == 2, "{line}");
    succeed(&place, &["sample", "a", "--classes", "0,2", "--count", "2", "--out", "x.npz"]);
}
