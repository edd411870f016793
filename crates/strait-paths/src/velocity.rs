//! The one place where a path that is only known as a function of t is differentiated in t.

use strait_autodiff::{jvp, time_derivative};
use strait_core::{Error, PathCurve, PathSample};
use tch::Tensor;

/// Value and velocity of $t \mapsto \varphi_t$, any differentiable function that treats samples apart, by one JVP
/// with tangent 1 for each sample.
///
/// # Errors
/// Those of `path`; a typed one that names an operation without a forward derivative.
///
/// ```
/// use strait_core::Error;
/// use tch::Tensor;
/// let (x0, t) = (Tensor::from_slice2(&[[1.0f64, 2.0]]), Tensor::from_slice(&[0.5f64]));
/// let sample = strait_paths::differentiate(|t| Ok::<_, Error>(&x0 * t.square().unsqueeze(1)), &t)?;
/// assert_eq!(sample.velocity, &x0 * 1.0); // 2 t x0
/// # Ok::<(), Error>(())
/// ```
pub fn differentiate(path: impl FnOnce(&Tensor) -> Result<Tensor, Error>, t: &Tensor) -> Result<PathSample, Error> {
    let mut dual = jvp(|v| Ok::<_, Error>(vec![path(&v[0])?]), &[t.shallow_clone()], &[t.ones_like()])?;
    let dual = dual.remove(0);
    Ok(PathSample { x_t: dual.value, velocity: dual.tangent })
}

/// As `differentiate`, with the acceleration by double reverse mode through the JVP.
///
/// # Errors
/// As `differentiate`.
pub fn differentiate_twice(
    path: impl FnOnce(&Tensor) -> Result<Tensor, Error>,
    t: &Tensor,
) -> Result<PathCurve, Error> {
    let t = t.detach().set_requires_grad(true);
    let PathSample { x_t, velocity } = differentiate(path, &t)?;
    let acceleration = if velocity.requires_grad() { time_derivative(&velocity, &t)? } else { velocity.zeros_like() };
    Ok(PathCurve { x_t, velocity, acceleration })
}

/// The path of one pair at many times: `x0` and `x1` of shape (1, ...) to (T, ...) for `t` of shape (T,), for
/// drawing.
///
/// # Errors
/// Those of the interpolant.
pub fn along_time(
    interpolant: &dyn strait_core::Interpolant,
    x0: &Tensor,
    x1: &Tensor,
    t: &Tensor,
) -> Result<Tensor, Error> {
    let mut shape = x0.size();
    shape[0] = t.size()[0];
    let wide = |x: &Tensor| x.expand(shape.as_slice(), false).contiguous();
    Ok(interpolant.at(&wide(x0), &wide(x1), t)?.x_t)
}
