//! Measures along a field's own trajectories: path energy, straightness, and the residual.

use crate::MetricError;
use std::cell::RefCell;
use strait_core::{Error, VelocityField, check_finite, sum_per_sample};
use strait_ode::{Options, RungeKutta, TimeGrid, solve};
use strait_paths::{Along, material_derivative};
use tch::{Device, Kind, Tensor};

/// How far the trajectories of a field are from straight lines at constant speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Straightness {
    /// Path energy $\int_0^1 E|v(x_t, t)|^2 dt$ along the field's own trajectories.
    pub path_energy: f64,
    /// $S = \int_0^1 E|v(x_t, t) - (x_1 - x_0)|^2 dt$ (Liu et al., arXiv 2209.03003): zero exactly where every
    /// trajectory is a straight line at constant speed.
    pub s: f64,
}

/// The energy of a field's evaluations, and how far they are from their mean, point by point.
struct Meter<'a> {
    field: &'a dyn VelocityField,
    found: RefCell<Option<Sums>>,
}

/// In double precision, after k evaluations $v_1, \dots, v_k$ (Welford, 1962).
struct Sums {
    /// $\sum_i E|v_i|^2$.
    energy: Tensor,
    /// $\frac1k \sum_i v_i$.
    mean: Tensor,
    /// $\sum_i E|v_i - \bar v|^2$.
    spread: Tensor,
    count: f64,
}

impl Sums {
    fn with(self, v: &Tensor) -> Self {
        let (count, off) = (self.count + 1.0, v - &self.mean);
        let mean = &self.mean + &off / count;
        // (v - old mean) (v - new mean), which is never below 0.
        let spread = self.spread + mean_square(&off) * ((count - 1.0) / count);
        Self { energy: self.energy + mean_square(v), mean, spread, count }
    }
}

fn mean_square(v: &Tensor) -> Tensor {
    sum_per_sample(&v.square()).mean(Kind::Double)
}

impl VelocityField for Meter<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let v = self.field.velocity(x, t)?;
        let own = v.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        let mut found = self.found.borrow_mut();
        *found = Some(match found.take() {
            Some(sums) => sums.with(&own),
            None => Sums { energy: mean_square(&own), spread: Tensor::from(0.0), mean: own, count: 1.0 },
        });
        Ok(v)
    }
}

/// Path energy and straightness over `steps` Euler steps from `x0` (B, ...).
///
/// With Euler steps of length h, $x_1 - x_0 = \sum_i h v_i$, so that
/// $S = \sum_i h E|v_i|^2 - E|x_1 - x_0|^2 = \sum_i h E|v_i - (x_1 - x_0)|^2$ exactly: S is the energy beyond that of the straight
/// lines. It is computed as the second sum, in double precision from the velocities alone: never below 0, and right also where
/// points are too far from 0 for their steps to show.
///
/// # Errors
/// Those of the field and of the solver; `NonFinite` where it overflows.
///
/// ```
/// use strait_core::{Error, VelocityField};
/// use tch::{Device, Kind, Tensor};
/// struct Shift; // every point moves by (3, 4) at constant speed
/// impl VelocityField for Shift {
///     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
///         Ok(x.zeros_like() + Tensor::from_slice(&[3.0f64, 4.0]))
///     }
/// }
/// let x0 = Tensor::zeros([8, 2], (Kind::Double, Device::Cpu));
/// let found = strait_metrics::straightness(&Shift, &x0, 10)?;
/// assert!((found.path_energy - 25.0).abs() < 1e-9 && found.s.abs() < 1e-9);
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
pub fn straightness(field: &dyn VelocityField, x0: &Tensor, steps: usize) -> Result<Straightness, MetricError> {
    let meter = Meter { field, found: RefCell::new(None) };
    solve(&meter, x0, &TimeGrid::uniform(steps)?, &mut RungeKutta::euler(), Options::default())?;
    let Some(Sums { energy, spread, .. }) = meter.found.into_inner() else {
        return Ok(Straightness { path_energy: 0.0, s: 0.0 });
    };
    check_finite("the path energy", &energy, String::new)?;
    let per_step = |sum: Tensor| sum.double_value(&[]) / steps as f64;
    Ok(Straightness { path_energy: per_step(energy), s: per_step(spread) })
}

/// The residual $E|Dv/Dt|^2$ of a field on its own trajectories, at each of some times.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    /// The times, rising within $[0, 1]$.
    pub times: Vec<f64>,
    /// $E|Dv/Dt|^2$ at each.
    pub profile: Vec<f64>,
}

impl Residual {
    /// The mean over the times. It is a diagnostic over ALL of t: a path can hide its curvature where none is looked
    /// for.
    pub fn mean(&self) -> f64 {
        self.profile.iter().sum::<f64>() / self.profile.len() as f64
    }
}

/// The residual at the middles of `parts` equal parts of $[0, 1]$, along trajectories of `steps_between` Euler steps to
/// each, the material derivative taken as `along` says.
///
/// # Errors
/// Those of the field and of the solver; `NonFinite` where it overflows.
pub fn residual(
    field: &dyn VelocityField,
    x0: &Tensor,
    parts: usize,
    steps_between: usize,
    along: Along,
) -> Result<Residual, MetricError> {
    let times: Vec<f64> = (0..parts).map(|i| (i as f64 + 0.5) / parts as f64).collect();
    let (mut x, mut from) = (x0.shallow_clone(), 0.0);
    let mut profile = Vec::with_capacity(parts);
    for &to in &times {
        let grid = (0..=steps_between).map(|i| from + (to - from) * i as f64 / steps_between as f64).collect();
        x = solve(field, &x, &TimeGrid::custom(grid)?, &mut RungeKutta::euler(), Options::default())?.x;
        from = to;
        let t = Tensor::full([x.size()[0]], to, (x.kind(), x.device()));
        let velocity = |x: &Tensor, t: &Tensor| field.velocity(x, t);
        let bend = tch::no_grad(|| material_derivative(&velocity, &x, &t, along))?.derivative;
        let bent = sum_per_sample(&bend.square()).mean(Kind::Double);
        check_finite("the residual", &bent, || format!(" at t = {to:.3}"))?;
        profile.push(bent.double_value(&[]));
    }
    Ok(Residual { times, profile })
}
