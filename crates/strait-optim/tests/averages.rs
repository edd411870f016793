//! Moving averages: their initial steps and their half-life.

use strait_core::{Init, Parameters, Seed};
use strait_optim::Ema;
use tch::{Device, Kind, Tensor};

/// One parameter, which is set to each of `values` in turn and taken in; the average after each.
fn averages(half_life: f64, start: f64, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut parameters = Parameters::new(Seed(1), Kind::Double, Device::Cpu);
    let p = parameters.root().tensor("p", &[], Init::Constant(start)).unwrap();
    let mut average = Ema::new(&parameters, half_life).unwrap();
    let each = values.into_iter().map(|value| {
        tch::no_grad(|| p.shallow_clone().copy_(&Tensor::from(value)));
        average.update(&parameters).unwrap();
        average.averages()[0].double_value(&[])
    });
    each.collect()
}

/// While the weight of a mean is the larger one the average is that mean, whatever the start was.
#[test]
fn the_first_steps_are_a_plain_mean_that_forgets_the_start() {
    let found = averages(1000.0, -50.0, [4.0, 8.0, 3.0, 1.0]);
    for (found, wanted) in found.iter().zip([4.0, 6.0, 5.0, 4.0]) {
        assert!((found - wanted).abs() < 1e-12, "{found} in place of {wanted}");
    }
}

/// What was there before has half of its weight after each half-life.
#[test]
fn the_weight_of_the_past_halves_in_a_half_life() {
    let half_life = 5.0;
    let found = averages(half_life, 1.0, std::iter::repeat_n(1.0, 50).chain(std::iter::repeat_n(0.0, 20)));
    for (steps, wanted) in [(5, 0.5), (10, 0.25), (20, 0.0625)] {
        let at = found[50 + steps - 1];
        assert!((at - wanted).abs() < 1e-12, "{at} after {steps} steps, in place of {wanted}");
    }
}
