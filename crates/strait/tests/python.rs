//! The Python package beside the crates (`crates/strait-io/python`): its results against the program's.
//!
//! Its own tests run here, in a folder with runs and with networks whose outputs are known, by the interpreter that
//! STRAIT_PYTHON names; `cargo xtask ci` makes one with numpy, safetensors, onnx and onnxruntime. Without the variable, and
//! where a package is not there, a line says what is not tested.

use crate::common::{Place, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use strait_core::{Conditions, Parameters, Seed, StandardNormal, VelocityField};
use strait_io::{Element, npy, npz, tensors};
use strait_nets::{
    Activation, ConditionKind, EmbeddingConfig, Mlp, MlpConfig, MlpFlowMap, Network, TimeFeatures, TorchScript,
    Transformer, TransformerConfig, Unet, UnetConfig,
};
use strait_ode::{AutodiffMode, Divergence, FlowDensity, Method, Options, RungeKutta, TimeGrid, solve};
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../strait-io/python")
}

/// The interpreter, in a place, with the package on its path; None where none is named.
pub(crate) fn python(place: &Place) -> Option<Command> {
    let mut command = Command::new(std::env::var_os("STRAIT_PYTHON").filter(|name| !name.is_empty())?);
    let others = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let paths = std::iter::once(package()).chain(std::env::split_paths(&others));
    command.env("PYTHONPATH", std::env::join_paths(paths).unwrap()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("STRAIT_PLACE", place.path("")).current_dir(place.path(""));
    Some(command)
}

/// To the reader, past what libtest keeps of a test that passes.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    format!("{out}{err}")
}

/// Parameters of a network, none of them zero, its inputs and its outputs, as `networks/NAME.*`.
struct Known<'a> {
    place: &'a Place,
    draws: strait_core::Draws,
}

