//! Runs on images, from synthetic files in the formats of the real data sets.

use crate::common::{Place, json};
use indicatif::{MultiProgress, ProgressDrawTarget};
use std::fs;
use std::path::Path;
use strait::build;
use strait::config::load;
use strait::evaluation::choose_solver::choose;
use strait::run::command::CommandContext;
use strait::run::stop::Stop;
use strait::training::context::RunContext;
use strait::training::training_run::TrainingRun;
use strait_core::Seed;
use tch::{CModule, Device, Kind, Tensor};

/// Images of two halves, whose places and shades are by their number.
fn pixels(i: usize, side: usize) -> impl Iterator<Item = u8> {
    (0..side * side).map(move |at| if (at / side + i) % side < side / 2 { 200 - (i % 90) as u8 } else { 10 })
}

fn idx(shape: &[usize], values: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|&n| (n as u32).to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn clothes(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (part, n) in [("train", 60), ("t10k", 20)] {
        let images = idx(&[n, 28, 28], (0..n).flat_map(|i| pixels(i, 28)).collect());
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let labels = idx(&[n], (0..n).map(|i| (i % 10) as u8).collect());
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
}

fn cifar(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let record = |i: usize| [(i % 10) as u8].into_iter().chain((0..3).flat_map(move |_| pixels(i, 32)));
    for batch in 0..5 {
        let bytes: Vec<u8> = (0..10).flat_map(|i| record(10 * batch + i)).collect();
        fs::write(folder.join(format!("data_batch_{}.bin", batch + 1)), bytes).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), (0..16).flat_map(record).collect::<Vec<u8>>()).unwrap();
}

/// Few of everything, so that the end of a run is short.
const SHORT: [&str; 9] = [
    "evaluate.nfe=[1, 2]",
    "evaluate.samples=8",
    "evaluate.dynamics={ steps = 2, trajectories = 4, times = 2 }",
    "evaluate.likelihood={ steps = 2, probed_points = 2, probe_pairs = 1 }",
    "evaluate.exact_field={ candidates = 8, queries = 2 }",
    "log.every=2",
    "log.checkpoint=2",
    "log.keep=50",
    "velocity.ema_half_lives=[3.0]",
];

/// In place of the preset's OT pairs.
const DRAWN: &str = "coupling={ name = 'independent' }";

fn arguments<'a>(preset: &'a str, name: &'a str, sets: &[&'a str]) -> Vec<&'a str> {
    let sets = SHORT.iter().chain(sets).flat_map(|set| ["--set", set]);
    ["train", preset, "--name", name].into_iter().chain(sets).collect()
}

