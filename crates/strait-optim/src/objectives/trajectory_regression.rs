use super::average_square_error;
use strait_core::{Batch, Error, Loss, Models, Objective, Sampling, per_sample};

/// Regression on stored trajectories (consistency mid-training, Hu et al., arXiv 2509.24526), for a flow map: of a
/// trajectory that is at $x_i$ at $t_i$ and at $x_j$ at $t_j > t_i$,
///
/// $$ E \Bigl|u(x_i, t_i, t_j) - \frac{x_j - x_i}{t_j - t_i}\Bigr|^2 $$
///
/// Only the map is differentiated. The error of the trajectories' solver limits its accuracy, and the shortest segments
/// determine the diagonal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrajectoryRegression;

impl Objective for TrajectoryRegression {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let map = models.flow_map(self.name())?;
        let Batch { x0: from, x1: to, t: s, later, .. } = batch;
        let t = later.as_ref().ok_or(Error::Shape {
            what: "a batch for trajectory regression",
            expected: "two times of each segment".into(),
            found: s.size(),
        })?;
        let slope = (to - from) / per_sample(&(t - s), to);
        let total = average_square_error(map, from, (s, t), &slope)?.mean;
        Ok(Loss { terms: vec![("trajectory_regression", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "trajectory_regression"
    }

    fn sampling(&self) -> Sampling {
        Sampling::Segments
    }
}
