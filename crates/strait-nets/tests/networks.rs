//! Properties of the networks for images beside the laws: their initial values, their layers, their inputs, and their
//! errors for inputs that do not fit.

use strait_autodiff::{Graph, gradient, jvp};
use strait_core::{Error, Init, Parameters, Seed, VelocityField};
use strait_nets::{
    ConditionEmbedding, ConditionKind, EmbeddingConfig, Network, TimeFeatures, Transformer, TransformerConfig, Unet,
    UnetConfig,
};
use tch::{Device, Kind, Tensor};

const EVENT: [i64; 3] = [2, 8, 8];

/// A U-Net and a transformer of few channels, moved away from where they start.
fn both(embedding: EmbeddingConfig) -> Vec<(&'static str, Parameters, Box<dyn Network>)> {
    made(embedding, false)
}

fn made(embedding: EmbeddingConfig, gradient_checkpointing: bool) -> Vec<(&'static str, Parameters, Box<dyn Network>)> {
    let made = |transformer: bool| {
        let mut parameters = Parameters::new(Seed(3), Kind::Double, Device::Cpu);
        let net: Box<dyn Network> = if transformer {
            let of = TransformerConfig::of(EVENT);
            let config = TransformerConfig { width: 8, depth: 2, heads: 2, embedding, gradient_checkpointing, ..of };
            Box::new(Transformer::new(&config, &mut parameters.root()).unwrap())
        } else {
            let of = UnetConfig::of(EVENT);
            let config = UnetConfig { channels: 4, heads: 2, groups: 2, embedding, gradient_checkpointing, ..of };
            Box::new(Unet::new(&config, &mut parameters.root()).unwrap())
        };
        let mut draws = Seed(4).stream("moves").at(0);
        for tensor in parameters.tensors() {
            let noise = draws.normal(&tensor.size(), Kind::Double, Device::Cpu).unwrap() * 0.2;
            let _ = tch::no_grad(|| tensor.shallow_clone().f_add_(&noise)).unwrap();
        }
        (if transformer { "transformer" } else { "U-Net" }, parameters, net)
    };
    vec![made(false), made(true)]
}

fn embedding(times: usize, condition: Option<ConditionKind>) -> EmbeddingConfig {
    EmbeddingConfig { times, features: TimeFeatures::Fourier(2), condition, width: 8 }
}

fn normal(shape: &[i64], seed: u64) -> Tensor {
    Seed(seed).stream("x").at(0).normal(shape, Kind::Double, Device::Cpu).unwrap()
}

fn times(n: i64) -> Tensor {
    Tensor::arange(n, (Kind::Double, Device::Cpu)) / n + 0.05
}

