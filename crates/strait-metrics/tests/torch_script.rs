//! Networks of one's own as feature maps.

use std::fs;
use strait_core::{Error, Seed};
use strait_metrics::features::{FeatureMap, TorchScript};
use tch::{CModule, Device, Kind, Tensor};

/// Means and extremes of each channel: features whose values say what went in.
fn extremes(x: &Tensor) -> Tensor {
    Tensor::cat(
        &[x.mean_dim([2i64, 3].as_slice(), false, Kind::Float), x.amax([2, 3], false), x.amin([2, 3], false)],
        1,
    )
}

fn traced(path: &std::path::Path, network: impl Fn(&Tensor) -> Tensor) {
    let x = Tensor::rand([2, 3, 4, 4], (Kind::Float, Device::Cpu));
    CModule::create_by_tracing("Net", "forward", &[x], &mut |x| vec![network(&x[0])]).unwrap().save(path).unwrap();
}

#[test]
fn a_network_sees_three_channels_from_0_to_255_and_each_image_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    traced(&path, extremes);
    let map = TorchScript::load("inception", &path).unwrap();
    assert_eq!(map.name(), "inception");
    // More than a part, and of another size than it was traced with.
    let x = Seed(0).stream("x").at(0).uniform(&[70, 1, 6, 5], Kind::Double, Device::Cpu).unwrap();
    let found = map.features(&x).unwrap();
    let expected = extremes(&(x.to_kind(Kind::Float) * 255.0).repeat([1, 3, 1, 1]));
    assert_eq!(found.size(), [70, 9]);
    assert!(found.allclose(&expected, 1e-5, 1e-4, false));
    assert!(!found.requires_grad());
    assert!(matches!(map.features(&x.flatten(1, -1)), Err(Error::Shape { .. })));
    assert!(matches!(map.features(&x.repeat([1, 2, 1, 1])), Err(Error::Shape { .. })));
}

#[test]
fn what_is_no_network_or_gives_no_features_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    fs::write(&path, b"no network").unwrap();
    let said = TorchScript::load("inception", &path).unwrap_err().to_string();
    assert!(said.contains("net.pt: it is no TorchScript file") && !said.contains('\n'), "{said}");
    traced(&path, |x| x.mean(Kind::Float));
    let map = TorchScript::load("inception", &path).unwrap();
    assert!(map.features(&Tensor::rand([3, 3, 4, 4], (Kind::Float, Device::Cpu))).is_err());
}
