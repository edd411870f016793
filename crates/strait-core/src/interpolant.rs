use crate::{ConditionalPaths, Conditions, Error, Marginal, MovingMarginal, Points, Source, own_endpoints};
use auto_impl::auto_impl;
use strait_autodiff::Jet;
use tch::Tensor;

/// A point on a conditional path with its velocity.
#[derive(Debug)]
pub struct PathSample {
    /// $x_t = \varphi_t(x_0; x_1)$, of the shape of $x_0$.
    pub x_t: Tensor,
    /// $u = \partial_t \varphi_t(x_0; x_1)$ at fixed $x_0, x_1$, of the same shape.
    pub velocity: Tensor,
}

/// A point on a conditional path with its first two derivatives in time.
#[derive(Debug)]
pub struct PathCurve {
    /// $x_t$.
    pub x_t: Tensor,
    /// $u = \partial_t x_t$.
    pub velocity: Tensor,
    /// $x_{tt} = \partial_t^2 x_t$, of the same shape.
    pub acceleration: Tensor,
}

impl From<Jet> for PathSample {
    /// From a jet of the position in t, of the first order at least.
    fn from(jet: Jet) -> Self {
        Self { velocity: jet.first(), x_t: jet.value().shallow_clone() }
    }
}

impl From<Jet> for PathCurve {
    /// From a jet of the position in t, of the second order.
    fn from(jet: Jet) -> Self {
        Self { velocity: jet.first(), acceleration: jet.second(), x_t: jet.value().shallow_clone() }
    }
}

/// A path between every pair of a source point and a data point: $\varphi_0 = x_0$ and $\varphi_1 = x_1$ for every
/// value of its parameters.
///
/// All tensors are batch first; $x_0$ and $x_1$ have one shape (B, ...), $t$ is (B,). Samples do not see each other.
#[auto_impl(&, Box, Rc, Arc)]
pub trait Interpolant {
    /// Position and velocity at t.
    ///
    /// # Errors
    /// `Shape` where the three do not fit, `Time` outside of where the path is defined.
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error>;

    /// Position alone; cheaper than `at` where a family can compute it without the velocity.
    ///
    /// # Errors
    /// As `at`.
    fn position(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.at(x0, x1, t)?.x_t)
    }

    /// Position, velocity and acceleration at t.
    ///
    /// # Errors
    /// As `at`.
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error>;

    /// The path of a batch whose i-th pair has the i-th condition, $\varphi_t(x_0; x_1, c)$, where it depends on the condition;
    /// None: it is one path under all conditions.
    ///
    /// A path that depends on the condition refuses every call until it is given some.
    ///
    /// # Errors
    /// The implementor's own, for conditions that do not fit.
    fn given(&self, _conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        Ok(None)
    }

    /// The same path, if it is invertible in $x_0$, which the exact marginal field requires.
    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        None
    }

    /// Position at t < 1 of the paths from $x_0$ (B, ...) to the first B of the endpoints $x_1$ (K, ...), with the velocity of
    /// the marginal field there over all K, which are taken as equally likely and independent of the source points: the
    /// velocity of `at` without its noise.
    ///
    /// # Errors
    /// As `at` and `InvertibleInterpolant::marginal`; `NotInvertible` for a path without such a field.
    fn marginal_at(&self, source: &dyn Source, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let path = self.as_invertible().ok_or(Error::NotInvertible { what: "the marginal field over a batch" })?;
        let x_t = self.position(x0, &own_endpoints(x0, x1)?, t)?;
        let marginal = path.marginal(source, Points { x_t: &x_t.unsqueeze(1), x1, t })?;
        Ok(PathSample { x_t, velocity: marginal.velocity.squeeze_dim(1) })
    }
}

/// A path under the conditions of a batch; the path itself where it depends on none.
///
/// # Errors
/// As [`Interpolant::given`].
pub fn path_given<'a>(
    path: &'a (dyn Interpolant + 'a),
    conditions: &Conditions,
) -> Result<Box<dyn Interpolant + 'a>, Error> {
    let own = if conditions.is_empty() { None } else { path.given(conditions)? };
    Ok(own.unwrap_or_else(|| Box::new(path)))
}

/// The source point of a path through a given point, with its log-determinant.
#[derive(Debug)]
pub struct Inverted {
    /// $x_0 = \varphi_t^{-1}(x_t; x_1)$.
    pub x0: Tensor,
    /// $\log|\det \partial x_0 / \partial x_t|$ of each sample, (B,).
    pub log_det: Tensor,
}

/// An interpolant that is invertible in $x_0$ for $t < 1$.
#[auto_impl(&, Box, Rc, Arc)]
pub trait InvertibleInterpolant: Interpolant {
    /// The $x_0$ whose path to $x_1$ passes through $x_t$ at time t.
    ///
    /// # Errors
    /// As `Interpolant::at`; `Time` where the path is not invertible.
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error>;

    /// At each of T times, the conditional paths to K endpoints through Q points.
    ///
    /// A family overrides it where something depends on endpoints and times alone, and need not be computed for every
    /// point.
    ///
    /// # Errors
    /// As `invert`.
    fn through(&self, at: Points<'_>) -> Result<ConditionalPaths, Error> {
        let size = at.check()?;
        let (x_t, x1, t) = at.rows();
        let Inverted { x0, log_det } = self.invert(&x_t, &x1, &t)?;
        let velocity = self.at(&x0, &x1, &t)?.velocity;
        Ok(ConditionalPaths {
            x0: x0.view(size.as_slice()),
            log_det: log_det.view(&size[..3]),
            velocity: velocity.view(size.as_slice()),
        })
    }

    /// The marginal over the K endpoints, equally likely and independent of the source point (Proposition 1):
    ///
    /// $$ \log w_j = \log p_0(y_j) + \log|\det \partial y_j/\partial x|, \qquad
    ///    v(x, t) = \frac{\sum_j w_j u_t(y_j; x_1^{(j)})}{\sum_j w_j}, \qquad
    ///    y_j = \varphi_t^{-1}(x; x_1^{(j)}) $$
    ///
    /// # Errors
    /// As `invert`; `NoDensity` for a source without one.
    fn marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Marginal, Error> {
        self.through(at)?.marginal(source)
    }

    /// The marginal with its derivative along its own flow, when the family has a closed form; None otherwise.
    ///
    /// # Errors
    /// As `marginal`.
    fn moving_marginal(&self, _source: &dyn Source, _at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        Ok(None)
    }
}
