use crate::Error;
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

/// A path between every pair of a source point and a data point: $\varphi_0 = x_0$ and $\varphi_1 = x_1$ for every
/// value of its parameters.
///
/// All tensors are batch first; $x_0$ and $x_1$ have one shape (B, ...), $t$ is (B,). Samples do not see each other.
pub trait Interpolant {
    /// Position and velocity at t.
    ///
    /// # Errors
    /// `Shape` where the three do not fit, `Time` outside of where the path is defined.
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error>;

    /// Position, velocity and acceleration at t.
    ///
    /// # Errors
    /// As `at`.
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error>;
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
pub trait InvertibleInterpolant: Interpolant {
    /// The $x_0$ whose path to $x_1$ passes through $x_t$ at time t.
    ///
    /// # Errors
    /// As `Interpolant::at`; `Time` where the path is not invertible.
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error>;
}
