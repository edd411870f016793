//! The measurements of a run, and their place in its report.

use crate::common::{Place, TINY};
use std::collections::BTreeMap;
use std::fs;
use strait::config;
use strait::evaluation::reference::Reference;
use strait::training::context::RunContext;
use tch::Tensor;

/// A split that is stored by class is looked at in no order: what takes the first few of it shall see any.
#[test]
fn all_points_of_a_split_come_in_no_order() {
    let place = Place::new();
    let rising = ndarray::Array2::<f32>::from_shape_fn((200, 2), |(i, _)| i as f32);
    let mut npz = ndarray_npy::NpzWriter::new(fs::File::create(place.path("own.npz")).unwrap());
    npz.add_array("train", &rising).unwrap();
    npz.add_array("test", &rising.slice(ndarray::s![..100, ..])).unwrap();
    npz.finish().unwrap();
    let file = format!("file = {:?}", place.path("own.npz"));
    place.write(
        "own.toml",
        TINY.replacen("name = \"8gaussians\"\nsd = 0.5", &file, 1).replace("samples = 64", "samples = 100"),
    );
    let config = config::load(place.path("own.toml").to_str().unwrap(), &[]).unwrap();
    let context = RunContext::new(&config, "cpu").unwrap();
    let reference = Reference::new(&context, &config.evaluate).unwrap();
    let first = Vec::<f32>::try_from(reference.data.select(1, 0)).unwrap();
    assert!(!first.is_sorted() && first[..50].iter().any(|x| *x > 60.0), "{first:?}");
    let (sorted, _) = reference.data.select(1, 0).sort(0, false);
    assert!((sorted - Tensor::arange(100, tch::kind::FLOAT_CPU)).abs().max().double_value(&[]) < 1e-3, "not each once");
}

/// Images of one's own are shown as images, from their darkest number to their brightest.
#[test]
fn images_of_a_file_are_shown_as_images() {
    let place = Place::new();
    let bytes =
        ndarray::Array3::<f32>::from_shape_fn((200, 3, 4), |(i, j, k)| ((i * 7 + j * 5 + k) % 11) as f32 * 20.0);
    let mut npz = ndarray_npy::NpzWriter::new(fs::File::create(place.path("own.npz")).unwrap());
    npz.add_array("data", &bytes).unwrap();
    npz.finish().unwrap();
    let file = format!("data={{ file = {:?}, image = [1, 3, 4] }}", place.path("own.npz"));
    let more = ["--set", &file, "--set", "phase.0.level.0.batch=32"];
    let batches = ["phase.1.level.0.batch=32", "phase.1.level.1.batch=32", "phase.2.level.0.batch=32"];
    let batches: Vec<&str> = batches.iter().flat_map(|set| ["--set", set]).collect();
    let config = config::load(place.path("tiny.toml").to_str().unwrap(), std::slice::from_ref(&file)).unwrap();
    let picture = RunContext::new(&config, "cpu").unwrap().data.picture.unwrap();
    assert_eq!((picture.format.height, picture.format.width), (3, 4));
    // The points were rounded to single precision in the network's units.
    let (low, high) = picture.range;
    assert!(low.abs() < 1e-4 && (high - 200.0).abs() < 1e-4, "{low} to {high}");
    let values = picture.values(&Tensor::from_slice(&[0.0f32, 50.0, 200.0]).view([3, 1]), 2);
    assert!(values.len() == 2 && values[0].abs() < 1e-6 && (values[1] - 0.25).abs() < 1e-6, "{values:?}");
    let output = place.run(&[&["train", "tiny.toml", "--name", "a"], &more[..], &batches].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(place.path("runs/a/report/index.html")).unwrap().contains("real images"));
    for (image, said) in [("[1, 5, 4]", "of as many numbers as a sample"), ("[2, 3, 2]", "1 or 3 channels")] {
        let (line, code) = place.refusal(&["train", "tiny.toml", "--set", &file.replace("[1, 3, 4]", image)]);
        assert!(line.contains("data.image") && line.contains(said) && code == 2, "{line}");
    }
}

/// A learned path and the linear one have a colour each, whatever pairs both are trained on.
#[test]
fn a_report_tells_the_methods_of_a_run_apart() {
    for coupling in ["independent", "ot"] {
        let place = Place::new();
        let set = format!("coupling.name={coupling}");
        let output = place.run(&["train", "tiny.toml", "--name", "a", "--set", &set]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let figure = fs::read_to_string(place.path("runs/a/report/trajectories.svg")).unwrap();
        let document = roxmltree::Document::parse(&figure).unwrap();
        let mut drawn = BTreeMap::new();
        for colour in document.descendants().filter_map(|node| node.attribute("stroke")) {
            *drawn.entry(colour).or_insert(0) += 1;
        }
        // Axes have few lines, and each method a bundle of them.
        assert_eq!(drawn.values().filter(|count| **count > 20).count(), 2, "{coupling}: {drawn:?}");
    }
}