impl Known<'_> {
    fn normal(&mut self, shape: &[i64]) -> Tensor {
        self.draws.normal(shape, Kind::Float, Device::Cpu).unwrap()
    }

    fn shake(&mut self, parameters: &Parameters) {
        let near = |this: &mut Self, x: &Tensor| x + this.normal(&x.size()) * 0.1;
        let shaken: Vec<_> = parameters.named().iter().map(|(name, x)| (name.clone(), near(self, x))).collect();
        parameters.assign(&shaken).unwrap();
    }

    fn keep(&self, name: &str, config: &serde_json::Value, parameters: &Parameters, arrays: &[(&str, &Tensor)]) {
        let path = |end: &str| self.place.path(&format!("networks/{name}.{end}"));
        tensors::write(&path("parameters.safetensors"), &parameters.named()).unwrap();
        let arrays: Vec<_> = arrays.iter().map(|(name, x)| ((*name).to_owned(), x.shallow_clone())).collect();
        tensors::write(&path("arrays.safetensors"), &arrays).unwrap();
        fs::write(path("json"), config.to_string()).unwrap();
    }

    fn mlp(&mut self, activation: (Activation, &str), octaves: u32, is_map: bool, condition: Option<ConditionKind>) {
        let time = if octaves == 0 { TimeFeatures::Raw } else { TimeFeatures::Fourier(octaves) };
        let (activation, said) = activation;
        let config = MlpConfig { input: 6, hidden: vec![16, 8], output: 6, activation, time, zero_last: false };
        let mut parameters = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
        let (x, s, t) = (self.normal(&[5, 2, 3]), self.normal(&[5]), self.normal(&[5]));
        let kind = match condition {
            None => "plain",
            Some(ConditionKind::Classes(_)) => "classes",
            Some(ConditionKind::Vector(_)) => "vector",
        };
        let rows = match condition {
            None => None,
            Some(ConditionKind::Classes(_)) => Some(Tensor::from_slice(&[2i64, 0, 1, 1, 2])),
            Some(ConditionKind::Vector(n)) => Some(self.normal(&[5, n])),
        };
        let conditions = rows.as_ref().map(|rows| Conditions::of("c", rows.shallow_clone()).unwrap());
        let conditions = conditions.unwrap_or_default();
        let name = format!("mlp-{said}-{octaves}-{is_map}-{kind}");
        let said = serde_json::json!({ "family": "mlp", "hidden": [16, 8], "activation": said, "time_octaves": octaves,
            "map": is_map });
        let field: Box<dyn VelocityField + Send> = match (is_map, condition) {
            (true, Some(kind)) => Box::new(MlpFlowMap::conditional(&config, kind, &mut parameters.root()).unwrap()),
            (true, None) => Box::new(MlpFlowMap::new(&config, &mut parameters.root()).unwrap()),
            (false, Some(kind)) => Box::new(Mlp::conditional(&config, kind, &mut parameters.root()).unwrap()),
            (false, None) => Box::new(Mlp::new(&config, &mut parameters.root()).unwrap()),
        };
        self.shake(&parameters);
        let free = field.velocity(&x, &t).unwrap();
        let given = rows.as_ref().map(|_| field.given(&conditions).unwrap());
        let v = given.as_ref().map_or_else(|| free.shallow_clone(), |given| given.velocity(&x, &t).unwrap());
        let mut arrays = vec![("x", &x), ("t", &t), ("v", &v), ("unconditional", &free)];
        arrays.extend(rows.as_ref().map(|rows| ("condition", rows)));
        let map =
            field.as_flow_map().map(|map| (map.average_velocity(&x, &s, &t).unwrap(), map.carry(&x, &s, &t).unwrap()));
        if let Some((u, carried)) = &map {
            arrays.extend([("s", &s), ("u", u), ("carried", carried)]);
        }
        self.keep(&name, &said, &parameters, &arrays);
    }

    fn images(
        &mut self,
        name: &str,
        config: &serde_json::Value,
        condition: Option<&Tensor>,
        make: impl FnOnce(EmbeddingConfig, &mut Parameters) -> Box<dyn Network>,
    ) {
        let times = config["times"].as_u64().unwrap() as usize;
        let kind = match (config["classes"].as_i64(), config["vector"].as_i64()) {
            (Some(n), _) => Some(ConditionKind::Classes(n)),
            (_, Some(n)) => Some(ConditionKind::Vector(n)),
            _ => None,
        };
        let embedding = EmbeddingConfig { times, features: TimeFeatures::Fourier(3), condition: kind, width: 12 };
        let mut parameters = Parameters::new(Seed(2), Kind::Float, Device::Cpu);
        let network = make(embedding, &mut parameters);
        self.shake(&parameters);
        let (x, s, t) = (self.normal(&[3, 2, 8, 8]), self.normal(&[3]), self.normal(&[3]));
        let both = [&s, &t];
        let given = if times == 2 { &both[..] } else { &both[1..] };
        let y = network.evaluate(&x, given, condition).unwrap();
        let free = network.evaluate(&x, given, None).unwrap();
        let mut arrays = vec![("x", &x), ("t", &t), ("y", &y), ("unconditional", &free)];
        arrays.extend((times == 2).then_some(("s", &s)));
        arrays.extend(condition.map(|condition| ("condition", condition)));
        self.keep(name, config, &parameters, &arrays);
    }
}

