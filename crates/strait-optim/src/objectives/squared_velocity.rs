use super::mean_square_norm;
use strait_core::{Batch, Error, Loss, Models, Objective};

/// The mean square of the conditional paths' velocities, for the interpolant and the transport:
///
/// $$ E |u|^2 $$
///
/// A heavy tail of u harms a regression: between separated modes the speed of a transport path is as large as the
/// Jacobian of its map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SquaredVelocity;

impl Objective for SquaredVelocity {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let total = mean_square_norm(&models.interpolant.at(&batch.x0, &batch.x1, &batch.t)?.velocity);
        Ok(Loss { terms: vec![("squared_velocity", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "squared_velocity"
    }
}
