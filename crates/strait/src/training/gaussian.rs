//! The Gaussian with the mean and covariance of the training points, as a flow in closed form.

use crate::ProgramError;
use crate::training::context::Setting;
use crate::training::training_run::{Models, Spent};
use std::time::Instant;
use strait_core::{Seed, Split};
use strait_metrics::moments;
use strait_optim::Position;
use strait_optim::checkpoint::State;
use strait_paths::Linear;
use strait_paths::gaussian::StraightField;
use tch::{Device, Kind, Tensor};

/// Training points that it is fitted to (fewer where there are fewer).
const POINTS: i64 = 1 << 14;
/// Added to every variance, in units in which they are 1 on average: coordinates that never change have none.
const RIDGE: f64 = 1e-6;

/// The straight flow from N(0, I) to the Gaussian fitted to the training points, which one Euler step follows exactly.
///
/// # Errors
/// Those of the data.
pub(crate) fn fit(setting: &Setting<'_>) -> Result<Models, ProgramError> {
    let begun = Instant::now();
    let draws = &mut Seed(setting.config.seed).stream("gaussian fit").at(0);
    let (mean, covariance) = moments(&setting.data.points.points(Split::Train, POINTS, draws)?)?;
    let covariance = &covariance + Tensor::eye(mean.size()[0], (Kind::Double, Device::Cpu)) * RIDGE;
    let field = StraightField::new(&mean.to_device(setting.device), &covariance.to_device(setting.device))?;
    let (d, wall_seconds) = (mean.numel(), begun.elapsed().as_secs_f64());
    Ok(Models {
        path: Box::new(Linear),
        velocity: Box::new(field),
        flow: None,
        map: None,
        state: State { version: 1, position: Position::default(), threads: tch::get_num_threads(), wall_seconds },
        parameters: d + d * (d + 1) / 2,
        average: None,
        spent: Spent { gradient_steps: 0, wall_seconds },
    })
}
