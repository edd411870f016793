//! The Gaussian with the mean and covariance of the training points, as a flow in closed form.

use super::context::RunContext;
use super::models::{Spent, TrainedModels};
use crate::ProgramError;
use std::time::Instant;
use strait_core::Split;
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
pub(crate) fn fit(context: &RunContext) -> Result<TrainedModels, ProgramError> {
    let start = Instant::now();
    let draws = &mut context.seed.stream("gaussian fit").at(0);
    let (mean, covariance) = moments(&context.data.points.points(Split::Train, POINTS, draws)?)?;
    let covariance = &covariance + Tensor::eye(mean.size()[0], (Kind::Double, Device::Cpu)) * RIDGE;
    let field = StraightField::new(&mean.to_device(context.device), &covariance.to_device(context.device))?;
    let (d, wall_seconds) = (mean.numel(), start.elapsed().as_secs_f64());
    Ok(TrainedModels {
        path: Box::new(Linear),
        velocity: Box::new(field),
        flow: None,
        map: None,
        state: State {
            version: 1,
            position: Position::default(),
            threads: tch::get_num_threads(),
            wall_seconds,
            iterations: vec![],
            draws: strait_core::DRAWS_VERSION,
        },
        parameters: d + d * (d + 1) / 2,
        average: None,
        solvers: None,
        spent: Spent { gradient_steps: 0, wall_seconds },
    })
}