fn done(place: &Place, arguments: &[&str]) {
    let output = place.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn newest(run: &Path) -> Vec<Vec<u8>> {
    let newest = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0);
    let mut files: Vec<_> = fs::read_dir(&newest).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn fashion_mnist_trains_with_each_image_network_and_resumes_to_the_bit() {
    let place = Place::new();
    clothes(&place.path("data/fashion-mnist"));
    let unet = [
        "velocity.channels=8",
        "velocity.embedding=8",
        "phase.0.iterations=3",
        "phase.0.level.0.batch=8",
        "phase.1.iterations=6",
        "phase.1.level.0.batch=8",
    ];
    done(&place, &arguments("fashion-mnist", "unet", &unet));
    let run = place.path("runs/unet");
    assert_eq!(json(&run.join("summary.json"))["method"], "flow_map");
    let whole = newest(&run);
    // As if it had been killed after its fourth iteration.
    let mut checkpoints = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap();
    checkpoints.drain(..1).for_each(|path| fs::remove_dir_all(path).unwrap());
    done(&place, &["train", "--resume", "runs/unet"]);
    assert_eq!(newest(&run), whole);
    let transformer = "velocity={ family = 'transformer', width = 8, depth = 1, heads = 2, embedding = 8 }";
    let plain = "phase=[{ name = 'velocity', iterations = 2, level = [{ level = 'velocity', batch = 8, rate = 1e-3, \
                 objective = { name = 'flow_matching' } }] }]";
    done(&place, &arguments("fashion-mnist", "transformer", &[DRAWN, plain, transformer]));
    assert_eq!(json(&place.path("runs/transformer/summary.json"))["method"], "linear");
}

/// The usual network takes four steps; what would be measured of it then is left out, for it takes minutes.
#[test]
fn the_usual_network_takes_steps_on_cifar10() {
    let place = Place::new();
    cifar(&place.path("pictures"));
    let data = format!("data={{ folder = {:?}, flips = true }}", place.path("pictures"));
    let few = [
        "phase.0.iterations=4",
        "phase.0.level.0.batch=1",
        "log.every=2",
        "log.checkpoint=4",
        "velocity.ema_half_lives=[]",
    ]
    .map(str::to_owned);
    let config = load("cifar10", &[&[data][..], &few].concat()).unwrap();
    let context = RunContext::new(&config, "cpu").unwrap();
    assert_eq!(context.data.points.event_shape(), [3, 32, 32]);
    let velocity = build::velocity(&config.velocity, build::Samples::of(&[3, 32, 32]), Seed(0), Device::Cpu).unwrap();
    let parameters = velocity.parameters.count();
    assert!((30_000_000..45_000_000).contains(&parameters), "{parameters}");
    let (stop, bars) = (Stop::on_signals().unwrap(), MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
    let command = CommandContext {
        stop: &stop,
        ranks: &strait::run::ranks::Ranks::default(),
        bars: &bars,
        resume_command: String::new(),
    };
    let run = place.path("run");
    fs::create_dir(&run).unwrap();
    TrainingRun::new(&config, &run).train(&context, &command, choose).unwrap();
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
}

/// Paths by convolutions, and by a Glow of images.
#[test]
fn learned_paths_train_on_images() {
    let place = Place::new();
    clothes(&place.path("data/fashion-mnist"));
    let velocity = "velocity={ family = 'unet', channels = 4, embedding = 4 }";
    let plain = "{ level = 'velocity', objective = { name = 'flow_matching' }, batch = 8, rate = 1e-3 }";
    let energy =
        "{ level = 'interpolant', objective = { name = 'energy', acceleration = 1e-3 }, batch = 8, rate = 1e-3 }";
    let together = format!("{{ name = 'together', iterations = 2, level = [{plain}, {energy}] }}");
    let phase = format!("phase=[{together}, {{ name = 'final', iterations = 2, level = [{plain}] }}]");
    for (name, path) in [
        (
            "affine",
            "{ family = 'affine', hidden = [8], mixing = 'diagonal', log_scale_bound = 2.0, convolutional = true }",
        ),
        ("residual", "{ family = 'residual', hidden = [8], convolutional = true }"),
        ("glow", "{ family = 'glow', steps = 1, hidden = [8] }"),
    ] {
        let interpolant = format!("interpolant={path}");
        done(&place, &arguments("fashion-mnist", name, &[DRAWN, &interpolant, velocity, &phase]));
        assert!(place.path(&format!("runs/{name}/report/index.html")).is_file());
    }
}

/// The joint form has a Glow of the images' own, as wide as half of the velocity.
#[test]
fn the_paper_is_a_row_of_images() {
    let place = Place::new();
    clothes(&place.path("data/fashion-mnist"));
    let velocity = "velocity={ family = 'unet', channels = 4, embedding = 4 }";
    let phase = "phase=[{ name = 'fit', iterations = 12, level = [{ level = 'velocity', \
                 objective = { name = 'flow_matching' }, batch = 8, rate = 1e-3 }] }]";
    let settings = [DRAWN, "compare.joint.glow_steps=1", velocity, phase];
    let mut arguments = vec!["compare", "fashion-mnist", "--methods", "paper", "--name", "row"];
    arguments.extend(SHORT.iter().take(8).chain(&settings).flat_map(|&setting| ["--set", setting]));
    done(&place, &arguments);
    let config = fs::read_to_string(place.path("runs/row/paper-0/config.toml")).unwrap();
    assert!(config.contains("family = \"glow\"") && config.contains("hidden = [2]"), "{config}");
    let summary = json(&place.path("runs/row/paper-0/summary.json"));
    assert_eq!(summary["gradient_steps"], 12);
}

/// A network of one's own is taken for that of FID; its features of real images are kept, by what went in.
#[test]
fn images_are_compared_in_named_features() {
    let place = Place::new();
    clothes(&place.path("data/fashion-mnist"));
    let short = "phase=[{ name = 'a', iterations = 2, level = [{ level = 'velocity', objective = { name = 'flow_matching' }, \
                 batch = 4, rate = 1e-3 }] }]";
    let network = "velocity={ family = 'unet', channels = 8, multipliers = [1], blocks = 1, attention = 0 }";
    done(&place, &arguments("fashion-mnist", "a", &[DRAWN, short, network]));
    let x = Tensor::rand([2, 3, 28, 28], (Kind::Float, Device::Cpu));
    let pooled = |x: &Tensor| x.avg_pool2d([7, 14], [7, 14], [0, 0], false, true, None).flatten(1, -1);
    let net = CModule::create_by_tracing("Net", "forward", &[x], &mut |x| vec![pooled(&x[0])]).unwrap();
    net.save(place.path("mine.pt")).unwrap();
    let measured = || {
        done(&place, &["evaluate", "a", "--features", "mine.pt", "--nfe", "1"]);
        let summary = json(&place.path("runs/a/summary.json"));
        let found = summary["evaluations"].as_array().unwrap().clone();
        let of = |metric: &str| found.iter().find(|e| e["metric"] == metric).cloned();
        assert_eq!((summary["judged_by"].as_str(), of("frechet_classifier")), (Some("fid"), None));
        assert!(["kid", "coverage_inception", "recall_inception"].iter().all(|metric| of(metric).is_some()));
        let fid = of("fid").unwrap();
        assert!(fid["reference"].as_str().unwrap().contains("features: Inception, weights "), "{fid}");
        (fid["value"].as_f64().unwrap(), fid["floor"].as_f64().unwrap())
    };
    let (value, floor) = measured();
    assert!(value > floor && floor > 0.0, "{value} {floor}");
    let kept: Vec<_> =
        fs::read_dir(place.path("data/features/inception")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(kept.len(), 2, "of the reference and of its floor");
    assert_eq!(measured(), (value, floor));
    for path in &kept {
        let zeros = Tensor::zeros([8, 24], (Kind::Float, Device::Cpu));
        strait_io::tensors::write(path, &[("features".into(), zeros)]).unwrap();
    }
    assert!(measured().1.abs() < 1e-9, "both are as they were kept");

    let output = place.run(&["evaluate", "a", "--features", "lite0"]);
    assert_eq!(output.status.code(), Some(66));
    assert!(String::from_utf8_lossy(&output.stdout).contains("strait:missing-data lite0"));
    let (line, code) = place.refusal(&["evaluate", "a", "--features", "nowhere.pt"]);
    assert!(line.contains("nowhere.pt") && code != 0, "{line} {code}");
    for (features, must) in [("lite0", "data are no images"), ("classifier", "data have no classifier")] {
        let set = format!("evaluate.features={features:?}");
        let (line, code) = place.refusal(&["train", "tiny.toml", "--set", &set]);
        assert!(line.contains(must) && line.contains(features) && code == 2, "{line} {code}");
    }
}

#[test]
fn what_is_missing_or_no_image_is_one_line() {
    let place = Place::new();
    let output = place.run(&["train", "fashion-mnist"]);
    assert_eq!(output.status.code(), Some(66));
    assert!(String::from_utf8_lossy(&output.stdout).contains("strait:missing-data fashion-mnist"));
    let (line, code) = place.refusal(&["train", "cifar10"]);
    assert!(line.contains("no package holds it") && code == 2, "{line} {code}");
    let (line, code) = place.refusal(&["train", "tiny.toml", "--set", "velocity={ family = 'unet' }"]);
    assert!(line.contains("for images of channels, height and width; these samples have shape [2]"), "{line}");
    assert_eq!(code, 2);
    fs::create_dir(place.path("pictures")).unwrap();
    let (line, code) = place.refusal(&["train", "fashion-mnist", "--data", "pictures"]);
    assert!(line.contains("data.image must be given for a folder of pictures"), "{line}");
    assert_eq!(code, 2);
}
