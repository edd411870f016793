use crate::ExactField;
use strait_autodiff::{Graph, check_tangents_differentiable, jvp, vjp};
use strait_core::{Error, per_sample, sum_per_sample};
use tch::{Kind, Tensor};

/// How the derivative of a field along its own flow is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Along {
    /// By one JVP with tangent (v, 1): exact. Not for a field that itself takes JVPs (over a path of a flow
    /// that pushes nothing in closed form), as libtorch has one forward level.
    Forward,
    /// By double reverse mode: exact, for any field.
    Reverse,
    /// By a central difference along the flow, $\bigl(v(x + hv, t + h) - v(x - hv, t - h)\bigr)/2h$, to the order
    /// $h^2$ from $t = h$ to $t = 1 - 2h$. Nearer to the endpoints of [0, 1] one of its sides is shorter, down to nothing,
    /// and the order is h. For any field, and the cheapest.
    Difference {
        /// h.
        step: f64,
    },
}

/// A field with its derivative along its own flow.
#[derive(Debug)]
pub struct Moving {
    /// $v(x, t)$.
    pub velocity: Tensor,
    /// $Dv/Dt$.
    pub derivative: Tensor,
}

/// The material derivative of a field, its derivative along its own trajectories:
///
/// $$ \frac{D v}{D t} = \partial_t v + (\nabla_x v) v $$
///
/// Zero everywhere exactly where trajectories are straight lines at constant speed. `field` maps points x (B, ...) and
/// times (B,) to velocities of the shape of x, or points (T, Q, ...) and times (T,) alike, samples apart. The result
/// can be differentiated in reverse mode.
///
/// # Errors
/// Those of the field; typed ones that name an operation without a forward derivative, or one the gradient of whose tangent
/// libtorch gets wrong.
///
/// ```
/// use strait_core::Error;
/// use strait_paths::{Along, material_derivative};
/// use tch::Tensor;
/// let rotate = |x: &Tensor, _t: &Tensor| Ok::<_, Error>(x.roll([1], [1]) * Tensor::from_slice(&[-1.0f64, 1.0]));
/// let (x, t) = (Tensor::from_slice2(&[[3.0f64, 4.0]]), Tensor::from_slice(&[0.5f64]));
/// for along in [Along::Forward, Along::Reverse, Along::Difference { step: 1e-3 }] {
///     let moving = material_derivative(&rotate, &x, &t, along)?;
///     assert!((moving.derivative + &x).abs().max().double_value(&[]) < 1e-9); // a circle bends to its centre
/// }
/// # Ok::<(), Error>(())
/// ```
pub fn material_derivative(
    field: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor, Error>,
    x: &Tensor,
    t: &Tensor,
    along: Along,
) -> Result<Moving, Error> {
    match along {
        Along::Forward => {
            let velocity = field(x, t)?;
            let inputs = [x.shallow_clone(), t.shallow_clone()];
            let tangents = [velocity.shallow_clone(), t.ones_like()];
            let moved = jvp(|at| Ok::<_, Error>(vec![field(&at[0], &at[1])?]), &inputs, &tangents)?.remove(0);
            Ok(Moving { velocity, derivative: moved.tangent })
        }
        Along::Reverse => tch::with_grad(|| {
            let leaf =
                |x: &Tensor| if x.requires_grad() { x.shallow_clone() } else { x.detach().set_requires_grad(true) };
            let (x, t) = (leaf(x), leaf(t));
            let velocity = field(&x, &t)?;
            check_tangents_differentiable(std::slice::from_ref(&velocity))?;
            if !velocity.requires_grad() {
                return Ok(Moving { derivative: velocity.zeros_like(), velocity }); // nothing moves it
            }
            // The pull-back is linear in its cotangent, so its own pull-back is the push-forward.
            let cotangent = velocity.zeros_like().set_requires_grad(true);
            let at = [x, t.shallow_clone()];
            let outputs = [velocity.shallow_clone()];
            let pulled = vjp(&outputs, &[cotangent.shallow_clone()], &at, Graph::Record)?;
            let tangents = [velocity.shallow_clone(), t.ones_like()];
            let (pulled, tangents): (Vec<_>, Vec<_>) =
                pulled.into_iter().zip(tangents).filter(|(pulled, _)| pulled.requires_grad()).unzip();
            let derivative = match pulled.is_empty() {
                true => velocity.zeros_like(),
                false => vjp(&pulled, &tangents, &[cotangent], Graph::Record)?.remove(0),
            };
            Ok(Moving { velocity, derivative })
        }),
        Along::Difference { step } => {
            let velocity = field(x, t)?;
            let (ahead, behind) = (((1f64 - t) * 0.5).clamp_max(step), t.clamp_max(step));
            let at = |by: &Tensor| field(&(x + per_sample(by, x) * &velocity), &(t + by));
            let change = at(&ahead)? - at(&-&behind)?;
            Ok(Moving { derivative: change / per_sample(&(ahead + behind), x), velocity })
        }
    }
}

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
