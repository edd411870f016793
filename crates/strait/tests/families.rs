//! Every family of paths, from its config.

use std::thread;
use strait::build::{self, Samples};
use strait::config::{COUPLINGS, Config, DATASETS, FAMILIES, InterpolantConfig, OBJECTIVES, VELOCITIES, load, preset};
use strait_core::Seed;
use tch::{Device, Kind, Tensor};

/// A preset with another `[interpolant]`, through the file and back.
fn config(interpolant: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = preset("8gaussians").unwrap();
    let (before, rest) = text.split_once("[interpolant]").unwrap();
    let after = rest.find("\n[velocity]").unwrap();
    std::fs::write(&path, format!("{before}[interpolant]\n{interpolant}\n{}", &rest[after..])).unwrap();
    load(&path.to_string_lossy(), &[]).map_err(|error| error.to_string())
}

/// Settings that the example of a family in the table does not show.
const OTHERS: [&str; 4] = [
    "family = 'affine'\nhidden = [8]\nmixing = 'diagonal'\nlog_scale_bound = 2.0",
    "family = 'transport'\nmap = { kind = 'gaussian' }",
    "family = 'residual'\nhidden = [8]\nbase = { family = 'transport', map = { kind = 'gaussian' } }",
    "family = 'residual'\nhidden = [8]\n\
     base = { family = 'affine', hidden = [8], mixing = 'diagonal', log_scale_bound = 2.0 }",
];

#[test]
fn each_is_built_for_vectors_and_for_images_and_keeps_its_ends() {
    let examples = FAMILIES.iter().map(|family| format!("family = '{}'\n{}", family.name, family.example));
    for text in examples.chain(OTHERS.map(str::to_owned)) {
        let config = config(&text).unwrap();
        let family = config.interpolant.family();
        for event in [&[2i64] as &[i64], &[64], &[1, 8, 8]] {
            let build::Path { path, parameters, map } =
                build::interpolant(&config.interpolant, Samples::of(event), Seed(0), Device::Cpu).unwrap();
            assert_eq!(map.is_some(), config.interpolant.map().is_some(), "{text}");
            let parameters = map.map_or(0, |(_, parameters)| parameters.count()) + parameters.count();
            assert_eq!(parameters > 0, family.learns, "{text}");
            assert_eq!(path.as_invertible().is_some(), family.is_invertible, "{text}");
            let shape = [&[3], event].concat();
            let x = |seed| Seed(seed).stream("x").at(0).normal(&shape, Kind::Float, Device::Cpu).unwrap();
            let pair = (x(1), x(2));
            // In another thread, where a model may be sent.
            let endpoints = thread::spawn(move || {
                let times = [0.0, 1.0].map(|t| Tensor::full([3], t, (Kind::Float, Device::Cpu)));
                times.map(|t| path.at(&pair.0, &pair.1, &t).unwrap().x_t)
            });
            let endpoints = endpoints.join().unwrap();
            assert!(
                endpoints[0].allclose(&x(1), 0.0, 1e-5, false) && endpoints[1].allclose(&x(2), 0.0, 1e-5, false),
                "{text}"
            );
        }
    }
}

/// Of images alone.
const CONVOLUTIONAL: [&str; 3] = [
    "family = 'affine'\nhidden = [8]\nmixing = 'diagonal'\nlog_scale_bound = 2.0\nconvolutional = true",
    "family = 'residual'\nhidden = [8]\nconvolutional = true",
    "family = 'warped'\nwarp = { steps = 2, hidden = [8] }\n\
     base = { hidden = [8], mixing = 'diagonal', log_scale_bound = 2.0, convolutional = true }",
];

