use strait_autodiff::{Graph, check_tangents_differentiable, jvp, vjp};
use strait_core::{Error, per_sample};
use tch::Tensor;

/// How the derivative of a field along its own flow is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Along {
    /// By one JVP with tangent (v, 1): exact. Not for a field that itself takes JVPs (over a path of a flow
    /// without `push`), because libtorch has one forward level.
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
pub struct MaterialDerivative {
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
) -> Result<MaterialDerivative, Error> {
    match along {
        Along::Forward => {
            let velocity = field(x, t)?;
            let inputs = [x.shallow_clone(), t.shallow_clone()];
            let tangents = [velocity.shallow_clone(), t.ones_like()];
            let moved = jvp(|at| Ok::<_, Error>(vec![field(&at[0], &at[1])?]), &inputs, &tangents)?.remove(0);
            Ok(MaterialDerivative { velocity, derivative: moved.tangent })
        }
        Along::Reverse => tch::with_grad(|| {
            let leaf =
                |x: &Tensor| if x.requires_grad() { x.shallow_clone() } else { x.detach().set_requires_grad(true) };
            let (x, t) = (leaf(x), leaf(t));
            let velocity = field(&x, &t)?;
            check_tangents_differentiable(std::slice::from_ref(&velocity))?;
            if !velocity.requires_grad() {
                return Ok(MaterialDerivative { derivative: velocity.zeros_like(), velocity }); // nothing moves it
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
            Ok(MaterialDerivative { velocity, derivative })
        }),
        Along::Difference { step } => {
            let velocity = field(x, t)?;
            let (ahead, behind) = (((1f64 - t) * 0.5).clamp_max(step), t.clamp_max(step));
            let at = |by: &Tensor| field(&(x + per_sample(by, x) * &velocity), &(t + by));
            let change = at(&ahead)? - at(&-&behind)?;
            Ok(MaterialDerivative { derivative: change / per_sample(&(ahead + behind), x), velocity })
        }
    }
}
