use super::mean_square_distance;
use strait_core::{Batch, Error, Loss, Models, Objective, PathSample};

/// The mean squared distance of the paths' velocities from the field, for the interpolant:
///
/// $$ E |u - v(x_t, t)|^2, \qquad u \text{ and } x_t \text{ with gradient} $$
///
/// At $v = v^\ast$ it is $E \operatorname{tr} \operatorname{Cov}(u \mid x_t)$, which flow matching cannot lower. By
/// itself it does not favour straight trajectories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionalVariance;

impl Objective for ConditionalVariance {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let PathSample { x_t, velocity } = models.interpolant.at(&batch.x0, &batch.x1, &batch.t)?;
        let total = mean_square_distance(&models.velocity.velocity(&x_t, &batch.t)?, &velocity)?;
        Ok(Loss { terms: vec![("conditional_variance", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "conditional_variance"
    }
}
