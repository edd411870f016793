//! Lines to draw in the plane: trajectories of a flow, and the paths of pairs.

use super::measure::Measured;
use super::reference::Reference;
use super::trajectories::trajectories;
use crate::ProgramError;
use crate::training::context::RunContext;
use strait_core::{Pairs, path_given};
use tch::{Kind, Tensor};

/// Trajectories, and pairs whose paths are drawn.
const TRAJECTORIES: i64 = 60;
const PATHS: i64 = 12;

/// Lines of a method, each (times, 2) in the data's units.
pub struct PlanarLines {
    /// Trajectories of its flow, Euler steps as many as straightness is measured over.
    pub flow: Vec<Tensor>,
    /// The conditional paths of its first pairs.
    pub paths: Vec<Tensor>,
}

/// The lines of a method; None of data that are not planar.
///
/// # Errors
/// Those of sampling and of the path.
pub fn planar_lines(
    context: &RunContext,
    measured: &Measured,
    reference: &Reference,
) -> Result<Option<PlanarLines>, ProgramError> {
    if reference.data.size()[1..] != [2] {
        return Ok(None);
    }
    let states = trajectories(context, measured, reference, TRAJECTORIES, reference.settings.dynamics.steps)?;
    let flow = (0..states.size()[1]).map(|i| states.select(1, i)).collect();
    Ok(Some(PlanarLines { flow, paths: paths(context, measured)? }))
}

fn paths(context: &RunContext, measured: &Measured) -> Result<Vec<Tensor>, ProgramError> {
    let Pairs { x0, x1, .. } = &measured.pairs;
    let t = Tensor::linspace(0.0, 1.0, 65, (Kind::Float, x0.device()));
    (0..PATHS.min(x1.size()[0]))
        .map(|i| {
            let (x0, x1) = (x0.narrow(0, i, 1), x1.narrow(0, i, 1));
            let own = measured.conditions.part(i, 1)?.repeat(t.size()[0])?;
            let path = path_given(&*measured.models.path, &own)?;
            let path = tch::no_grad(|| strait_paths::along_time(&*path, &x0, &x1, &t))?;
            Ok(context.data.points.denormalise(&path)?)
        })
        .collect()
}
