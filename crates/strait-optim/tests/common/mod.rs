//! Pairs, a path and fields with known results, which the tests share.

pub(crate) mod line;
pub(crate) mod sheared;

use strait_core::{Coupling, Draws, Error, Interpolant, Pairs, PathCurve, PathSample, Seed, VelocityField, per_sample};
use tch::{Device, Kind, Tensor};

/// Pairs as they are drawn.
pub(crate) struct Independent;

impl Coupling for Independent {
    fn couple(&self, x0: Tensor, x1: Tensor, _: &mut Draws) -> Result<Pairs, Error> {
        Ok(Pairs { x0, x1, target_rows: None })
    }
    fn is_independent(&self) -> bool {
        true
    }
    fn name(&self) -> &str {
        "independent"
    }
}

/// $v(x, t) = t A x$: along its own flow $Dv/Dt = A x + t^2 A^2 x$.
pub(crate) struct Turning;

impl Turning {
    pub(crate) fn times(x: &Tensor) -> Tensor {
        x.roll([1], [1]) * Tensor::from_slice(&[-1.0f64, 1.0])
    }
}

impl VelocityField for Turning {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(Self::times(x) * per_sample(t, x))
    }
}

/// $(1-t)x_0 + t x_1 + t(1-t)c$.
pub(crate) struct Bent(pub(crate) Tensor);

impl Interpolant for Bent {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let PathCurve { x_t, velocity, .. } = self.curve(x0, x1, t)?;
        Ok(PathSample { x_t, velocity })
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let s = per_sample(t, x0);
        let rest = 1f64 - &s;
        Ok(PathCurve {
            x_t: &rest * x0 + &s * x1 + &s * &rest * &self.0,
            velocity: x1 - x0 + (rest - s) * &self.0,
            acceleration: (&self.0 * -2.0).expand_as(x0),
        })
    }
}

/// Normal numbers, the same for the same name.
pub(crate) fn normal(name: &str, shape: &[i64]) -> Tensor {
    Seed(9).stream(name).at(0).normal(shape, Kind::Double, Device::Cpu).unwrap()
}
