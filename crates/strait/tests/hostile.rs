//! Hostile inputs: each is refused in one line before anything is written, with exit code 2. To add one, add a line to
//! the table.

use crate::common::{Place, TINY};
use std::fs;
use strait::config::load;
use strait_io::{Element, npy, npz};
use tch::{Device, Kind, Tensor};

/// Settings over the preset `8gaussians`.
const SETS: [&str; 109] = [
    "",
    "=",
    "=3",
    "seed",
    "seed=-1",
    "seed=1.5",
    "seed=9223372036854775808",
    "seed=99999999999999999999999999",
    "seed=true",
    "seed=[1]",
    "version=2",
    "version=0",
    "version=\"1\"",
    "data=3",
    "data=[]",
    "data={}",
    "data.name=nothing",
    "data.name=3",
    "data.sd=0",
    "data.sd=-1",
    "data.sd=nan",
    "data.sd=inf",
    "data.sd=1e300",
    "data.radius=0",
    "data.points=1",
    "data.points=-5",
    "data.points=99999999999",
    "data.dimension=3",
    "data.file=x.npz",
    "data.image=[1,8,8]",
    "data.arrays.train=x",
    "data.dequantise=true",
    "data.units=metres",
    "data={ name = \"gaussian\", dimension = 0 }",
    "data={ name = \"gaussian\", dimension = 1000000000 }",
    "source=3",
    "source.name=moon",
    "coupling=3",
    "coupling.name=reflow",
    "coupling={ name = \"reflow\", rounds = 0, pairs = 8, solver = \"euler\", nfe = 4 }",
    "coupling={ name = \"reflow\", rounds = 4000000000, pairs = 8, solver = \"euler\", nfe = 4 }",
    "coupling={ name = \"reflow\", rounds = 1, pairs = 8, solver = \"dopri5\", nfe = 4 }",
    "interpolant=linear",
    "interpolant={ family = \"power\", power = 0.5 }",
    "interpolant={ family = \"power\", power = inf }",
    "interpolant={ family = \"monotone\", degree = 1 }",
    "interpolant={ family = \"monotone\", degree = 1000000000 }",
    "interpolant={ family = \"glow\", steps = 0, hidden = [8] }",
    "interpolant={ family = \"glow\", steps = 1000000000, hidden = [8] }",
    "interpolant={ family = \"variance_preserving\", beta = 0 }",
    "interpolant={ family = \"affine\", hidden = [0], mixing = \"diagonal\", log_scale_bound = 1.0 }",
    "interpolant={ family = \"affine\", hidden = [8], mixing = \"diagonal\", log_scale_bound = -1.0 }",
    "velocity=3",
    "velocity.hidden=3",
    "velocity.hidden=[0]",
    "velocity.hidden=[-1]",
    "velocity.hidden=[1000000000]",
    "velocity.hidden=[32768, 32768]",
    "velocity.hidden=[1.5]",
    "velocity.time_octaves=100",
    "velocity.ema_half_lives=[0.0]",
    "velocity.ema_half_lives=[nan]",
    "velocity.ema_half_lives=[5.0, 5.0]",
    "velocity.family=none",
    "velocity.steps=3",
    "phase=3",
    "phase=[]",
    "phase.0=3",
    "phase.9.iterations=3",
    "phase.-1.iterations=3",
    "phase.0.iterations=0",
    "phase.0.iterations=-1",
    "phase.0.iterations=9000000000000000000",
    "phase.0.iterations=999999999999999",
    "phase.0.level.0.steps=4000000000",
    "phase.0.level.0.batch=0",
    "phase.0.level.0.batch=9000000000000000000",
    "phase.0.level.0.rate=0",
    "phase.0.level.0.rate=nan",
    "phase.0.level.0.clip=0",
    "phase.0.level.0.clip=1e-300",
    "phase.0.level.0.weight_decay=1e6",
    "velocity.ema_half_lives=[1e-300]",
    "interpolant={ family = \"power\", power = 20.0 }",
    "phase.0.level.0.betas=[1.0, 1.0]",
    "phase.0.level.0.betas=[0.9]",
    "phase.0.level.0.noise=-1",
    "phase.0.level.0.objective=3",
    "phase.0.level.0.objective.name=likelihood",
    "phase.0.level.0.plus=[{ objective = { name = \"field_straightness\" }, weight = 1e39, ramp = 0 }]",
    "phase.1.level.1.objective.acceleration=1e39",
    "evaluate.guidance=1e300",
    "evaluate.guidance=nan",
    "evaluate.baseline=yes",
    "velocity.hidden=8,8",
    "evaluate.nfe=[]",
    "evaluate.nfe=[0]",
    "evaluate.nfe=[1,1]",
    "evaluate.nfe=[1,2,4,2]",
    "evaluate.nfe=[1000000000000]",
    "evaluate.samples=1",
    "evaluate.solver=magic",
    "log.every=0",
    "phase.0.name=\"one\\ntwo\"",
    "phase.0.name=\" \"",
    "phase.0.level.0.betas.0=0.5",
    "phase.0.level.0.plus.0.weight=2",
    "velocity.hidden={ a = 1 }",
    "log.nothing=1",
];

