//! The MLP's derivatives in t against JVP and finite differences, its shapes, and its initial values.

use strait_autodiff::{Order, jvp};
use strait_core::{Error, Parameters, Seed, TimeFunction, VelocityField};
use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
use tch::{Device, Kind, Tensor};

fn mlp(activation: Activation, time: TimeFeatures, zero_last: bool) -> (Parameters, Mlp) {
    let config = MlpConfig { input: 3, hidden: vec![16, 16], output: 5, activation, time, zero_last };
    let mut parameters = Parameters::new(Seed(4), Kind::Double, Device::Cpu);
    let net = Mlp::new(&config, &mut parameters.root()).unwrap();
    (parameters, net)
}

fn inputs() -> (Tensor, Tensor) {
    let mut draws = Seed(5).stream("x").at(0);
    let x = draws.normal(&[7, 3], Kind::Double, Device::Cpu).unwrap();
    (x, draws.uniform(&[7], Kind::Double, Device::Cpu).unwrap())
}

#[test]
fn jets_equal_jvp_and_differences() {
    for activation in [Activation::Silu, Activation::Tanh] {
        for time in [TimeFeatures::Raw, TimeFeatures::Fourier(3)] {
            let (_p, net) = mlp(activation, time, false);
            let (x, t) = inputs();
            let value = |t: &Tensor| net.jet(&x, t, Order::Value).unwrap().value().shallow_clone();
            let jet = net.jet(&x, &t, Order::Second).unwrap();
            let dual = jvp(|v| Ok::<_, Error>(vec![value(&v[0])]), &[t.shallow_clone()], &[t.ones_like()]).unwrap();
            assert!((jet.value() - &dual[0].value).abs().max().double_value(&[]) < 1e-13);
            assert!((jet.first() - &dual[0].tangent).abs().max().double_value(&[]) < 1e-12);
            let slope = |t: &Tensor| net.jet(&x, t, Order::First).unwrap().first();
            let numeric = (slope(&(&t + 1e-5)) - slope(&(&t - 1e-5))) / 2e-5;
            assert!((jet.second() - numeric).abs().max().double_value(&[]) < 1e-6, "{activation:?} {time:?}");
        }
    }
}

#[test]
fn without_time_features_the_time_plays_no_part() {
    let (parameters, net) = mlp(Activation::Silu, TimeFeatures::None, false);
    assert_eq!(parameters.tensors()[0].size(), [16, 3]);
    let (x, t) = inputs();
    let jet = net.jet(&x, &t, Order::Second).unwrap();
    assert_eq!(jet.value(), net.jet(&x, &(&t * 0.5), Order::Second).unwrap().value());
    for derivative in [jet.first(), jet.second()] {
        assert_eq!(derivative, derivative.zeros_like());
    }
}

#[test]
fn a_zero_last_layer_is_the_zero_function() {
    let (_p, net) = mlp(Activation::Silu, TimeFeatures::Raw, true);
    let (x, t) = inputs();
    let jet = net.jet(&x, &t, Order::Second).unwrap();
    for part in [jet.value(), &jet.first(), &jet.second()] {
        assert_eq!(part, &part.zeros_like());
    }
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let (_p, net) = mlp(Activation::Selu, TimeFeatures::Raw, false);
    let (x, t) = inputs();
    let wrong = net.velocity(&x.narrow(1, 0, 2), &t).unwrap_err();
    assert_eq!(wrong.to_string(), "x: shape [7, 2], expected (B, ...) with 3 in all");
    let wrong = net.velocity(&x, &t.narrow(0, 0, 6)).unwrap_err();
    assert_eq!(wrong.to_string(), "t: shape [6], expected (7,)");
    assert!(net.velocity(&x, &t).unwrap_err().to_string().contains("velocity"));
    assert!(net.jet(&x, &t, Order::First).unwrap_err().to_string().contains("smooth"));
}

#[test]
fn time_features_are_octaves_of_half_a_turn() {
    let time = TimeFeatures::Fourier(2);
    let config = MlpConfig { input: 3, hidden: vec![], output: 8, activation: Activation::Silu, time, zero_last: true };
    let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    let net = Mlp::new(&config, &mut parameters.root()).unwrap();
    let identity = Tensor::eye(8, (Kind::Double, Device::Cpu));
    tch::no_grad(|| parameters.tensors()[0].shallow_clone().f_copy_(&identity)).unwrap();
    let (x, t) = inputs();
    let pi = std::f64::consts::PI;
    let angles = [(&t * pi).sin(), (&t * 2.0 * pi).sin(), (&t * pi).cos(), (&t * 2.0 * pi).cos()];
    let expected = Tensor::cat(&[x.shallow_clone(), t.unsqueeze(1), Tensor::stack(&angles, 1)], 1);
    let found = net.jet(&x, &t, Order::Value).unwrap();
    assert!((found.value() - expected).abs().max().double_value(&[]) < 1e-14);
}