fn worst(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

/// Also where they are differentiated again, and in the tangent of a flow map's training.
#[test]
fn gradients_of_checkpointed_networks_are_those_of_the_others() {
    let leaf = |x: Tensor| x.set_requires_grad(true);
    let [x, s, t] = [normal(&[3, 2, 8, 8], 1), times(3), times(3) + 0.1].map(leaf);
    let [along, weight] = [2, 3].map(|seed| normal(&[3, 2, 8, 8], seed));
    let embedding = || embedding(2, None);
    for ((name, plain, net), (_, parameters, checkpointed)) in both(embedding()).iter().zip(made(embedding(), true)) {
        let found = [(plain, net), (&parameters, &checkpointed)].map(|(parameters, net)| {
            let all: Vec<Tensor> =
                [&x, &s, &t].into_iter().chain(parameters.tensors()).map(Tensor::shallow_clone).collect();
            let v = net.evaluate(&x, &[&s, &t], None).unwrap();
            let loss = (&v * &weight).sum(Kind::Double) + v.square().sum(Kind::Double);
            let first = gradient(&loss, &all, Graph::Record).unwrap();
            let norm = first.iter().map(|g| g.square().sum(Kind::Double)).reduce(|a, b| a + b).unwrap();
            let second = gradient(&norm, &all, Graph::Free).unwrap();
            let inputs = [x.shallow_clone(), s.shallow_clone()];
            let push = |at: &[Tensor]| Ok::<_, Error>(vec![net.evaluate(&at[0], &[&at[1], &t], None)?]);
            let tangent = jvp(push, &inputs, &[along.shallow_clone(), s.ones_like()]).unwrap().remove(0).tangent;
            let third = gradient(&(&tangent * &weight).sum(Kind::Double), &all, Graph::Free).unwrap();
            let values = vec![v.detach(), tangent.detach()];
            [values, first, second, third].into_iter().flatten().collect::<Vec<Tensor>>()
        });
        for (a, b) in found[0].iter().zip(&found[1]) {
            let size = a.abs().max().double_value(&[]);
            assert!(worst(a, b) <= 1e-12 * (1.0 + size), "{name}: {a:?} against {b:?}");
        }
    }
}

/// Each block by a bias of it that is changed between the two passes, which a backward pass alone would not read.
#[test]
fn what_the_blocks_of_a_checkpointed_network_compute_is_computed_again() {
    let (x, t) = (normal(&[2, 2, 8, 8], 1), times(2));
    for checkpointed in [false, true] {
        for ((name, parameters, net), blocks) in made(embedding(1, None), checkpointed).iter().zip([8, 2]) {
            let all: Vec<Tensor> = parameters.tensors().iter().map(Tensor::shallow_clone).collect();
            let slope = |between: &dyn Fn()| {
                let v = net.evaluate(&x, &[&t], None).unwrap();
                between();
                gradient(&v.square().sum(Kind::Double), &all, Graph::Free).unwrap()
            };
            let plain = slope(&|| ());
            let biases = parameters.named().into_iter();
            let biases = biases.filter(|(name, _)| name.ends_with("conv0.bias") || name.ends_with("wide.bias"));
            let biases: Vec<(String, Tensor)> = biases.collect();
            assert_eq!(biases.len(), blocks, "{name}");
            for (of, bias) in biases {
                let before = bias.detach().copy();
                let found = slope(&|| bias.data().copy_(&(&before + normal(&bias.size(), 5))));
                bias.data().copy_(&before);
                assert_eq!(found == plain, !checkpointed, "{name}: {of}");
            }
        }
    }
}

#[test]
fn a_fresh_network_is_the_zero_function_and_still_learns() {
    let x = normal(&[3, 1, 28, 28], 1).to_kind(Kind::Float);
    let t = times(3).to_kind(Kind::Float);
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let unet = Unet::new(&UnetConfig::of([1, 28, 28]), &mut parameters.root()).unwrap();
    let transformer = Transformer::new(&TransformerConfig::of([1, 28, 28]), &mut parameters.root()).unwrap();
    for net in [&unet as &dyn VelocityField, &transformer] {
        let v = net.velocity(&x, &t).unwrap();
        assert_eq!(v, x.zeros_like());
        let loss = (v - &x).square().mean(Kind::Float);
        let of: Vec<Tensor> = parameters.tensors().iter().map(Tensor::shallow_clone).collect();
        let gradients = strait_autodiff::gradient(&loss, &of, strait_autodiff::Graph::Free).unwrap();
        assert!(gradients.iter().any(|gradient| gradient.abs().max().double_value(&[]) > 1e-4));
    }
}

/// By hand, for the network that is timed: 4x14x14 after the stem, 32 and 64 channels, one block, attention at 7x7.
#[test]
fn a_summary_counts_what_there_is() {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let net = Unet::new(&UnetConfig::of([1, 28, 28]), &mut parameters.root()).unwrap();
    let summary = net.summary();
    assert_eq!(summary.parameters() as usize, parameters.count());
    // (input, output, side) of every convolution, with its positions.
    let (high, low) = (196, 49);
    let convolutions = [
        (4, 32, 3, high), // in
        (32, 32, 3, high),
        (32, 32, 3, high),
        (32, 32, 3, low), // down0 and its shrinking
        (32, 64, 3, low),
        (64, 64, 3, low),
        (32, 64, 1, low), // down1
        (64, 64, 3, low),
        (64, 64, 3, low),
        (64, 64, 3, low),
        (64, 64, 3, low), // middle
        (128, 64, 3, low),
        (64, 64, 3, low),
        (128, 64, 1, low), // up1
        (96, 64, 3, low),
        (64, 64, 3, low),
        (96, 64, 1, low),
        (64, 32, 3, high), // growing
        (64, 32, 3, high),
        (32, 32, 3, high),
        (64, 32, 1, high), // up0
        (64, 32, 3, high),
        (32, 32, 3, high),
        (64, 32, 1, high),
        (32, 4, 3, high), // out
    ];
    let of_convolutions: i64 = convolutions.iter().map(|(i, o, side, at)| i * o * side * side * at).sum();
    let of_attention = 4 * (4 * 64 * 64 * low + 2 * low * low * 64);
    let of_vectors = 13 * 64 + 64 * 64 + 64 * (2 * 32 * 3 + 2 * 64 * 5);
    assert_eq!(summary.multiply_adds(), of_convolutions + of_attention + of_vectors);
    let printed = summary.to_string();
    assert_eq!(printed.lines().count(), summary.layers.len() + 2);
    let line = printed.lines().find(|line| line.starts_with("unet.down1.0.conv0")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[1..].join(" "), "convolution 3x3 64x7x7 18 496 903 168");
    assert!(summary.layers.iter().any(|layer| layer.kind == "attention, 4 heads" && layer.output == [49, 64]));

    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let net = Transformer::new(&TransformerConfig::of([1, 28, 28]), &mut parameters.root()).unwrap();
    assert_eq!(net.summary().parameters() as usize, parameters.count());
}

#[test]
fn every_sample_answers_to_its_own_times_and_condition_alone() {
    let classes = Some(ConditionKind::Classes(3));
    for (name, _parameters, net) in both(embedding(2, classes)) {
        let (x, s, t) = (normal(&[4, 2, 8, 8], 1), times(4), times(4) * 0.5);
        let labels = Tensor::from_slice(&[0i64, 2, 1, 2]);
        let whole = net.evaluate(&x, &[&s, &t], Some(&labels)).unwrap();
        for i in 0..4 {
            let row = |x: &Tensor| x.narrow(0, i, 1);
            let alone = net.evaluate(&row(&x), &[&row(&s), &row(&t)], Some(&row(&labels))).unwrap();
            assert!(worst(&alone, &row(&whole)) < 1e-11, "{name}");
        }
        let other_label = net.evaluate(&x, &[&s, &t], Some(&Tensor::from_slice(&[0i64, 2, 1, 1]))).unwrap();
        let changed = (&whole - other_label).abs().amax([1i64, 2, 3].as_slice(), false);
        let changed = Vec::<f64>::try_from(changed).unwrap();
        assert!(changed[..3].iter().all(|by| *by < 1e-11) && changed[3] > 1e-4, "{name}: {changed:?}");
        for swapped in [[&t, &t], [&s, &s], [&t, &s]] {
            let found = net.evaluate(&x, &swapped, Some(&labels)).unwrap();
            assert!(worst(&found, &whole) > 1e-4, "{name}: each of two times counts");
        }
        assert!(worst(&net.evaluate(&x, &[&s, &t], None).unwrap(), &whole) > 1e-4, "{name}: no condition is another");
    }
}

#[test]
fn a_vector_conditions_too() {
    for (name, _parameters, net) in both(embedding(1, Some(ConditionKind::Vector(3)))) {
        let (x, t) = (normal(&[2, 2, 8, 8], 1), times(2));
        let at = |seed| net.evaluate(&x, &[&t], Some(&normal(&[2, 3], seed))).unwrap();
        assert!(worst(&at(5), &at(6)) > 1e-4, "{name}");
        let wrong = net.evaluate(&x, &[&t], Some(&normal(&[2, 4], 5))).unwrap_err().to_string();
        assert!(wrong.contains("embedding.condition: shape [2, 4], expected (2, 3)"), "{name}: {wrong}");
    }
}

#[test]
fn what_is_dropped_counts_as_none() {
    for kind in [ConditionKind::Classes(3), ConditionKind::Vector(3)] {
        let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
        let embedding = ConditionEmbedding::new(kind, 5, &mut parameters.root()).unwrap();
        let rows = match kind {
            ConditionKind::Classes(_) => Tensor::from_slice(&[0i64, 1, 2]),
            ConditionKind::Vector(_) => normal(&[3, 3], 1),
        };
        let (all, none) = (embedding.embed(Some(&rows), None, 3).unwrap(), embedding.embed(None, None, 3).unwrap());
        let dropped = Tensor::from_slice(&[false, true, false]);
        let found = embedding.embed(Some(&rows), Some(&dropped), 3).unwrap();
        for (i, expected) in [(0, &all), (1, &none), (2, &all)] {
            assert_eq!(found.get(i), expected.get(i));
        }
        assert!(worst(&all, &none) > 1e-3 && worst(&all.get(0), &all.get(2)) > 1e-3);
        let wrong = embedding.embed(Some(&rows), Some(&dropped.narrow(0, 0, 2)), 3).unwrap_err().to_string();
        assert_eq!(wrong, "condition: shape [2], expected (3,) of what is dropped");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let (x, t) = (normal(&[2, 2, 8, 8], 1), times(2));
    for (name, _parameters, net) in both(embedding(1, Some(ConditionKind::Classes(3)))) {
        let said = |x: &Tensor, times: &[&Tensor], rows: Option<&Tensor>| {
            net.evaluate(x, times, rows).unwrap_err().to_string()
        };
        assert_eq!(said(&normal(&[2, 1, 8, 8], 1), &[&t], None), "x: shape [2, 1, 8, 8], expected (B, 2, 8, 8)");
        assert_eq!(said(&x.flatten(1, -1), &[&t], None), "x: shape [2, 128], expected (B, 2, 8, 8)");
        assert_eq!(said(&x, &[&times(3)], None), "t: shape [3], expected (2,)");
        assert_eq!(said(&x, &[&t, &t], None), "the network takes 1 times, and 2 were given");
        assert_eq!(said(&x, &[], None), "the network takes 1 times, and 0 were given");
        let labels = |of: &[i64]| Tensor::from_slice(of);
        assert_eq!(said(&x, &[&t], Some(&labels(&[0, 3]))), "label 3 is not one of the 3 classes, 0 to 2");
        assert_eq!(said(&x, &[&t], Some(&labels(&[-1, 0]))), "label -1 is not one of the 3 classes, 0 to 2");
        let wrong = said(&x, &[&t], Some(&labels(&[0])));
        assert!(
            wrong.ends_with("embedding.condition: shape [1], expected labels (2,) of 64-bit integers"),
            "{name}: {wrong}"
        );
    }
    for (_, _parameters, net) in both(embedding(1, None)) {
        let said = net.evaluate(&x, &[&t], Some(&Tensor::from_slice(&[0i64, 1]))).unwrap_err().to_string();
        assert!(said.contains("built without one"), "{said}");
    }
}

#[test]
fn configurations_that_make_no_network_are_refused() {
    let base = || UnetConfig::of([1, 28, 28]);
    for config in [
        UnetConfig { stem: 0, ..base() },
        UnetConfig { channels: 0, ..base() },
        UnetConfig { multipliers: vec![], ..base() },
        UnetConfig { multipliers: vec![1, 0], ..base() },
        UnetConfig { multipliers: vec![1, 1, 1, 1], ..base() },
        UnetConfig { event: [1, 27, 28], ..base() },
        UnetConfig { heads: 5, ..base() },
        UnetConfig { blocks: 0, ..base() },
        UnetConfig { embedding: EmbeddingConfig { times: 3, ..EmbeddingConfig::default() }, ..base() },
        UnetConfig {
            embedding: EmbeddingConfig { features: TimeFeatures::None, ..EmbeddingConfig::default() },
            ..base()
        },
    ] {
        let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
        let error = Unet::new(&config, &mut parameters.root()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{config:?}: {error}");
    }
    let base = || TransformerConfig::of([1, 28, 28]);
    for config in [
        TransformerConfig { patch: 0, ..base() },
        TransformerConfig { patch: 5, ..base() },
        TransformerConfig { heads: 3, ..base() },
        TransformerConfig { depth: 0, ..base() },
    ] {
        let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
        let error = Transformer::new(&config, &mut parameters.root()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{config:?}: {error}");
    }
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let _ = parameters.root().sub("unet").sub("in").tensor("weight", &[1], Init::Constant(0.0)).unwrap();
    let taken = Unet::new(&UnetConfig::of([1, 28, 28]), &mut parameters.root()).unwrap_err();
    assert!(taken.to_string().contains("`unet.in.weight`: made twice"), "{taken}");
}
