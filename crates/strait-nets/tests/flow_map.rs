//! The MLP of two times under the laws of a flow map.

use strait_autodiff::{Jet, Order};
use strait_core::{Error, FlowMap, Parameters, Scope, Seed, average_velocity_jvp};
use strait_laws::flow_map::{Case, check};
use strait_nets::{Activation, MlpConfig, MlpFlowMap, TimeFeatures};
use tch::{Device, Kind, Tensor};

fn config(d: i64, activation: Activation, time: TimeFeatures) -> MlpConfig {
    MlpConfig { input: d, hidden: vec![8, 8], output: d, activation, time, zero_last: false }
}

/// For samples of a case, each way of seeing the times in turn.
fn map(activation: Activation) -> impl Fn(&Case, &mut Scope<'_>) -> Result<MlpFlowMap, Error> {
    move |case, scope| {
        let time = [TimeFeatures::None, TimeFeatures::Raw, TimeFeatures::Fourier(2)][case.seed as usize % 3];
        MlpFlowMap::new(&config(case.event.iter().product(), activation, time), scope)
    }
}

#[test]
fn networks_of_two_times_keep_the_laws() {
    for activation in [Activation::Silu, Activation::Tanh] {
        check(&format!("{activation:?}"), map(activation)).unwrap();
    }
}

/// Once by the kernel, once layer by layer, once by a JVP.
#[test]
fn every_way_to_a_derivative_gives_the_same() {
    for activation in [Activation::Silu, Activation::Tanh, Activation::Selu] {
        let mut parameters = Parameters::new(Seed(4), Kind::Double, Device::Cpu);
        let map = MlpFlowMap::new(&config(3, activation, TimeFeatures::Fourier(2)), &mut parameters.root()).unwrap();
        let mut draws = Seed(5).stream("x").at(0);
        let mut normal = |shape: &[i64]| draws.normal(shape, Kind::Double, Device::Cpu).unwrap();
        let (x, dx, s, t) = (normal(&[7, 3]), normal(&[7, 3]), normal(&[7]), normal(&[7]));
        let along = Jet::with_derivatives(x, dx, None);
        let both = [Jet::variable(&s, Order::First), Jet::constant(&t)];
        let jet = map.average_velocity_jet(&along, &both[0], &both[1]).unwrap();
        let wanted = average_velocity_jvp(&map, &along, &both[0], &both[1]).unwrap();
        assert!(jet.value().allclose(wanted.value(), 0.0, 1e-12, false), "{activation:?}");
        assert!(jet.first().allclose(&wanted.first(), 0.0, 1e-12, false), "{activation:?}");
        assert!(jet.first().abs().max().double_value(&[]) > 0.1, "{activation:?}: no derivative");
    }
}

#[test]
fn a_result_that_is_no_velocity_is_refused() {
    let mut parameters = Parameters::new(Seed(4), Kind::Double, Device::Cpu);
    let other = MlpConfig { output: 2, ..config(3, Activation::Silu, TimeFeatures::Raw) };
    let error = MlpFlowMap::new(&other, &mut parameters.root()).unwrap_err().to_string();
    assert_eq!(error, "a flow map's result: shape [2], expected 3 numbers, as it sees");
    let map = MlpFlowMap::new(&config(3, Activation::Silu, TimeFeatures::Raw), &mut parameters.root()).unwrap();
    let (x, t) = (Tensor::zeros([4, 3], (Kind::Double, Device::Cpu)), Tensor::zeros([4], (Kind::Double, Device::Cpu)));
    let error = map.average_velocity(&x, &t.narrow(0, 0, 3), &t).unwrap_err().to_string();
    assert_eq!(error, "s: shape [3], expected [4]");
}
