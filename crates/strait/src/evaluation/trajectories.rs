//! The flow's own trajectories, to be drawn.

use super::measure::Measured;
use super::reference::Reference;
use crate::ProgramError;
use crate::training::context::RunContext;
use strait_ode::{Method, Options, TimeGrid};
use tch::Tensor;

/// The first source points on their way, by Euler steps of a method's velocity, guided as the settings say: (steps + 1, n, ...) in
/// the data's units.
///
/// # Errors
/// Those of sampling.
pub(super) fn trajectories(
    context: &RunContext,
    measured: &Measured,
    reference: &Reference,
    points: i64,
    steps: usize,
) -> Result<Tensor, ProgramError> {
    let x0 = reference.x0.narrow(0, 0, points.min(reference.x0.size()[0]));
    let options = Options { trajectory: true, ..Options::default() };
    let guided = reference.settings.guidance.of(&*measured.models.velocity);
    let field = reference.bound(&*guided, x0.size()[0])?;
    let solution = Method::Euler.solve(&*field, &x0, &TimeGrid::uniform(steps)?, options)?;
    let states = solution.trajectory.unwrap_or_else(|| solution.x.unsqueeze(0));
    let shape = states.size();
    Ok(context.data.points.denormalise(&states.flatten(0, 1))?.view(shape.as_slice()))
}
