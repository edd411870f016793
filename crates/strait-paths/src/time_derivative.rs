//! Derivatives in t of a path that is only known as a function of t: the one place that calls a JVP in t.

use strait_autodiff::{Dual, Jet, Order, jvp, time_derivative};
use strait_core::{Bijection, Condition, ConditionJet, Error, PathCurve, PathSample, TimeFunction, per_sample};
use tch::Tensor;

/// The jet of $t \mapsto f(t)$, any differentiable function that treats samples apart: its first derivative by one
/// JVP with tangent 1 for each sample, its second by double reverse mode through that JVP.
///
/// # Errors
/// Those of `f`; typed ones that name an operation without a forward derivative, or one the derivative of whose tangent
/// libtorch gets wrong (layer normalisation, determinants: [`strait_autodiff::check_tangents_differentiable`]).
///
/// ```
/// use strait_core::{Error, Order};
/// use tch::Tensor;
/// let t = Tensor::from_slice(&[2.0f64]);
/// let jet = strait_paths::taylor(|t| Ok::<_, Error>(t.square() * t), &t, Order::Second)?;
/// assert_eq!((jet.value().double_value(&[0]), jet.first().double_value(&[0])), (8.0, 12.0));
/// assert_eq!(jet.second().double_value(&[0]), 12.0);
/// # Ok::<(), Error>(())
/// ```
pub fn taylor(f: impl FnOnce(&Tensor) -> Result<Tensor, Error>, t: &Tensor, order: Order) -> Result<Jet, Error> {
    if order == Order::Value {
        return Ok(Jet::constant(&f(t)?));
    }
    let forward = |t: &Tensor| {
        Ok::<_, Error>(jvp(|v| Ok::<_, Error>(vec![f(&v[0])?]), &[t.shallow_clone()], &[t.ones_like()])?.remove(0))
    };
    if order == Order::First {
        let Dual { value, tangent } = forward(t)?;
        return Ok(Jet::with_derivatives(value, tangent, None));
    }
    // The second derivative is read from a recorded graph, whether or not the caller wants one, along a t of its own.
    tch::with_grad(|| {
        let t = t.detach().set_requires_grad(true);
        let Dual { value, tangent } = forward(&t)?;
        let second = if tangent.requires_grad() { time_derivative(&tangent, &t)? } else { tangent.zeros_like() };
        Ok(Jet::with_derivatives(value, tangent, Some(second)))
    })
}

/// The jet of the image under a bijection of a point x(s) and a time t(s), at s = 0: in closed
/// form where the bijection has one, else as `taylor`, along the polynomials that the two jets represent.
pub(crate) fn push<F: Bijection>(flow: &F, x: &Jet, context: Option<&Tensor>, t: &Jet) -> Result<Jet, Error> {
    let order = Jet::order_of([x, t]);
    if order == Order::Value {
        return Ok(Jet::constant(&flow.forward(x.value(), Condition { context, t: Some(t.value()) })?.value));
    }
    if let Some(image) = flow.push(x, ConditionJet { context, t })? {
        return Ok(image);
    }
    let image = |s: &Tensor| {
        let (x, t) = (along(x, &per_sample(s, x.value())), along(t, s));
        Ok(flow.forward(&x, Condition { context, t: Some(&t) })?.value)
    };
    taylor(image, &t.value().zeros_like(), order)
}

/// The polynomial in s that a jet represents.
fn along(jet: &Jet, s: &Tensor) -> Tensor {
    match jet.order() {
        Order::Value => jet.value().shallow_clone(),
        Order::First => jet.value() + s * jet.first(),
        Order::Second => jet.value() + s * jet.first() + s.square() * jet.second() * 0.5,
    }
}

/// Any differentiable function of a context and of time as a `TimeFunction`, its derivatives in t by forward mode: what
/// makes a network without jets the network of an affine or residual path.
///
/// ```
/// use strait_core::{Error, Interpolant};
/// use strait_paths::{Differentiated, ResidualPath};
/// use tch::Tensor;
/// let bend = |pair: &Tensor, t: &Tensor| Ok::<_, Error>(pair.narrow(1, 0, 2).sin() * t.unsqueeze(1));
/// let path = ResidualPath::new(Differentiated(bend));
/// let (x0, x1) = (Tensor::from_slice2(&[[0.0f64, 1.0]]), Tensor::from_slice2(&[[2.0f64, 0.0]]));
/// let middle = path.at(&x0, &x1, &Tensor::from_slice(&[0.5f64]))?.x_t;
/// assert!((middle.double_value(&[0, 1]) - (0.5 + 0.125 * 1f64.sin())).abs() < 1e-12);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Differentiated<F>(pub F);

impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor, Error>> TimeFunction for Differentiated<F> {
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        taylor(|t| (self.0)(context, t), t, order)
    }
}

/// Value and velocity of $t \mapsto \varphi_t$.
///
/// # Errors
/// As `taylor`.
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
    Ok(taylor(path, t, Order::First)?.into())
}

/// As `differentiate`, with the acceleration.
///
/// # Errors
/// As `taylor`.
pub fn differentiate_twice(
    path: impl FnOnce(&Tensor) -> Result<Tensor, Error>,
    t: &Tensor,
) -> Result<PathCurve, Error> {
    Ok(taylor(path, t, Order::Second)?.into())
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