/// Whole configs.
const TEXTS: [&str; 14] = [
    "",
    "version",
    "version = 1",
    "version = 1\nversion = 1",
    "version = 'one'",
    "\u{0}",
    "[[[",
    "{\"version\": 1}",
    "version = 1\n[data]\nname = \"8gaussians\"\n",
    "version = 1\ndata = 1\ninterpolant = 2\nvelocity = 3\n",
    "version = 1\nnothing = 1\n[data]\nname = 'moons'\n[interpolant]\nfamily = 'linear'\n[velocity]\nhidden = [8]\n",
    "version = 1\n[data]\nname = 'moons'\n[interpolant]\nfamily = 'linear'\n[velocity]\nhidden = [8]\n",
    "version = 1\n[data]\nname = 'moons'\n[interpolant]\nfamily = 'residual'\nhidden = [8]\nbase = 3\n[velocity]\nhidden = [8]\n",
    "# only a remark",
];

/// A name that no file system takes.
const LONG: &str = concat!(
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
);

/// Arguments of the program.
const ARGUMENTS: [&[&str]; 38] = [
    &[],
    &["nothing"],
    &["train", "--nothing"],
    &["train", "8gausians"],
    &["train", "/"],
    &["train", "."],
    &["train", "pipe.toml"],
    &["train", "\u{1F600}"],
    &["train", "tiny.toml", "--name", "a/b"],
    &["train", "tiny.toml", "--name", ".."],
    &["train", "tiny.toml", "--name", ""],
    &["train", "tiny.toml", "--name=-x"],
    &["train", "tiny.toml", "--name", "two\nlines"],
    &["train", "tiny.toml", "--name", LONG],
    &["train", "tiny.toml", "--device", "tpu"],
    &["train", "tiny.toml", "--set"],
    &["train", "tiny.toml", "--set", "data.points=40"],
    &["train", "tiny.toml", "--set", "data.sd=0"],
    &["train", "tiny.toml", "--set", "data={ file = \"pipe.npy\" }"],
    &["train", "tiny.toml", "--set", "data={ file = \"digits\" }"],
    &["train", "--resume", "x", "--name", "y"],
    &["sample"],
    &["sample", "x", "--nfe", "0"],
    &["sample", "x", "--nfe", "-1"],
    &["sample", "x", "--nfe", "99999999999"],
    &["sample", "x", "--count", "0"],
    &["sample", "x", "--count", "9000000000000000000"],
    &["sample", "x", "--seed", "-1"],
    &["sample", "x", "--guidance", "1e308"],
    &["sample", "x", "--guidance", "nan"],
    &["sample", "x", "--solver", "magic"],
    &["sample", "x", "--out", "x.txt"],
    &["sample", "x", "--out", "nowhere/x.npz"],
    &["report"],
    &["compare", "tiny.toml", "--seeds", "0"],
    &["compare", "tiny.toml", "--methods", "ot,linear,ot"],
    &["compare", "tiny.toml", "--set", "seed=9223372036854775807", "--seeds", "2"],
    &["inspect", "nothing.npz"],
];

/// One line, of a length that a terminal shows, in words.
fn check(what: &str, line: &str) {
    assert!(!line.trim().is_empty() && line.lines().count() == 1, "{what}: {line}");
    assert!(line.chars().count() < 500, "{what}: {} characters", line.chars().count());
    for word in [
        "Some(",
        "None",
        "internally tagged",
        "struct ",
        "panicked",
        "unwrap",
        "sequence",
        "a boolean",
        ": map",
        "tuple",
        "string",
        "floating",
    ] {
        assert!(!line.contains(word), "{what}: {line}");
    }
}

#[test]
fn settings_that_make_no_run_are_refused_in_words() {
    let deep = format!("{}=1", vec!["a"; 100_000].join("."));
    let nested = format!("data={}{}", "[".repeat(100_000), "]".repeat(100_000));
    let tables = format!("data={{ {} = 1 }}", vec!["a"; 3000].join("."));
    let long = format!("data.name={}", "x".repeat(60_000));
    let longer = format!("data.name={}", "x".repeat(1_400_000));
    for set in SETS.into_iter().chain([&*deep, &*nested, &*tables, &*long, &*longer]) {
        let what: String = set.chars().take(60).collect();
        match load("8gaussians", &[set.to_owned()]) {
            Err(error) => check(&what, &error.to_string()),
            Ok(_) => panic!("{what} is taken"),
        }
    }
}

#[test]
fn texts_that_are_no_config_are_refused_in_words() {
    let place = Place::new();
    let deep = format!("version = 1\n{} = 1\n", vec!["a"; 100_000].join("."));
    let path = place.path("hostile.toml");
    for text in TEXTS.iter().copied().chain([&*deep]) {
        fs::write(&path, text).unwrap();
        let what: String = text.chars().take(60).collect();
        match load(path.to_str().unwrap(), &[]) {
            Err(error) => check(&what, &error.to_string()),
            Ok(_) => panic!("{what} is taken"),
        }
    }
    fs::write(&path, b"version = 1\n\xff\xfe").unwrap();
    check("no text", &load(path.to_str().unwrap(), &[]).unwrap_err().to_string());
    fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    check("two megabytes", &load(path.to_str().unwrap(), &[]).unwrap_err().to_string());
}

