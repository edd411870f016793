//! A toy as a data set: pure functions, splits that never meet, units.

use std::collections::HashSet;
use strait_core::{Dataset, Seed, Source, Split};
use strait_data::{NormalisedToy, Toy, ToyDataset, toys::*};
use tch::{Device, Kind, Tensor};

fn dataset() -> ToyDataset {
    ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 1.0).unwrap()), Kind::Double, Device::Cpu).unwrap()
}

#[test]
fn minibatches_are_pure_functions_of_step_and_stream() {
    let (data, stream) = (dataset(), Seed(3).stream("data"));
    let once: Vec<Tensor> = (0..20).map(|step| data.minibatch(16, step, stream).unwrap()).collect();
    for step in (0..20).rev() {
        assert_eq!(data.minibatch(16, step, stream).unwrap(), once[step as usize]);
    }
    assert_eq!(dataset().minibatch(16, 19, stream).unwrap(), once[19]);
    assert_ne!(data.minibatch(16, 0, Seed(4).stream("data")).unwrap(), once[0]);
}

/// Even when the same draws are used for everything, as a careless caller may.
#[test]
fn the_splits_never_meet() {
    let (data, stream) = (dataset(), Seed(3).stream("data"));
    let mut seen = HashSet::new();
    for step in 0..20 {
        let mut batches = vec![data.minibatch(50, step, stream).unwrap()];
        for split in [Split::Validation, Split::Test] {
            batches.push(data.points(split, 50, &mut stream.at(step)).unwrap());
        }
        for x in batches {
            for first in Vec::<f64>::try_from(x.select(1, 0)).unwrap() {
                assert!(seen.insert(first.to_bits()), "step {step}: {first} twice");
            }
        }
    }
    assert_eq!(data.len(Split::Test), None);
}

#[test]
fn the_units_are_the_same_in_every_run_and_lead_back() {
    let (data, stream) = (dataset(), Seed(3).stream("data"));
    let z = data.points(Split::Test, 50_000, &mut stream.at(0)).unwrap();
    assert!((z.square().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.02);
    let x = data.denormalise(&z).unwrap();
    // Radius 5 and sd 1: E|x|^2 = 27.
    assert!((x.square().mean(Kind::Double).double_value(&[]) * 2.0 / 27.0 - 1.0).abs() < 0.01);
    assert!(data.law().units().apply(&x).unwrap().allclose(&z, 1e-12, 1e-12, false));
    assert_eq!(data.law().units().scale(), dataset().law().units().scale());
    assert_eq!(data.name(), data.law().toy().name());
    let log_p = data.law().log_density(&z).unwrap();
    let own = data.law().toy().log_density(&x).unwrap();
    let scale = data.law().units().scale().double_value(&[]);
    assert!((log_p - own - 2.0 * scale.ln()).abs().max().double_value(&[]) < 1e-9);
}

#[test]
fn a_source_in_the_units_of_its_target_keeps_their_proportions() {
    let target = NormalisedToy::new(Box::new(Mixture::eight_gaussians(5.0, 1.0).unwrap())).unwrap();
    let units = target.units().to(Kind::Double, Device::Cpu).unwrap();
    let scale = units.scale().double_value(&[]);
    let moons = NormalisedToy::in_units(Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0]).unwrap()), units);
    let z = moons.sample(10_000, &mut Seed(0).stream("x").at(0), Kind::Double, Device::Cpu).unwrap();
    let x = moons.toy().sample(10_000, &mut Seed(0).stream("x").at(0), Kind::Double, Device::Cpu).unwrap();
    let spread = |x: &Tensor| x.std_dim([0i64].as_slice(), true, false);
    assert!((spread(&x) / spread(&z) - scale).abs().max().double_value(&[]) < 1e-9);
}

#[test]
fn single_precision_and_other_shapes() {
    let toys: [Box<dyn Toy + Send>; 2] =
        [Box::new(Gaussian::of_dimension(32).unwrap()), Box::new(Mixture::sixteen_modes(16).unwrap())];
    for toy in toys {
        let d = toy.event_shape()[0];
        let data = ToyDataset::new(toy, Kind::Float, Device::Cpu).unwrap();
        let x = data.minibatch(9, 0, Seed(0).stream("data")).unwrap();
        assert_eq!((x.size(), x.kind(), data.event_shape()), (vec![9, d], Kind::Float, &[d][..]));
        assert!(data.minibatch(-1, 0, Seed(0).stream("data")).is_err());
    }
}
