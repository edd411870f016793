//! EfficientNet-Lite0: the inputs that it refuses and, as a longer check with its real weights, its predictions for
//! photographs.

use std::fs;
use std::path::Path;
use strait_core::{Dataset, Error, Seed, Split};
use strait_data::{FolderOptions, Image, from_folder};
use strait_metrics::features::{FeatureMap, Lite0};
use tch::{Device, Kind, Tensor};

/// The names and shapes of the package's state dict, as a list of "name shape" lines.
fn tensors() -> Vec<(String, Tensor)> {
    let mut draws = Seed(4).stream("weights").at(0);
    let mut normal = |shape: &[i64]| draws.normal(shape, Kind::Float, Device::Cpu).unwrap();
    let mut found = vec![];
    let mut layer = |name: &str, norm: &str, shape: [i64; 4]| {
        let fan = (shape[1] * shape[2] * shape[3]) as f64;
        found.push((format!("{name}.weight"), normal(&shape) * (2.0 / fan).sqrt()));
        for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            found.push((format!("{norm}.{part}"), Tensor::full([shape[0]], value, (Kind::Float, Device::Cpu))));
        }
    };
    layer("_conv_stem", "_bn0", [32, 3, 3, 3]);
    let blocks =
        [(1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80), (3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320)];
    let (mut at, mut input) = (0, 32);
    for (count, kernel, expansion, out) in blocks {
        for _ in 0..count {
            let (block, wide) = (format!("_blocks.{at}"), input * expansion);
            if expansion > 1 {
                layer(&format!("{block}._expand_conv"), &format!("{block}._bn0"), [wide, input, 1, 1]);
            }
            layer(&format!("{block}._depthwise_conv"), &format!("{block}._bn1"), [wide, 1, kernel, kernel]);
            layer(&format!("{block}._project_conv"), &format!("{block}._bn2"), [out, wide, 1, 1]);
            (at, input) = (at + 1, out);
        }
    }
    layer("_conv_head", "_bn1", [1280, 320, 1, 1]);
    found.push(("_fc.weight".into(), normal(&[1000, 1280])));
    found.push(("_fc.bias".into(), normal(&[1000])));
    found
}

#[test]
fn features_are_of_each_image_alone_and_grey_is_three_equal_channels() {
    let net = Lite0::new(tensors()).unwrap();
    let x = Seed(0).stream("x").at(0).uniform(&[2, 1, 12, 12], Kind::Float, Device::Cpu).unwrap();
    let found = net.features(&x).unwrap();
    assert_eq!(found.size(), [2, 1280]);
    assert!(found.std(true).double_value(&[]) > 1e-3);
    let alone = net.features(&x.narrow(0, 1, 1).repeat([1, 3, 1, 1])).unwrap();
    assert!(alone.allclose(&found.narrow(0, 1, 1), 1e-4, 1e-4, false));
    assert_eq!(net.logits(&x).unwrap().size(), [2, 1000]);
    assert!(matches!(net.features(&x.flatten(1, -1)), Err(Error::Shape { .. })));
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let mut few = tensors();
    few.retain(|(name, _)| name != "_blocks.5._bn1.running_var");
    let said = Lite0::new(few).unwrap_err().to_string();
    assert_eq!(said, "tensor `_blocks.5._bn1.running_var`: is missing");
    let mut other = tensors();
    other[0].1 = Tensor::zeros([32, 3, 5, 5], (Kind::Float, Device::Cpu));
    let said = Lite0::new(other).unwrap_err().to_string();
    assert!(said.contains("_conv_stem.weight") && said.contains("[32, 3, 5, 5]"), "{said}");
}

/// With `STRAIT_DATA/lite0` (`cargo xtask data lite0`) and `STRAIT_PHOTOGRAPHS`, a folder of folders whose names are ImageNet's
/// classes that are right, such as `281-282-285` of cats, with photographs in them.
#[test]
#[ignore = "needs the weights and photographs"]
fn it_sees_what_photographs_show() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
    let net = Lite0::load(&Path::new(&variable("STRAIT_DATA")).join("lite0/efficientnet-lite0-57934424.pth")).unwrap();
    let folder = variable("STRAIT_PHOTOGRAPHS");
    let mut classes: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    classes.sort();
    let options = FolderOptions { image: Some(Image { channels: 3, height: 224, width: 224 }), flips: false };
    let data = from_folder(folder.as_ref(), options, Seed(0), Kind::Float, Device::Cpu).unwrap();
    for split in [Split::Train, Split::Validation, Split::Test] {
        let x = data.denormalise(&data.in_order(split, &mut Seed(0).stream("x").at(0)).unwrap()).unwrap();
        let found = Vec::<i64>::try_from(net.logits(&x).unwrap().argmax(1, false)).unwrap();
        let labels = Vec::<i64>::try_from(data.labels(split).unwrap()).unwrap();
        for (found, label) in found.into_iter().zip(labels) {
            let right: Vec<i64> = classes[label as usize].split('-').map(|class| class.parse().unwrap()).collect();
            println!("class {found} of a photograph of {right:?}");
            assert!(right.contains(&found), "class {found} of a photograph of {right:?}");
        }
    }
}
