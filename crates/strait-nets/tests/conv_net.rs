//! The convolutional network of a path: derivatives in t against JVP and differences, what it sees, shapes, first values.

use strait_autodiff::{Jet, Order, jvp};
use strait_core::{ConditionKind, Conditions, Error, Parameters, Seed, TimeFunction};
use strait_nets::{Activation, ConvNet, ConvNetConfig, TimeFeatures};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 3;

fn config(stem: i64, activation: Activation) -> ConvNetConfig {
    let time = TimeFeatures::Fourier(2);
    ConvNetConfig { input: [2, 8, 12], stem, hidden: vec![5, 6], output: 3, activation, time, zero_last: false }
}

fn net(config: &ConvNetConfig, condition: Option<ConditionKind>) -> (Parameters, ConvNet) {
    let mut parameters = Parameters::new(Seed(4), Kind::Double, Device::Cpu);
    let root = &mut parameters.root();
    let net = match condition {
        Some(kind) => ConvNet::conditional(config, kind, root),
        None => ConvNet::new(config, root),
    };
    let net = net.unwrap();
    (parameters, net)
}

fn inputs() -> (Tensor, Tensor) {
    let mut draws = Seed(5).stream("x").at(0);
    let x = draws.normal(&[BATCH, 2, 8, 12], Kind::Double, Device::Cpu).unwrap();
    (x, draws.uniform(&[BATCH], Kind::Double, Device::Cpu).unwrap())
}

