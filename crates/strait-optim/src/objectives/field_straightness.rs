use super::mean_square_norm;
use strait_core::{Batch, Error, Loss, Models, Objective};
use strait_paths::{Along, material_derivative};

/// The residual of the learned field on the paths, for the interpolant and for the velocity:
///
/// $$ E\left|\frac{D v}{D t}(x_t, t)\right|^2 $$
///
/// As a term beside flow matching, slow and ramped, it is the practical form of Shankar and Geffner (arXiv 2503.20719)
/// according to summaries of the paper. Alone, or with the velocity held fixed, it diverges, because nothing then keeps
/// v the field of the paths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldStraightness {
    /// How the derivative along the flow is taken.
    pub along: Along,
}

impl Objective for FieldStraightness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let x_t = models.interpolant.at(&batch.x0, &batch.x1, &batch.t)?.x_t;
        let moving = material_derivative(&|x, t| models.velocity.velocity(x, t), &x_t, &batch.t, self.along)?;
        let total = mean_square_norm(&moving.derivative);
        Ok(Loss { terms: vec![("field_straightness", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "field_straightness"
    }
}