/// A path of convolutions starts as the same path of a perceptron does, with fewer numbers; on what is no image it is refused.
#[test]
fn convolutional_paths_are_of_images() {
    for text in CONVOLUTIONAL {
        let convolutional = config(text).unwrap().interpolant;
        let of = |interpolant: &InterpolantConfig, event: &[i64]| {
            build::interpolant(interpolant, Samples::of(event), Seed(0), Device::Cpu).map_err(|error| error.to_string())
        };
        let perceptron = config(&text.replace("convolutional = true", "convolutional = false")).unwrap().interpolant;
        let sizes = if text.contains("warp") { [[1i64, 8, 8], [3, 8, 8]] } else { [[1, 8, 8], [3, 7, 5]] };
        for event in sizes.iter().map(|size| &size[..]) {
            let x =
                |seed| Seed(seed).stream("x").at(0).normal(&[&[3], event].concat(), Kind::Float, Device::Cpu).unwrap();
            let t = Tensor::from_slice(&[0.2f32, 0.5, 0.9]);
            let [a, b] = [&convolutional, &perceptron].map(|interpolant| of(interpolant, event).unwrap());
            let [fresh, other] = [&a, &b].map(|path| path.path.at(&x(1), &x(2), &t).unwrap().velocity);
            // A fresh Glow is another for each path.
            assert!(text.contains("warp") || fresh.allclose(&other, 1e-5, 1e-5, false), "{text}");
            let start = a.path.at(&x(1), &x(2), &t.zeros_like()).unwrap().x_t;
            assert!(start.allclose(&x(1), 0.0, 1e-5, false), "{text}");
            assert!(a.parameters.count() < b.parameters.count(), "{text}");
        }
        let key = if text.contains("base") { "interpolant.base.convolutional" } else { "interpolant.convolutional" };
        let error = of(&convolutional, &[64]).err().unwrap();
        assert!(error.contains(key) && error.contains("[64]"), "{error}");
    }
    let error = config(&CONVOLUTIONAL[0].replace("diagonal", "triangular")).unwrap_err();
    assert!(error.contains("interpolant.convolutional"), "{error}");
}

#[test]
fn values_that_make_no_path_are_refused_by_their_key() {
    for (text, key) in [
        ("family = 'power'\npower = 0.5", "interpolant.power"),
        ("family = 'variance_preserving'\nbeta = 0.0", "interpolant.beta"),
        ("family = 'monotone'\ndegree = 1", "interpolant.degree"),
        ("family = 'glow'\nsteps = 0\nhidden = [8]", "interpolant.steps"),
        ("family = 'transport'\nmap = { kind = 'glow', steps = 2, hidden = [0] }", "interpolant.map.hidden"),
        (
            "family = 'warped'\nwarp = { steps = 2, hidden = [8] }\n\
             base = { hidden = [8], mixing = 'diagonal', log_scale_bound = -1.0 }",
            "interpolant.base.log_scale_bound",
        ),
        ("family = 'glow'\nsteps = 2\nhiden = [8]", "hiden"),
    ] {
        let message = config(text).unwrap_err();
        assert!(message.contains(key), "{text}: {message}");
    }
    assert!(matches!(
        config("family = 'residual'\nhidden = []").unwrap().interpolant,
        InterpolantConfig::Residual { .. }
    ));
}

/// The guide names everything that a config may say, and the page of pictures shows each family.
#[test]
fn the_documents_know_every_name_of_the_tables() {
    let read =
        |page: &str| std::fs::read_to_string(format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (guide, pictures) = (read("guide/run.md"), read("results/families.md"));
    let names = FAMILIES.iter().map(|family| family.name);
    let names = names.chain(DATASETS.iter().map(|data| data.key)).chain(COUPLINGS.iter().map(|coupling| coupling.name));
    let names = names.chain(OBJECTIVES.iter().map(|objective| objective.name));
    let velocities = VELOCITIES.map(|velocity| format!("{:?}", velocity.family).to_lowercase());
    for name in names.chain(velocities.iter().map(String::as_str)) {
        assert!(guide.contains(&format!("`{name}`")), "docs/guide/run.md does not name `{name}`");
    }
    for family in &FAMILIES {
        let row = format!("\n| {}", family.name.replace('_', " "));
        assert!(pictures.contains(&row), "docs/results/families.md has no row of {}", family.name);
    }
}
