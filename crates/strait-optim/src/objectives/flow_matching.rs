use super::square_error;
use strait_core::{Batch, Error, Loss, Models, Objective, PathSample};

/// Conditional flow matching (Lipman et al., arXiv 2210.02747), for the velocity:
///
/// $$ E |v(x_t, t) - u|^2, \qquad u \text{ and } x_t \text{ without gradient} $$
///
/// Its minimiser is the marginal field $E[u \mid x_t]$ for any interpolant and any coupling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowMatching;

impl Objective for FlowMatching {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let PathSample { x_t, velocity } = tch::no_grad(|| models.interpolant.at(&batch.x0, &batch.x1, &batch.t))?;
        let total = square_error(models.velocity, &x_t, &batch.t, &velocity)?;
        Ok(Loss { terms: vec![("flow_matching", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "flow_matching"
    }
}