fn networks(place: &Place) {
    fs::create_dir(place.path("networks")).unwrap();
    let mut known = Known { place, draws: Seed(7).stream("known").at(0) };
    for is_map in [false, true] {
        known.mlp((Activation::Silu, "silu"), 0, is_map, None);
        known.mlp((Activation::Tanh, "tanh"), 3, is_map, None);
        known.mlp((Activation::Silu, "silu"), 0, is_map, Some(ConditionKind::Classes(3)));
    }
    known.mlp((Activation::Selu, "selu"), 2, false, None);
    known.mlp((Activation::Silu, "silu"), 1, false, Some(ConditionKind::Vector(4)));

    let settings =
        |event: [i64; 3]| UnetConfig { channels: 6, groups: 4, heads: 2, attention: 2, ..UnetConfig::of(event) };
    let unet = serde_json::json!({ "event": [2, 8, 8], "stem": 2, "channels": 6, "groups": 4, "heads": 2, "attention": 2,
        "time_octaves": 3, "embedding_width": 12, "times": 1, "classes": 4 });
    let labels = Tensor::from_slice(&[3i64, 0, 1]);
    known.images("unet-classes", &unet, Some(&labels), |embedding, parameters| {
        let config = UnetConfig { embedding, ..settings([2, 8, 8]) };
        Box::new(Unet::new(&config, &mut parameters.root()).unwrap())
    });
    let mut deep = unet;
    for (key, value) in
        [("stem", 1.into()), ("multipliers", vec![1, 2, 1].into()), ("blocks", 2.into()), ("times", 2.into())]
    {
        deep[key] = value;
    }
    deep["classes"].take();
    known.images("unet-map", &deep, None, |embedding, parameters| {
        let config = UnetConfig { embedding, stem: 1, multipliers: vec![1, 2, 1], blocks: 2, ..settings([2, 8, 8]) };
        Box::new(Unet::new(&config, &mut parameters.root()).unwrap())
    });
    let transformer = serde_json::json!({ "event": [2, 8, 8], "patch": 4, "width": 12, "depth": 2, "heads": 3, "expansion": 2,
        "time_octaves": 3, "embedding_width": 12, "times": 2, "vector": 5 });
    let vectors = known.normal(&[3, 5]);
    known.images("transformer-vector", &transformer, Some(&vectors), |embedding, parameters| {
        let of = TransformerConfig::of([2, 8, 8]);
        let config = TransformerConfig { width: 12, depth: 2, heads: 3, expansion: 2, embedding, ..of };
        Box::new(Transformer::new(&config, &mut parameters.root()).unwrap())
    });
}

/// The file of a run's newest checkpoint.
fn newest(place: &Place, run: &str, file: &str) -> PathBuf {
    let steps =
        fs::read_dir(place.path(&format!("runs/{run}/checkpoints"))).unwrap().map(|entry| entry.unwrap().path());
    let step = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().strip_prefix("step-")?.parse::<u64>().ok();
    steps.max_by_key(step).unwrap().join(file)
}

/// What Euler steps of the average that the run samples with make of given points, in the data's own units.
fn samples(place: &Place) {
    let chosen = json(&place.path("runs/plain/averages.json"))["half_life"].as_f64().unwrap();
    let config = MlpConfig {
        input: 2,
        hidden: vec![16, 16],
        output: 2,
        activation: Activation::Silu,
        time: TimeFeatures::Raw,
        zero_last: false,
    };
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let field = Mlp::new(&config, &mut parameters.root()).unwrap();
    let average = tensors::read(&newest(place, "plain", &format!("velocity.ema-{chosen}.safetensors"))).unwrap();
    let average: Vec<_> = average.into_iter().filter(|(name, _)| name != "ema.steps").collect();
    parameters.assign(&average).unwrap();
    let x0 = Seed(5).stream("x0").at(0).normal(&[20, 2], Kind::Float, Device::Cpu).unwrap();
    let grid = TimeGrid::uniform(5).unwrap();
    let z = solve(&field, &x0, &grid, &mut RungeKutta::euler(), Options::default()).unwrap().x;
    let units = tensors::read(&place.path("runs/plain/units.safetensors")).unwrap();
    let x = &units[0].1 + &units[1].1 * z;
    tensors::write(&place.path("samples.safetensors"), &[("x0".into(), x0), ("x".into(), x)]).unwrap();
}

