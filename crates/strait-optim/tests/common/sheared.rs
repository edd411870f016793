//! A path with a matrix between Gaussians, whose field is known, and pairs that have the exact second moments of the
//! laws.

use strait_core::{Batch, Error, Interpolant, PathCurve, PathSample, per_sample};
use tch::{Device, Kind, Tensor};

pub(crate) const OPTIONS: (Kind, Device) = (Kind::Double, Device::Cpu);

/// $A_t = (1-t) I + c\,t(1-t) M$, with a matrix M that turns and shears.
pub(crate) struct Sheared {
    pub(crate) c: Tensor,
    pub(crate) m: Tensor,
}

impl Sheared {
    pub(crate) fn new(c: f64) -> Self {
        Self { c: Tensor::from(c), m: Tensor::from_slice2(&[[0.4f64, 1.1], [-0.7, 0.2]]) }
    }

    /// A and its derivative, at a number t.
    fn matrix(&self, t: f64) -> (Tensor, Tensor) {
        let eye = Tensor::eye(2, OPTIONS);
        let a = &eye * (1.0 - t) + &self.m * (&self.c * (t * (1.0 - t)));
        let slope = &self.m * (&self.c * (1.0 - 2.0 * t)) - eye;
        (a, slope)
    }
}

impl Interpolant for Sheared {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let s = per_sample(t, x0);
        let turned = x0.matmul(&self.m.tr()) * &self.c;
        let rest = 1f64 - &s;
        Ok(PathSample { x_t: &rest * x0 + &s * &rest * &turned + &s * x1, velocity: x1 - x0 + (rest - s) * turned })
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
        Ok(PathCurve { x_t, velocity, acceleration: x0.matmul(&self.m.tr()) * &self.c * -2.0 })
    }
}

/// S, with eigenvalues .5 and 3.
pub(crate) fn covariance() -> Tensor {
    Tensor::from_slice2(&[[1.2f64, 1.1], [1.1, 2.3]])
}

/// $G_t$ and $C_t$.
pub(crate) fn field(path: &Sheared, t: f64) -> (Tensor, Tensor) {
    let (a, slope) = path.matrix(t);
    let s = covariance();
    let c = a.matmul(&a.tr()) + &s * (t * t);
    ((slope.matmul(&a.tr()) + s * t).matmul(&c.inverse()), c)
}

/// Pairs whose means and covariances are those of the laws exactly, at each of `times`: all sixteen signs of two
/// independent whitened points. What is quadratic in a pair is averaged without error.
pub(crate) fn pairs(times: i64) -> Batch {
    let sign = || Tensor::from_slice(&[-1.0f64, 1.0]);
    let signs = Tensor::cartesian_prod(&[sign(), sign(), sign(), sign()]);
    let root = covariance().linalg_cholesky(false);
    let (x0, x1) = (signs.narrow(1, 0, 2), signs.narrow(1, 2, 2).matmul(&root.tr()));
    let t = (Tensor::arange(times, OPTIONS) + 0.5) / times as f64;
    Batch {
        x0: x0.repeat([times, 1]),
        x1: x1.repeat([times, 1]),
        t: t.repeat_interleave_self_int(16, 0, None),
        later: None,
        conditions: strait_core::Conditions::default(),
    }
}
