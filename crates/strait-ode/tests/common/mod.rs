//! Fields whose flow is known in closed form, in float64.

use std::cell::Cell;
use strait_core::{Error, VelocityField, per_sample};
use tch::{Device, Kind, Tensor};

/// $\dot x = A x$ with a spiral's A.
pub(crate) struct Linear;

/// $\dot x = \sin x$, so $\tan(x/2)$ grows like $e^t$.
pub(crate) struct Sine;

/// $\dot x = x \cos(2t) + t$, driven by the time.
pub(crate) struct Driven;

impl VelocityField for Linear {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        let (a, b) = (x.select(1, 0), x.select(1, 1));
        Ok(Tensor::stack(&[&a * -0.5 - &b * 2.0, &a * 2.0 - &b * 0.5], 1))
    }
}

impl Linear {
    pub(crate) fn flow(x: &Tensor, s: f64) -> Tensor {
        let (a, b) = (x.select(1, 0), x.select(1, 1));
        let (sin, cos) = (2.0 * s).sin_cos();
        Tensor::stack(&[&a * cos - &b * sin, &a * sin + &b * cos], 1) * (-0.5 * s).exp()
    }
}

impl VelocityField for Sine {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(x.sin())
    }
}

impl Sine {
    pub(crate) fn flow(x: &Tensor, s: f64) -> Tensor {
        ((x / 2.0).tan() * s.exp()).atan() * 2.0
    }
}

impl VelocityField for Driven {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let t = per_sample(t, x);
        Ok(x * (&t * 2.0).cos() + &t)
    }
}

impl Driven {
    /// By variation of constants, the integral by Simpson's rule on a fine mesh.
    pub(crate) fn flow(x: &Tensor, s: f64) -> Tensor {
        let n = 20_000;
        let g = |r: f64| r * (-(2.0 * r).sin() / 2.0).exp();
        let h = s / f64::from(n);
        let mut sum = g(0.0) + g(s);
        for i in 1..n {
            sum += g(f64::from(i) * h) * if i % 2 == 1 { 4.0 } else { 2.0 };
        }
        (x + sum * h / 3.0) * ((2.0 * s).sin() / 2.0).exp()
    }
}

/// Counts what is asked of a field.
pub(crate) struct Counting<F> {
    pub(crate) field: F,
    pub(crate) calls: Cell<usize>,
    /// Samples, summed over the calls.
    pub(crate) rows: Cell<usize>,
}

impl<F> Counting<F> {
    pub(crate) fn new(field: F) -> Self {
        Self { field, calls: Cell::new(0), rows: Cell::new(0) }
    }
}

impl<F: VelocityField> VelocityField for Counting<F> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.calls.set(self.calls.get() + 1);
        self.rows.set(self.rows.get() + x.size()[0] as usize);
        self.field.velocity(x, t)
    }
}

/// Some points of the plane.
pub(crate) fn points(n: i64) -> Tensor {
    let i = Tensor::arange(2 * n, (Kind::Double, Device::Cpu));
    ((i * 1.7 + 0.3).sin() * 1.5).view([n, 2])
}

/// The root of the mean square difference.
pub(crate) fn distance(x: &Tensor, y: &Tensor) -> f64 {
    (x - y).square().mean(Kind::Double).sqrt().double_value(&[])
}