#[test]
fn python_and_we_read_compute_and_write_the_same() {
    let place = Place::new();
    let Some(mut make) = python(&place) else {
        say("the Python package is not tested: STRAIT_PYTHON names no Python (`cargo xtask test` brings one)");
        return;
    };
    // Python -> ours: a data file, trained on as it stands.
    make.arg("-c").arg(
        "import numpy as np, strait; x = np.random.default_rng(0).normal(size=(120, 2)).astype('f4')\n\
         strait.write_data('images.npz', np.random.default_rng(1).random((800, 1, 8, 8), 'f4'));\n\
         strait.write_data('own.npz', x * [1, 100]); strait.write_tensors('x.safetensors', {'x': x * np.float32(2)})",
    );
    succeed(make);
    let of_npz = npz::Archive::open(&place.path("own.npz")).unwrap().names();
    assert_eq!(of_npz, ["data"]);
    place.train("plain");
    let short = ["phase.0.iterations=8", "velocity.hidden=[8]", "evaluate.nfe=[1,2]", "evaluate.dynamics.steps=4"];
    let short = short.iter().flat_map(|set| ["--set", set]);
    let train: Vec<&str> = ["train", "own.npz", "--name", "map"].into_iter().chain(short).collect();
    let trained = place.run(&train);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let velocity = "velocity={ family = 'unet', channels = 4, embedding = 4, heads = 2, ema_half_lives = [5.0] }";
    let data = "data={ file = 'images.npz', image = [1, 8, 8] }";
    let sets = [
        velocity,
        data,
        "phase.0.iterations=2",
        "phase.1.iterations=2",
        "phase.2.iterations=2",
        "evaluate.baseline=false",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let train: Vec<&str> = ["train", "tiny.toml", "--name", "images"].into_iter().chain(sets).collect();
    let trained = place.run(&train);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    networks(&place);
    samples(&place);
    fs::create_dir(place.path("back")).unwrap();
    let mut tests = python(&place).unwrap();
    tests.args(["-m", "unittest", "discover", "--verbose", "--start-directory"]).arg(package().join("tests"));
    let skipped =
        succeed(tests).lines().filter(|line| line.contains(" ... skipped ")).map(str::to_owned).collect::<Vec<_>>();
    skipped.iter().for_each(|line| say(line));

    // Ours -> Python -> ours, bit for bit: the numbers, and so the files.
    for (run, file) in [("plain", "velocity"), ("plain", "interpolant"), ("map", "velocity")] {
        let ours = newest(&place, run, &format!("{file}.safetensors"));
        let back = place.path(&format!("back/{run}.{file}.safetensors"));
        assert_eq!(tensors::read(&back).unwrap(), tensors::read(&ours).unwrap(), "{run}: {file}");
        assert!(fs::read(&back).unwrap() == fs::read(&ours).unwrap(), "{run}: {file} is another file");
    }
    // Python -> ours -> Python, likewise.
    let x = tensors::read(&place.path("x.safetensors")).unwrap();
    tensors::write(&place.path("back/x.safetensors"), &x).unwrap();
    assert!(fs::read(place.path("x.safetensors")).unwrap() == fs::read(place.path("back/x.safetensors")).unwrap());
    // A kind that we do not compute with is refused by name.
    let refused = tensors::read(&place.path("back/unsigned.safetensors")).unwrap_err().to_string();
    assert!(refused.contains("unsigned.safetensors") && refused.contains("`counts`"), "{refused}");
    assert_eq!(tensors::read(&place.path("back/turned.safetensors")).unwrap()[0].1, {
        Tensor::arange(6, FLOAT).view([2, 3]).tr().contiguous()
    });
}

/// Modules that torch has saved, and what they compute (`crates/strait-nets/tests/fixtures/make.py`).
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../strait-nets/tests/fixtures").join(name)
}

#[allow(dead_code, reason = "its main is not ours")]
#[path = "../../strait-metrics/examples/sample_torch_script.rs"]
mod sample_torch_script;

