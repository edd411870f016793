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
            Ok(x.ones_like() * 1e25 * (t.unsqueeze(1) + 1.0))
        }
    }
    let x0 = Tensor::zeros([4, 2], (Kind::Float, Device::Cpu));
    let said = straightness(&Fast, &x0, 4).unwrap_err().to_string();
    assert!(said.contains("path energy"), "{said}");
    let said = residual(&Fast, &x0, 2, 2, Along::Forward).unwrap_err().to_string();
    assert!(said.contains("residual") && said.contains("t = "), "{said}");
}
