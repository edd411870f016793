//! Measures along a field's own trajectories: path energy, straightness, and the residual.

use crate::MetricError;
use std::cell::RefCell;
use strait_core::{Error, VelocityField, check_finite, sum_per_sample};
use strait_ode::{Options, RungeKutta, TimeGrid, solve};
use strait_paths::{Along, material_derivative};
use tch::{Kind, Tensor};

/// How far the trajectories of a field are from straight lines at constant speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Straightness {
    /// Path energy $\int_0^1 E|v(x_t, t)|^2 dt$ along the field's own trajectories.
    pub path_energy: f64,
    /// $S = \int_0^1 E|v(x_t, t) - (x_1 - x_0)|^2 dt$ (Liu et al., arXiv 2209.03003): zero exactly where every
    /// trajectory is a straight line at constant speed.
    pub s: f64,
}

/// Adds up $E|v|^2$ over the evaluations of a field.
struct Meter<'a> {
    field: &'a dyn VelocityField,
    total: RefCell<Option<Tensor>>,
}

impl VelocityField for Meter<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let v = self.field.velocity(x, t)?;
        let energy = sum_per_sample(&v.square()).mean(Kind::Double);
        let mut total = self.total.borrow_mut();
        *total = Some(match total.take() {
            Some(sum) => sum + energy,
            None => energy,
        });
        Ok(v)
    }
}

/// Path energy and straightness over `steps` Euler steps from `x0` (B, ...).
///
/// With Euler steps of length h, $x_1 - x_0 = \sum_i h v_i$, so that
/// $S = \sum_i h E|v_i|^2 - E|x_1 - x_0|^2$ exactly: S is the energy beyond that of the straight lines.
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
    let meter = Meter { field, total: RefCell::new(None) };
    let solution = solve(&meter, x0, &TimeGrid::uniform(steps)?, &mut RungeKutta::euler(), Options::default())?;
    let total = meter.total.into_inner().unwrap_or_else(|| Tensor::from(0.0));
    check_finite("the path energy", &total, String::new)?;
    let total = total.double_value(&[]);
    let displacement = sum_per_sample(&(solution.x - x0).square()).mean(Kind::Double).double_value(&[]);
    let path_energy = total / steps as f64;
    Ok(Straightness { path_energy, s: path_energy - displacement })
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
        check_finite("the residual", &bent, || format!(" at t = {to}"))?;
        profile.push(bent.double_value(&[]));
    }
    Ok(Residual { times, profile })
}