#[test]
fn a_field_made_in_python_is_sampled_by_a_command() {
    let place = Place::new();
    let known = tensors::read(&fixture("velocity.safetensors")).unwrap();
    let points = &known.iter().find(|(name, _)| name == "x").unwrap().1;
    npy::write(&place.path("points.npy"), points, Element::F64).unwrap();
    let sample = |module: &str, more: &[&str]| {
        let files = [fixture(module), place.path("points.npy"), place.path("samples.npy")];
        let words =
            files.iter().map(|path| path.display().to_string()).chain(more.iter().map(|word| (*word).to_owned()));
        sample_torch_script::sample(&words.collect::<Vec<_>>()).map_err(|error| error.to_string())
    };
    let samples = || npy::read(&place.path("samples.npy")).unwrap().values;
    sample("velocity.pt", &[]).unwrap();
    let of_eight = samples();
    assert_eq!(of_eight.size(), points.size());
    sample("velocity.pt", &["64"]).unwrap();
    let off = (samples() - &of_eight).abs().max().double_value(&[]);
    assert!(off > 0.0 && off < 0.1, "midpoint steps of one flow from the same points: {off}");
    assert!(sample("velocity.pt", &["few"]).unwrap_err().starts_with("it takes MODULE.pt"));
    assert!(sample("velocity.safetensors", &[]).unwrap_err().contains("save it with torch.jit.save"));
}

#[test]
fn a_field_made_in_python_is_sampled_measured_and_has_a_likelihood() {
    let field = TorchScript::open(&fixture("velocity.pt"), &[2], Kind::Double, Device::Cpu).unwrap();
    let known = tensors::read(&fixture("velocity.safetensors")).unwrap();
    let known = |name: &str| &known.iter().find(|(known, _)| known == name).unwrap().1;
    let near = |a: &Tensor, b: &Tensor, by: f64| (a - b).abs().max().double_value(&[]) < by;
    assert!(near(&field.velocity(known("x"), known("t")).unwrap(), known("v"), 1e-12));

    // The law that it makes of a standard normal: exactly, and by probes.
    let source = StandardNormal::new(&[2]);
    let density = |divergence| FlowDensity {
        field: &field,
        source: &source,
        method: Method::Rk4,
        grid: TimeGrid::uniform(50).unwrap(),
        divergence,
    };
    let exact = density(Divergence::Exact(AutodiffMode::Reverse)).at_data(known("x"), Options::default()).unwrap();
    assert!(near(&exact.solution.x, known("source"), 1e-7));
    assert!(near(&exact.log_density, known("log_density"), 1e-7));
    let draws = Seed(0).stream("probes").at(0);
    let probed = Divergence::Hutchinson { mode: AutodiffMode::Reverse, pairs: 4, draws };
    let probed = density(probed).at_data(known("x"), Options::default()).unwrap();
    let errors = (&probed.log_density - known("log_density")) / (probed.standard_error.unwrap() + 1e-9);
    assert!(errors.abs().max().double_value(&[]) < 6.0, "{errors}");

    // Sampled, and measured: nearer to other samples of the same law than to its source.
    let mut draws = Seed(1).stream("x0").at(0);
    let mut normal = || draws.normal(&[400, 2], Kind::Double, Device::Cpu).unwrap();
    let sampled = |x0: &Tensor| {
        let grid = TimeGrid::uniform(20).unwrap();
        solve(&field, x0, &grid, &mut RungeKutta::heun(), Options::default()).unwrap().x
    };
    let (x, again, source) = (sampled(&normal()), sampled(&normal()), normal());
    let apart = |x: &Tensor, y: &Tensor| strait_metrics::distances(x, y).unwrap().w2;
    let (floor, moved) = (apart(&x, &again), apart(&x, &source));
    assert!(moved > 1.5 * floor, "{moved} from the source, {floor} from its own law");
}

#[test]
fn a_module_that_is_no_velocity_is_refused_by_name() {
    let open = |name: &str, event: &[i64]| {
        TorchScript::open(&fixture(name), event, Kind::Double, Device::Cpu).unwrap_err().to_string()
    };
    for (name, event, said) in [
        ("rows.pt", &[2i64][..], "changes by"),
        ("wide.pt", &[2], "[3, 3]"),
        ("velocity.pt", &[3], "does not take (x, t)"),
        ("velocity.safetensors", &[2], "no TorchScript module"),
        ("none.pt", &[2], "none.pt"),
    ] {
        let line = open(name, event);
        assert!(line.contains(said) && line.contains(name) && !line.contains('\n'), "{line}");
    }
}