fn far(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

fn jets_are_derivatives(net: &dyn TimeFunction, name: &str) {
    let (x, t) = inputs();
    let value = |t: &Tensor| net.jet(&x, t, Order::Value).unwrap().value().shallow_clone();
    let jet = net.jet(&x, &t, Order::Second).unwrap();
    let dual = jvp(|v| Ok::<_, Error>(vec![value(&v[0])]), &[t.shallow_clone()], &[t.ones_like()]).unwrap();
    assert_eq!(jet.value().size(), [BATCH, 3 * 8 * 12], "{name}");
    assert!(far(jet.value(), &dual[0].value) < 1e-13, "{name}");
    assert!(far(&jet.first(), &dual[0].tangent) < 1e-12, "{name}");
    let slope = |t: &Tensor| net.jet(&x, t, Order::First).unwrap().first();
    let numeric = (slope(&(&t + 1e-5)) - slope(&(&t - 1e-5))) / 2e-5;
    assert!(jet.second().abs().max().double_value(&[]) > 1e-2, "{name}: it moves with time");
    assert!(far(&jet.second(), &numeric) < 1e-6, "{name}");
}

#[test]
fn jets_equal_jvp_and_differences() {
    let labels = Conditions::of("labels", Tensor::from_slice(&[2i64, 0, 1])).unwrap();
    for activation in [Activation::Silu, Activation::Tanh] {
        for stem in [1, 2] {
            let name = format!("{activation:?}, stem {stem}");
            jets_are_derivatives(&net(&config(stem, activation), None).1, &name);
            let (_p, conditional) = net(&config(stem, activation), Some(ConditionKind::Classes(3)));
            jets_are_derivatives(&conditional.given(&labels).unwrap().expect("it is conditional"), &name);
        }
    }
}

/// The sum of the parts of a jet, each by its own weight, so that no derivative is left out of the gradient.
fn weighed(jet: &Jet) -> Tensor {
    (jet.value().sin() + jet.first().sin() * 0.7 + jet.second().sin() * 0.3).sum(Kind::Double)
}

/// What a path is trained by: the gradient of position, velocity and acceleration in the parameters.
#[test]
fn gradients_of_jets_are_those_of_differences() {
    let (parameters, net) = net(&config(2, Activation::Silu), None);
    let (x, t) = inputs();
    let loss = || weighed(&net.jet(&x, &t, Order::Second).unwrap());
    let all: Vec<Tensor> = parameters.tensors().iter().map(Tensor::shallow_clone).collect();
    let gradients = strait_autodiff::gradient(&loss(), &all, strait_autodiff::Graph::Free).unwrap();
    for (mut parameter, gradient) in all.into_iter().zip(gradients) {
        let at = parameter.numel() as i64 / 2;
        let moved = |by: f64, parameter: &mut Tensor| {
            tch::no_grad(|| {
                let _moved = parameter.view(-1).get(at).f_add_scalar_(by).unwrap();
                loss().double_value(&[])
            })
        };
        let (above, below) = (moved(1e-5, &mut parameter), moved(-2e-5, &mut parameter));
        moved(1e-5, &mut parameter);
        let numeric = (above - below) / 2e-5;
        let found = gradient.flatten(0, -1).double_value(&[at]);
        assert!((found - numeric).abs() < 1e-5 * (1.0 + numeric.abs()), "{:?}: {found} {numeric}", parameter.size());
    }
}

#[test]
fn a_zero_last_layer_is_the_zero_function() {
    let (_p, net) = net(&ConvNetConfig { zero_last: true, ..config(2, Activation::Silu) }, None);
    let (x, t) = inputs();
    let jet = net.jet(&x, &t, Order::Second).unwrap();
    for part in [jet.value(), &jet.first(), &jet.second()] {
        assert_eq!(part.abs().max().double_value(&[]), 0.0);
    }
}

/// Three layers of 3x3 see three positions to each side, of the stem's squares where there is one; away from the borders
/// what moves, moves the result.
#[test]
fn it_sees_a_neighbourhood_and_moves_with_the_image() {
    for (stem, reach) in [(1i64, 3i64), (2, 7)] {
        let (_p, net) = net(&config(stem, Activation::Silu), None);
        let of = |x: &Tensor| net.jet(x, &inputs().1, Order::Value).unwrap().value().view([BATCH, 3, 8, 12]);
        let (x, _) = inputs();
        let changed = x.copy();
        let _ = changed.narrow(3, 0, 1).fill_(2.0); // the first column
        let difference = (of(&x) - of(&changed)).abs();
        let beyond = difference.narrow(3, reach + 1, 11 - reach);
        assert!(difference.narrow(3, 0, 1).min().double_value(&[]) > 0.0);
        assert_eq!(beyond.max().double_value(&[]), 0.0, "stem {stem}");
        if stem == 1 {
            let wide = of(&x.roll([1], [3])).narrow(3, reach + 1, 12 - 2 * reach - 1);
            assert!(far(&wide, &of(&x).narrow(3, reach, 12 - 2 * reach - 1)) < 1e-13);
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let new = |config: &ConvNetConfig| {
        ConvNet::new(config, &mut Parameters::new(Seed(0), Kind::Float, Device::Cpu).root()).map(drop)
    };
    for stem in [0, 3] {
        let error = new(&config(stem, Activation::Silu)).unwrap_err().to_string();
        assert!(error.contains("stem"), "{error}");
    }
    let (x, t) = inputs();
    let (_p, plain) = net(&config(1, Activation::Silu), None);
    let error = plain.jet(&x.narrow(3, 0, 8), &t, Order::First).unwrap_err().to_string();
    assert!(error.contains("(B, 2, 8, 12)"), "{error}");
    let of = |x: &Tensor| plain.jet(x, &t, Order::Value).unwrap().value().shallow_clone();
    assert_eq!(of(&x.flatten(1, -1)), of(&x));
    let (_p, kinked) = net(&config(1, Activation::Selu), None);
    kinked.jet(&x, &t, Order::Value).unwrap();
    let error = kinked.jet(&x, &t, Order::First).unwrap_err().to_string();
    assert!(error.contains("silu and tanh"), "{error}");
    let (_p, conditional) = net(&config(1, Activation::Silu), Some(ConditionKind::Classes(3)));
    assert!(matches!(conditional.jet(&x, &t, Order::Value), Err(Error::MissingCondition { .. })));
    let two = Conditions::of("labels", Tensor::from_slice(&[0i64, 1])).unwrap();
    assert!(
        TimeFunction::given(&conditional, &two).unwrap().expect("it is conditional").jet(&x, &t, Order::Value).is_err()
    );
    assert!(TimeFunction::given(&plain, &two).unwrap().is_none());
}
