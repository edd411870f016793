//! Straightness and the material derivative of fields for which both are known.

use strait_core::{Error, Seed, Source, StandardNormal, VelocityField};
use strait_metrics::{residual, straightness};
use strait_paths::gaussian::{LinearPathField, StraightField};
use strait_paths::{Along, material_derivative};
use tch::{Device, Kind, Tensor};

fn endpoints() -> (Tensor, Tensor) {
    (Tensor::from_slice(&[1.0f64, -2.0]), Tensor::from_slice2(&[[2.0f64, 0.6], [0.6, 0.5]]))
}

fn source(n: i64) -> Tensor {
    StandardNormal::new(&[2]).sample(n, &mut Seed(1).stream("x0").at(0), Kind::Double, Device::Cpu).unwrap()
}

#[test]
fn the_straight_pair_has_no_residual_and_the_optimal_energy() {
    let (mean, covariance) = endpoints();
    let field = StraightField::new(&mean, &covariance).unwrap();
    let x0 = source(4000);
    let found = residual(&field, &x0, 8, 4, Along::Forward).unwrap();
    assert!(found.profile.iter().all(|r| *r < 1e-16), "{found:?}");
    let s = straightness(&field, &x0, 20).unwrap();
    assert!(s.s.abs() < 1e-10, "{s:?}");
    // The energy of the optimal flow is W2^2 = |m|^2 + tr((R - I)^2), here within sampling error.
    let (values, _) = covariance.linalg_eigh("L");
    let bures = (values.sqrt() - 1.0).square().sum(Kind::Double).double_value(&[]) + 5.0;
    assert!((s.path_energy - bures).abs() < 0.15, "{} against {bures}", s.path_energy);
}

#[test]
fn the_linear_path_is_not_straight_and_its_derivative_follows_its_trajectories() {
    let (mean, covariance) = endpoints();
    let field = LinearPathField::new(&mean, &covariance).unwrap();
    let x = source(6);
    let t = Tensor::full([6], 0.3, (Kind::Double, Device::Cpu));
    // dv along a fine RK4 trajectory, by central differences.
    let h = 1e-4;
    let step = |x: &Tensor, t: &Tensor, h: f64| -> Tensor {
        let v = |x: &Tensor, t: &Tensor| field.velocity(x, t).unwrap();
        let k1 = v(x, t);
        let k2 = v(&(x + &k1 * (h / 2.0)), &(t + h / 2.0));
        let k3 = v(&(x + &k2 * (h / 2.0)), &(t + h / 2.0));
        let k4 = v(&(x + &k3 * h), &(t + h));
        x + (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0)
    };
    let after = field.velocity(&step(&x, &t, h), &(&t + h)).unwrap();
    let before = field.velocity(&step(&x, &t, -h), &(&t - h)).unwrap();
    let numeric = (after - before) / (2.0 * h);
    for along in [Along::Forward, Along::Reverse, Along::Difference { step: 1e-4 }] {
        let found = material_derivative(&|x, t| field.velocity(x, t), &x, &t, along).unwrap().derivative;
        assert!((found - &numeric).abs().max().double_value(&[]) < 1e-6, "{along:?}");
    }
    let x0 = source(2000);
    assert!(straightness(&field, &x0, 50).unwrap().s > 0.1);
    assert!(residual(&field, &x0, 8, 8, Along::Forward).unwrap().mean() > 1.0);
}

/// The sum of squares is the energy beyond that of the straight lines between the ends of trajectories.
#[test]
fn straightness_is_the_energy_beyond_that_of_straight_lines() {
    let (mean, covariance) = endpoints();
    let field = LinearPathField::new(&mean, &covariance).unwrap();
    let x0 = source(300);
    for steps in [1, 2, 5, 40] {
        let (mut x, mut energy) = (x0.copy(), 0.0);
        for step in 0..steps {
            let t = Tensor::full([300], step as f64 / steps as f64, (Kind::Double, Device::Cpu));
            let v = field.velocity(&x, &t).unwrap();
            energy += v.square().sum(Kind::Double).double_value(&[]) / 300.0 / steps as f64;
            x += v / steps as f64;
        }
        let straight = (x - &x0).square().sum(Kind::Double).double_value(&[]) / 300.0;
        let found = straightness(&field, &x0, steps).unwrap();
        assert!((found.path_energy - energy).abs() < 1e-10 * energy, "{found:?} for {energy}");
        assert!((found.s - (energy - straight)).abs() < 1e-10 * energy, "{found:?} for {}", energy - straight);
    }
}

/// Every point moves at a velocity of its own.
struct Each(Tensor);

impl VelocityField for Each {
    fn velocity(&self, _x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.0.shallow_clone())
    }
}

/// Straight lines are straight wherever they start, in single precision too, and a straightness is never below 0.
#[test]
fn straight_lines_are_straight_far_from_zero_and_in_single_precision() {
    for (kind, offset, speed) in [
        (Kind::Float, 0.0, 1.0),
        (Kind::Float, 1e4, 1e-3),
        (Kind::Float, -1e6, 1.0),
        (Kind::Double, 1e9, 1e-6),
        (Kind::Float, 0.0, 1e-12),
        (Kind::Float, 0.0, 1e12),
    ] {
        let x0 = source(500).to_kind(kind) + offset;
        let v = Seed(2).stream("v").at(0).normal(&[500, 2], kind, Device::Cpu).unwrap() * speed;
        let energy = v.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[]) / 500.0;
        for steps in [1, 7, 100] {
            let found = straightness(&Each(v.shallow_clone()), &x0, steps).unwrap();
            assert!((found.path_energy - energy).abs() < 1e-12 * energy, "{found:?} for {energy}");
            assert!((0.0..1e-20 * energy).contains(&found.s), "{kind:?} {offset} {speed} {steps}: {found:?}");
        }
    }
}

struct Broken;

impl VelocityField for Broken {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(x * f64::NAN)
    }
}

#[test]
fn a_field_that_is_not_finite_is_reported() {
    let message = straightness(&Broken, &source(3), 5).unwrap_err().to_string();
    assert!(message.contains("t = 0") && message.contains("finite"), "{message}");
}

/// A field so fast that its square is no number is an error, and not a number that no file can hold.
#[test]
fn what_overflows_is_said() {
    struct Fast;
    impl VelocityField for Fast {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.ones_like() * if x.kind() == Kind::Float { 1e25 } else { 1e200 } * (t.unsqueeze(1) + 1.0))
        }
    }
    let x0 = Tensor::zeros([4, 2], (Kind::Float, Device::Cpu));
    let said = straightness(&Fast, &x0.to_kind(Kind::Double), 4).unwrap_err().to_string();
    assert!(said.contains("path energy"), "{said}");
    // Squares beyond single precision are numbers: of 1, 1.25, 1.5 and 1.75, and their spread, in each coordinate.
    let found = straightness(&Fast, &x0, 4).unwrap();
    assert!((found.path_energy / 1e50 - 2.0 * 1.96875).abs() < 1e-5, "{found:?}");
    assert!((found.s / 1e50 - 2.0 * 0.078125).abs() < 1e-5, "{found:?}");
    let said = residual(&Fast, &x0, 2, 2, Along::Forward).unwrap_err().to_string();
    assert!(said.contains("residual") && said.contains("t = "), "{said}");
}