#[test]
fn arguments_that_cannot_be_used_end_with_2_and_leave_nothing() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    for pipe in ["pipe.toml", "pipe.npy"] {
        assert!(std::process::Command::new("mkfifo").arg(place.path(pipe)).status().unwrap().success());
    }
    let before = fs::read_dir(place.path("")).unwrap().count();
    for arguments in ARGUMENTS {
        let output = place.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        // clap says its own in several lines.
        if said.starts_with("strait: ") {
            check(&format!("{arguments:?}"), &said);
        }
        assert!(!said.contains("use '--"), "that is how no value of an option is given: {said}");
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(fs::read_dir(place.path("")).unwrap().count(), before, "{arguments:?} left something behind");
    }
}

/// What lies in a file is as much of what was asked for as its name: 2, whatever is wrong with it.
#[test]
fn data_that_cannot_be_used_end_with_2() {
    let place = Place::new();
    let array = |name: &str, x: &Tensor| npy::write(&place.path(name), x, Element::F64).unwrap();
    let x = Tensor::arange(80, (Kind::Double, Device::Cpu)).view([40, 2]).sin();
    array("good.npy", &x);
    let good = fs::read(place.path("good.npy")).unwrap();
    place.write("empty.npy", "");
    place.write("cut.npy", &good[..300]);
    place.write("text.npy", "1, 2\n3, 4\n");
    place.write("version.npy", [&good[..6], &[9], &good[7..]].concat());
    place.write("none.npz", [&b"PK\x05\x06"[..], &[0; 18]].concat());
    place.write("zip.npz", b"PK\x03\x04 no archive");
    array("scalar.npy", &Tensor::from(1.0));
    array("line.npy", &x.view([-1]));
    array("two.npy", &x.narrow(0, 0, 2));
    array("nan.npy", &(&x / Tensor::zeros_like(&x)));
    npz::write(&place.path("other.npz"), &[("weights", &x, Element::F64), ("bias", &x, Element::F64)]).unwrap();
    npz::write(&place.path("wide.npz"), &[("train", &x, Element::F64), ("test", &x.view([20, 4]), Element::F64)])
        .unwrap();
    fs::create_dir(place.path("folder.npy")).unwrap();
    for name in [
        "missing.npy",
        "empty.npy",
        "cut.npy",
        "text.npy",
        "version.npy",
        "none.npz",
        "zip.npz",
        "scalar.npy",
        "line.npy",
        "two.npy",
        "nan.npy",
        "other.npz",
        "wide.npz",
        "folder.npy",
    ] {
        let set = format!("data={{ file = '{name}' }}");
        for arguments in [&["train", "tiny.toml", "--set", &set][..], &["inspect", name]] {
            // A look at a file shows what would be refused of what it can read.
            if arguments[0] == "inspect" && ["two.npy", "nan.npy", "wide.npz"].contains(&name) {
                continue;
            }
            let (line, code) = place.refusal(arguments);
            assert_eq!(code, 2, "{arguments:?}: {line}");
            check(name, &line);
        }
    }
    assert!(!place.path("runs").exists());
}

/// A number below 0 is a number, not an option.
#[test]
fn options_take_numbers_below_zero() {
    let place = Place::new();
    for [option, value] in [["--guidance", "-1"], ["--class", "-1"], ["--classes", "-1"]] {
        let (line, code) = place.refusal(&["sample", "x", option, value]);
        assert!(code == 2 && line.contains("there is no such run"), "{line}");
    }
    let (line, code) = place.refusal(&["evaluate", "x", "--guidance", "-1"]);
    assert!(code == 2 && line.contains("there is no such run"), "{line}");
}

#[test]
fn a_misspelt_preset_gets_a_suggestion_and_a_missing_file_is_not_fetched() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    let (line, code) = place.refusal(&["train", "8gausians"]);
    assert!(code == 2 && line.contains("did you mean `8gaussians`?") && line.contains("--list"), "{line}");
    let (line, code) = place.refusal(&["train", "tiny.toml", "--set", "data={ file = \"digits\" }"]);
    assert!(code == 2 && line.contains("there is no such file") && !line.contains("fetch"), "{line}");
}

/// What is said of a run that is not there stays one short line, however many are.
#[test]
fn a_long_list_of_runs_is_cut() {
    let place = Place::new();
    for k in 0..300 {
        fs::create_dir_all(place.path(&format!("runs/run-{k:03}-{}", "x".repeat(60)))).unwrap();
    }
    let (line, code) = place.refusal(&["sample", "none"]);
    check("300 runs", &line.replace(&"x".repeat(60), ""));
    assert!(code == 2 && line.contains("there are 300, as run-000") && line.contains("run-007"), "{line}");
    assert!(!line.contains("run-008"), "{line}");
}
