//! Whole trajectories: a batch, in parts that fit into memory, carried over a grid of times.

use crate::scratch::copy;
use crate::watch::{Watch, first_bad_sample};
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

/// Where the flow carried a batch.
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

/// Carries a batch along $\dot x = v(x, t)$ over a grid with a fixed rule.
///
/// A rising grid goes from source to data, a falling one ([`TimeGrid::reversed`]) encodes data to the source. No
/// graph is recorded, `x` is left as it is, and memory does not grow with the number of steps unless the
/// trajectory is asked for. On a GPU nothing waits for the device before the end.
///
/// # Errors
/// `NonFinite` says at which step, t and sample a velocity or the state stopped being finite (it is looked for
/// afterwards, by a second pass, only if the result is not finite); `Field` wraps the field's own error;
/// `Option` for a chunk below 1; `Kind` for integers; `Core` for an x that is not a batch or not finite, and for a
/// stepper that changes the state's shape.
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
pub fn solve(
    field: &dyn VelocityField,
    x: &Tensor,
    grid: &TimeGrid,
    stepper: &mut dyn Stepper,
    options: Options<'_>,
) -> Result<Solution, OdeError> {
    let _no_grad = tch::no_grad_guard();
    let mut nfe = 0;
    let mut out = Output::new(x, grid, options)?;
    for part in parts(x, options)? {
        let watch = Watch::new(field);
        let mut place = part.of(&out.x, 0)?;
        let mut state = place.shallow_clone();
        carry(&watch, &mut state, grid, stepper, |i, state| out.after_step(i, state, &part, grid))?;
        if let Some((sample, count)) = first_bad_sample(&state)? {
            return Err(locate(field, &part.of(x, 0)?, grid, stepper, part.start)?.unwrap_or(OdeError::NonFinite {
                what: "state",
                step: grid.steps() - 1,
                t: grid.end(),
                sample: part.start + sample,
                count,
                of: part.length,
            }));
        }
        // A stepper may have put a tensor of its own in the place of the state.
        check_same(&place, "the state", &state)?;
        place.f_copy_(&state)?;
        nfe = nfe.max(watch.calls());
    }
    Ok(Solution { x: out.x, nfe, trajectory: out.trajectory, nfe_of_each: None })
}

/// Some consecutive samples of a batch.
pub(crate) struct Part {
    pub(crate) start: i64,
    pub(crate) length: i64,
    /// The batch.
    pub(crate) of: i64,
}

impl Part {
    /// This part of a tensor whose dimension `dim` is the batch.
    pub(crate) fn of(&self, x: &Tensor, dim: i64) -> Result<Tensor, OdeError> {
        Ok(x.f_narrow(dim, self.start, self.length)?)
    }
}

/// The parts that a batch is carried in.
pub(crate) fn parts(x: &Tensor, options: Options<'_>) -> Result<Vec<Part>, OdeError> {
    let of = x.size().first().copied().unwrap_or(0);
    let chunk = options.chunk.unwrap_or(of.max(1));
    if chunk < 1 {
        return Err(OdeError::Option { option: "chunk", value: chunk as f64, expected: "at least 1 sample" });
    }
    let starts = (0..of).step_by(chunk as usize);
    Ok(starts.map(|start| Part { start, length: chunk.min(of - start), of }).collect())
}

/// What is filled while the parts are carried.
pub(crate) struct Output<'a> {
    pub(crate) x: Tensor,
    pub(crate) trajectory: Option<Tensor>,
    pub(crate) progress: Option<&'a dyn Fn(f64)>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(x: &Tensor, grid: &TimeGrid, options: Options<'a>) -> Result<Self, OdeError> {
        if !x.is_floating_point() {
            return Err(OdeError::Kind { kind: x.kind() });
        }
        let x = copy(x)?;
        let trajectory = if options.trajectory {
            let mut shape = x.size();
            shape.insert(0, grid.steps() as i64 + 1);
            let trajectory = Tensor::f_empty(shape, (x.kind(), x.device()))?;
            trajectory.f_select(0, 0)?.f_copy_(&x)?;
            Some(trajectory)
        } else {
            None
        };
        Ok(Self { x, trajectory, progress: options.progress })
    }

    fn after_step(&mut self, step: usize, state: &Tensor, part: &Part, grid: &TimeGrid) -> Result<(), OdeError> {
        if let Some(trajectory) = &self.trajectory {
            part.of(&trajectory.f_select(0, step as i64 + 1)?, 0)?.f_copy_(state)?;
        }
        if let Some(progress) = self.progress {
            let steps_done = (step + 1) as f64 / grid.steps() as f64;
            progress((part.start as f64 + part.length as f64 * steps_done) / part.of as f64);
        }
        Ok(())
    }
}

/// One part over the whole grid, in place.
fn carry(
    field: &Watch<'_>,
    state: &mut Tensor,
    grid: &TimeGrid,
    stepper: &mut dyn Stepper,
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

/// Where a trajectory whose end is not finite stopped being so: the same once more, every value looked at.
fn locate(
    field: &dyn VelocityField,
    x: &Tensor,
    grid: &TimeGrid,
    stepper: &mut dyn Stepper,
    start: i64,
) -> Result<Option<OdeError>, OdeError> {
    strait_core::check_finite("x", x, String::new)?;
    let watch = Watch::checking(field);
    let mut state = copy(x)?;
    let of = state.size()[0];
    let at = |what, step, t, (sample, count)| OdeError::NonFinite { what, step, t, sample: start + sample, count, of };
    let looked = carry(&watch, &mut state, grid, stepper, |step, state| match first_bad_sample(state)? {
        Some(bad) => Err(at("state", step, grid.times()[step + 1], bad)),
        None => Ok(()),
    });
    match (looked, watch.found()) {
        (Err(OdeError::Field { step, .. }), Some((t, bad))) => Ok(Some(at("velocity", step, t, bad))),
        (Err(error), _) => Ok(Some(error)),
        (Ok(()), _) => Ok(None),
    }
}
