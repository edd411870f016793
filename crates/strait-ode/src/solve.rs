//! Whole trajectories: the integration of a batch over a grid of times, in parts that fit into memory.

use crate::field_arguments::{Arguments, FieldWithArguments};
use crate::scratch::copy;
use crate::watched_field::{Watch, first_bad_sample};
use crate::{OdeError, TimeGrid};
use strait_core::{Stepper, VelocityField, check_same};
use tch::Tensor;

/// How a trajectory is computed, beside the method and the grid.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// The most samples carried together; `None` carries all at once.
    pub chunk: Option<i64>,
    /// Whether the state at every time of the grid is kept.
    pub trajectory: bool,
    /// Called after every step with the fraction done, in $[0, 1]$.
    pub progress: Option<&'a dyn Fn(f64)>,
}

/// The result of an integration.
#[derive(Debug)]
pub struct Solution {
    /// The state at the end of the grid, of the shape of the input (B, ...).
    pub x: Tensor,
    /// Evaluations of the field along a trajectory, counted as they happened, rejected steps included. A batch
    /// that is carried in parts counts once; where parts differ this is the largest.
    pub nfe: usize,
    /// The state at each of the n + 1 times of the grid, (n + 1, B, ...), if it was asked for.
    pub trajectory: Option<Tensor>,
    /// The evaluations that each sample took, (B,) of 64-bit integers, where each has its own step.
    pub nfe_of_each: Option<Tensor>,
}

/// Carries a batch along $\dot x = v(x, t)$ over a grid, by a method with fixed steps (any [`Stepper`]) or by one that
/// chooses its own ([`DormandPrince`](crate::DormandPrince)).
///
/// A rising grid goes from source to data, a falling one ([`TimeGrid::reversed`]) goes from data to the source. No
/// graph is recorded, `x` is not changed, and memory does not grow with the number of steps unless the
/// trajectory is asked for. On a GPU a fixed-step method does not wait for the device before the end.
///
/// # Errors
/// `NonFinite` says at which step, t and sample a velocity or the state stopped being finite (it is looked for
/// afterwards, by a second pass, only if the result is not finite); `Field` wraps the field's own error;
/// `Option` for a chunk below 1; `Kind` for integers; `Core` for an x that is not a batch or not finite, and for a
/// stepper that changes the state's shape; and those of the solver.
///
/// ```
/// use strait_core::{Error, VelocityField};
/// use strait_ode::{Options, RungeKutta, TimeGrid, solve};
/// use tch::Tensor;
/// struct Spiral; // (x, y) -> (-y, x)
/// impl VelocityField for Spiral {
///     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
///         Ok(Tensor::stack(&[-x.select(1, 1), x.select(1, 0)], 1))
///     }
/// }
/// let x = Tensor::from_slice(&[1.0f64, 0.0]).view([1, 2]);
/// let grid = TimeGrid::uniform(20)?;
/// let forward = solve(&Spiral, &x, &grid, &mut RungeKutta::rk4(), Options::default())?;
/// assert_eq!(forward.nfe, 80);
/// assert!((forward.x.double_value(&[0, 0]) - 1f64.cos()).abs() < 1e-7);
/// let back = solve(&Spiral, &forward.x, &grid.reversed(), &mut RungeKutta::rk4(), Options::default())?;
/// assert!(back.x.allclose(&x, 0.0, 1e-7, false));
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
pub fn solve<S: Solver + ?Sized>(
    field: &dyn VelocityField,
    x: &Tensor,
    grid: &TimeGrid,
    solver: &mut S,
    options: Options<'_>,
) -> Result<Solution, OdeError> {
    solve_with(&field, &Arguments::default(), x, grid, solver, options)
}

/// As [`solve`], for a field with arguments beside state and time; each sample keeps its own.
///
/// # Errors
/// As [`solve`]; `Core` with `Shape` for arguments that are not one row a sample.
pub fn solve_with<S: Solver + ?Sized>(
    field: &dyn FieldWithArguments,
    arguments: &Arguments,
    x: &Tensor,
    grid: &TimeGrid,
    solver: &mut S,
    options: Options<'_>,
) -> Result<Solution, OdeError> {
    let _no_grad = tch::no_grad_guard();
    if !x.is_floating_point() {
        return Err(OdeError::Kind { kind: x.kind() });
    }
    let of = x.size().first().copied().unwrap_or(0);
    arguments.check(of)?;
    let chunk = options.chunk.unwrap_or(of.max(1));
    if chunk < 1 {
        return Err(OdeError::Option { option: "chunk", value: chunk as f64, expected: "at least 1 sample" });
    }
    let end = copy(x)?;
    let trajectory = options.trajectory.then(|| along(&end, grid)).transpose()?;
    let (mut nfe, mut of_each) = (0, vec![]);
    for start in (0..of).step_by(chunk as usize) {
        let length = chunk.min(of - start);
        let part = |x: &Tensor, dim| x.f_narrow(dim, start, length);
        let mut journey = Journey {
            field: Watch::new(field, arguments.part(start, length)?),
            grid,
            start: part(x, 0)?,
            x: part(&end, 0)?,
            trajectory: trajectory.as_ref().map(|all| part(all, 1)).transpose()?,
            progress: options.progress,
            part: Part { start, length, of },
        };
        of_each.extend(solver.carry(&mut journey)?);
        nfe = nfe.max(journey.field.calls());
    }
    let nfe_of_each = if of_each.is_empty() { None } else { Some(Tensor::f_cat(&of_each, 0)?) };
    Ok(Solution { x: end, nfe, trajectory, nfe_of_each })
}

