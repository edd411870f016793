//! The speed and acceleration of paths, against closed forms.

use strait_core::{Error, Interpolant, PathCurve, PathSample, Seed};
use strait_metrics::conditional_motion;
use strait_paths::{Linear, Schedule};
use tch::{Device, Kind, Tensor};

fn pairs(n: i64) -> (Tensor, Tensor) {
    let draw = |name: &str| Seed(4).stream(name).at(0).normal(&[n, 3], Kind::Double, Device::Cpu).unwrap();
    (draw("x0"), draw("x1") * 2.0 + 1.0)
}

fn mean_square(x: &Tensor) -> f64 {
    (x.square().sum(Kind::Double) / x.size()[0] as f64).double_value(&[])
}

#[test]
fn a_schedule_moves_as_its_formula_says() {
    let (x0, x1) = pairs(1000);
    let linear = conditional_motion(&Linear, &x0, &x1, 4).unwrap().unwrap();
    assert!((linear.squared_speed - mean_square(&(&x1 - &x0))).abs() < 1e-9);
    assert_eq!(linear.squared_acceleration, 0.0);
    let (low, high) = linear.log_det.unwrap();
    assert!(low.abs() < 1e-9 && high.abs() < 1e-9, "{low} to {high}");
    // The largest 0.1% of 4,000 speeds are the four of the fastest pair.
    let speeds = (&x1 - &x0).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    let (sorted, _) = speeds.sort(0, true);
    assert!((linear.squared_speed_tail - sorted.double_value(&[1])).abs() < 1e-9);

    // cos x0 + sin x1: x_tt = -(pi/2)^2 x_t, and |det| = cos^d.
    let found = conditional_motion(&Schedule::Trigonometric, &x0, &x1, 8).unwrap().unwrap();
    let quarter = std::f64::consts::FRAC_PI_2;
    // Over uniform t and these pairs, E|x_t|^2 = (|x0|^2 + |x1|^2)/2 + 2/pi x0.x1, and E|u|^2 has the other sign.
    let (half, cross) = ((mean_square(&x0) + mean_square(&x1)) / 2.0, 2.0 / std::f64::consts::PI);
    let product = (&x0 * &x1).sum(Kind::Double).double_value(&[]) / 1000.0;
    let (u, a) = (quarter.powi(2) * (half - cross * product), quarter.powi(4) * (half + cross * product));
    assert!((found.squared_speed / u - 1.0).abs() < 0.02, "{} against {u}", found.squared_speed);
    assert!((found.squared_acceleration / a - 1.0).abs() < 0.02, "{} against {a}", found.squared_acceleration);
    let (low, high) = found.log_det.unwrap();
    // log(cos(pi t / 2) / (1 - t)) rises from 0 to log(pi / 2).
    assert!(low.abs() < 1e-3 && (high - quarter.ln()).abs() < 1e-2, "{low} to {high}");
}

/// A path that makes half of its way within a thin layer at t = 0.
struct Layer(f64);

impl Interpolant for Layer {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        self.curve(x0, x1, t).map(|c| PathSample { x_t: c.x_t, velocity: c.velocity })
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let t = t.unsqueeze(1);
        let early = t.lt(self.0).to_kind(Kind::Double);
        let speed = &early * (0.5 / self.0) + (1f64 - &early) * (0.5 / (1.0 - self.0));
        let velocity = (x1 - x0) * speed;
        Ok(PathCurve { x_t: x0.shallow_clone(), acceleration: velocity.zeros_like(), velocity })
    }
}

#[test]
fn a_thin_layer_is_seen_and_what_is_not_finite_is_none() {
    let (x0, x1) = pairs(1000);
    let width = 2e-3;
    let found = conditional_motion(&Layer(width), &x0, &x1, 8).unwrap().unwrap();
    let expected = mean_square(&(&x1 - &x0)) * 0.25 * (1.0 / width + 1.0 / (1.0 - width));
    assert!((found.squared_speed / expected - 1.0).abs() < 0.3, "{} against {expected}", found.squared_speed);
    assert!(found.squared_speed_tail > 50.0 * found.squared_speed && found.log_det.is_none());
    assert_eq!(conditional_motion(&Layer(0.0), &x0, &(x1 * f64::INFINITY), 2).unwrap(), None);
}
