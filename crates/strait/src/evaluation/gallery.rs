//! What only images show: single images along their trajectories, and the training images that samples are nearest to.

use super::measure::Measured;
use super::reference::Reference;
use super::trajectories::trajectories;
use crate::ProgramError;
use crate::training::context::RunContext;
use tch::Tensor;

/// Images that are shown.
const SHOWN: i64 = 25;
/// Parts that the time of a trajectory is shown in.
const PARTS: usize = 5;

/// Images of a method, in the data's units.
pub struct Gallery {
    /// The first samples on their way: times, and images (n, ...) there.
    pub trajectories: Vec<(f64, Tensor)>,
    /// At counts of evaluations: the first samples, and the training image that is nearest to each.
    pub neighbours: Vec<(usize, Tensor, Tensor)>,
}

/// The gallery of a method; None of data that are no images.
///
/// # Errors
/// Those of sampling and of the metrics.
pub fn gallery(
    context: &RunContext,
    measured: &Measured,
    reference: &Reference,
) -> Result<Option<Gallery>, ProgramError> {
    if reference.picture.is_none() {
        return Ok(None);
    }
    let first = |x: &Tensor| x.narrow(0, 0, SHOWN.min(x.size()[0]));
    // Whole parts of the steps that straightness is measured over, at least one step each.
    let each = reference.settings.dynamics.steps.div_ceil(PARTS);
    let states = trajectories(context, measured, reference, SHOWN, PARTS * each)?;
    let last = states.size()[0] - 1;
    let at = |part: usize| (part as f64 / PARTS as f64, states.get(((part * each) as i64).min(last)));
    let trajectories = (0..=PARTS).map(at).collect();
    let mut neighbours = vec![];
    if let Some(features) = &reference.features {
        for sample in measured.samples.iter().take(1).chain(measured.samples.iter().skip(1).last()) {
            let shown = first(&sample.x);
            neighbours.push((sample.nfe, shown.shallow_clone(), features.nearest_training(&shown)?));
        }
    }
    Ok(Some(Gallery { trajectories, neighbours }))
}