/// Memory for the state at the times of a grid, (n + 1, B, ...), with the first of them.
fn along(x: &Tensor, grid: &TimeGrid) -> Result<Tensor, OdeError> {
    let mut shape = x.size();
    shape.insert(0, grid.steps() as i64 + 1);
    let all = Tensor::f_empty(shape, (x.kind(), x.device()))?;
    all.f_select(0, 0)?.f_copy_(x)?;
    Ok(all)
}

/// A way to integrate samples over a grid: every [`Stepper`] is one, and so is a method that chooses its own steps.
pub trait Solver {
    /// Carries the samples of a journey to its end; the evaluations that each took, (b,), where they differ.
    ///
    /// # Errors
    /// Those of [`solve`].
    fn carry(&mut self, journey: &mut Journey<'_>) -> Result<Option<Tensor>, OdeError>;
}

/// Which of the samples of a batch are carried: consecutive ones.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) start: i64,
    pub(crate) length: i64,
    /// The batch.
    pub(crate) of: i64,
}

/// Samples that are carried together over a grid, with the field bound to their arguments.
pub struct Journey<'a> {
    pub(crate) field: Watch<'a>,
    pub(crate) grid: &'a TimeGrid,
    /// Where they start, which is left as it is.
    pub(crate) start: Tensor,
    /// The place of the result, which holds the start.
    pub(crate) x: Tensor,
    /// The place of the state at the times of the grid, (n + 1, b, ...).
    pub(crate) trajectory: Option<Tensor>,
    progress: Option<&'a dyn Fn(f64)>,
    pub(crate) part: Part,
}

impl Journey<'_> {
    /// Says how much of the way these samples have gone.
    pub(crate) fn tell(&self, fraction: f64) {
        if let Some(progress) = self.progress {
            progress((self.part.start as f64 + self.part.length as f64 * fraction) / self.part.of as f64);
        }
    }

    /// A state or a velocity of these samples that is not finite.
    pub(crate) fn not_finite(&self, what: &'static str, step: usize, t: f64, (row, count): (i64, i64)) -> OdeError {
        let Part { start, length: of, .. } = self.part;
        OdeError::NonFinite { what, step, t, sample: start + row, count, of }
    }

    /// The point where a trajectory stopped being finite: it is integrated again, and every value is checked.
    fn locate<S: Stepper + ?Sized>(&self, stepper: &mut S) -> Result<Option<OdeError>, OdeError> {
        strait_core::check_finite("x", &self.start, String::new)?;
        let watch = self.field.checking();
        let mut state = copy(&self.start)?;
        let looked = walk(&watch, &mut state, self.grid, stepper, |step, state| match first_bad_sample(state)? {
            Some(bad) => Err(self.not_finite("state", step, self.grid.times()[step + 1], bad)),
            None => Ok(()),
        });
        match (looked, watch.found()) {
            (Err(OdeError::Field { step, .. }), Some((t, bad))) => Ok(Some(self.not_finite("velocity", step, t, bad))),
            (Err(error), _) => Ok(Some(error)),
            (Ok(()), _) => Ok(None),
        }
    }
}

impl<S: Stepper + ?Sized> Solver for S {
    fn carry(&mut self, journey: &mut Journey<'_>) -> Result<Option<Tensor>, OdeError> {
        let mut state = journey.x.shallow_clone();
        let steps = journey.grid.steps();
        walk(&journey.field, &mut state, journey.grid, self, |step, state| {
            if let Some(trajectory) = &journey.trajectory {
                trajectory.f_select(0, step as i64 + 1)?.f_copy_(state)?;
            }
            journey.tell((step + 1) as f64 / steps as f64);
            Ok(())
        })?;
        if let Some(bad) = first_bad_sample(&state)? {
            let found = journey.locate(self)?;
            return Err(found.unwrap_or_else(|| journey.not_finite("state", steps - 1, journey.grid.end(), bad)));
        }
        // A stepper may have put a tensor of its own in the place of the state.
        check_same(&journey.x, "the state", &state)?;
        journey.x.f_copy_(&state)?;
        Ok(None)
    }
}

/// The steps of a fixed-step method over a grid, in place.
fn walk<S: Stepper + ?Sized>(
    field: &Watch<'_>,
    state: &mut Tensor,
    grid: &TimeGrid,
    stepper: &mut S,
    mut after: impl FnMut(usize, &Tensor) -> Result<(), OdeError>,
) -> Result<(), OdeError> {
    stepper.start();
    for (step, pair) in grid.times().windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        stepper.step(field, state, from, to).map_err(|source| OdeError::Field { step, from, to, source })?;
        after(step, state)?;
    }
    Ok(())
}
