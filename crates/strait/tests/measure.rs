//! What a run is measured with, and how its report shows it.

mod common;

use common::{Place, TINY};
use std::collections::BTreeMap;
use std::fs;
use strait::config;
use strait::measure::Reference;
use strait::setting::Setting;
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
    let setting = Setting::new(&config, "cpu").unwrap();
    let reference = Reference::new(&config, &setting.data, &*setting.source, setting.device).unwrap();
    let first = Vec::<f32>::try_from(reference.data.select(1, 0)).unwrap();
    assert!(!first.is_sorted() && first[..50].iter().any(|x| *x > 60.0), "{first:?}");
    let (sorted, _) = reference.data.select(1, 0).sort(0, false);
    assert!((sorted - Tensor::arange(100, tch::kind::FLOAT_CPU)).abs().max().double_value(&[]) < 1e-3, "not each once");
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
