use crate::ExactField;
use crate::material_derivative::Along;
use strait_core::{Error, sum_per_sample};
use tch::{Kind, Tensor};

/// What bends an exact marginal field, at some points on its paths: the two parts of
///
/// $$ \frac{Dv^\ast}{Dt} = E[x_{tt} \mid x_t = x] - \frac1{p_t} \nabla \cdot \bigl(p_t \operatorname{Cov}(u \mid x)\bigr) $$
///
/// the path's own acceleration, and the spread of the velocities that meet at x. The second is zero only where no two
/// paths meet; a path that does not accelerate (the linear one) cannot cancel it, so under independent coupling its
/// field is never straight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curvature {
    /// $E|Dv^\ast/Dt|^2$.
    pub residual: f64,
    /// $E|E[x_{tt} \mid x]|^2$.
    pub acceleration: f64,
    /// The mean square of the covariance term.
    pub covariance: f64,
}

impl Curvature {
    /// The share of the covariance term that the path's acceleration cancels: 0 for a path without one, 1 for a field
    /// that is straight, below 0 where acceleration makes it worse.
    pub fn cancelled(&self) -> f64 {
        1.0 - self.residual / self.covariance
    }
}

/// The curvature of an exact field at points x (T, Q, ...) on its paths at times (T,).
///
/// # Errors
/// Those of the field, of its path's acceleration, and of the material derivative.
pub fn curvature(field: &ExactField<'_>, x: &Tensor, t: &Tensor, along: Along) -> Result<Curvature, Error> {
    let bend = field.moving(x, t, along)?.derivative.detach();
    let acceleration = field.acceleration(x, t)?.detach();
    let mean_square = |x: &Tensor| sum_per_sample(&x.flatten(0, 1).square()).mean(Kind::Double).double_value(&[]);
    Ok(Curvature {
        residual: mean_square(&bend),
        acceleration: mean_square(&acceleration),
        covariance: mean_square(&(&acceleration - &bend)),
    })
}
