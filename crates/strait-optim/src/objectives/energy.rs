use super::mean_square_norm;
use strait_core::{Batch, Error, Loss, Models, Objective, PathCurve, PathSample, sum_per_sample};

/// The kinetic energy of the marginal field (Benamou and Brenier, 2000) with a penalty on acceleration, for the
/// interpolant:
///
/// $$ E[2 u \cdot v(x_t, t) - |v(x_t, t)|^2] + \lambda E|x_{tt}|^2 $$
///
/// Maximal over v at $v = v^\ast$, where its first part is $E|v^\ast|^2 \ge W_2^2(p_0, p_1)$, with equality exactly
/// where the flow is the straight optimal one. So the velocity takes flow-matching steps (at least two for each step
/// here), and the interpolant lowers this with the velocity held fixed. Without the penalty the path hides its
/// curvature in a thin layer at $t = 0$ that a small network cannot resolve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Energy {
    /// $\lambda$, for data of unit variance.
    pub acceleration: f64,
}

impl Objective for Energy {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let Batch { x0, x1, t, .. } = batch;
        let (x_t, u, penalty) = if self.acceleration > 0.0 {
            let PathCurve { x_t, velocity, acceleration } = models.interpolant.curve(x0, x1, t)?;
            (x_t, velocity, Some(mean_square_norm(&acceleration)))
        } else {
            let PathSample { x_t, velocity } = models.interpolant.at(x0, x1, t)?;
            (x_t, velocity, None)
        };
        let v = models.velocity.velocity(&x_t, t)?;
        let energy = sum_per_sample(&(&v * (u * 2.0 - &v))).mean(v.kind());
        let mut terms = vec![("energy", energy.detach())];
        let total = match penalty {
            Some(penalty) => {
                terms.push(("acceleration", penalty.detach()));
                energy + penalty * self.acceleration
            }
            None => energy,
        };
        Ok(Loss { total, terms })
    }

    fn name(&self) -> &'static str {
        "energy"
    }
}
