//! The records of the marginal of a path over many endpoints: points, conditional paths, weights and sums.

use crate::{Error, Source, check_batch};
use tch::{Kind, Tensor};

/// At each of T times, Q points, and K endpoints whose paths through them are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// The points $x_t$, (T, Q, ...).
    pub x_t: &'a Tensor,
    /// The endpoints, (K, ...): the same for all times and points.
    pub x1: &'a Tensor,
    /// The times, (T,).
    pub t: &'a Tensor,
}

impl Points<'_> {
    /// The shape of a value for each time, end and point: (T, K, Q, ...).
    ///
    /// # Errors
    /// `Shape` where the three do not fit, or there is no end.
    pub fn check(&self) -> Result<Vec<i64>, Error> {
        check_batch(self.x_t, self.t)?;
        let (points, endpoints) = (self.x_t.size(), self.x1.size());
        if points.len() < 3 || endpoints.len() + 1 != points.len() || points[2..] != endpoints[1..] {
            let expected = format!("(T, Q, ...) with samples of the shape of x1 (K, ...), {endpoints:?}");
            return Err(Error::Shape { what: "x_t", expected, found: points });
        }
        if endpoints[0] < 1 {
            return Err(Error::Shape { what: "x1", expected: "(K, ...) with K at least 1".into(), found: endpoints });
        }
        let mut size = vec![points[0], endpoints[0]];
        size.extend(&points[1..]);
        Ok(size)
    }

    /// Endpoints and times as rows of their own: T K of each.
    pub fn endpoints(&self) -> (Tensor, Tensor) {
        let (times, endpoints) = (self.t.size()[0], self.x1.size());
        let size = [&[times], endpoints.as_slice()].concat();
        let x1 = self.x1.unsqueeze(0).expand(size.as_slice(), false).flatten(0, 1);
        let t = self.t.unsqueeze(1).expand([times, endpoints[0]], false).reshape([-1]);
        (x1, t)
    }

    /// Points and times as rows of their own: T Q of each.
    pub fn points(&self) -> (Tensor, Tensor) {
        let size = self.x_t.size();
        (self.x_t.flatten(0, 1), self.t.unsqueeze(1).expand(&size[..2], false).reshape([-1]))
    }

    /// Points, endpoints and times as rows of their own: T K Q of each.
    pub fn rows(&self) -> (Tensor, Tensor, Tensor) {
        let (points, k) = (self.x_t.size(), self.x1.size()[0]);
        let (times, q) = (points[0], points[1]);
        let mut size = vec![times, k];
        size.extend(&points[1..]);
        let x_t = self.x_t.unsqueeze(1).expand(size.as_slice(), false).reshape(row_shape(&size));
        let x1 = self.x1.unsqueeze(1).unsqueeze(0).expand(size.as_slice(), false).reshape(row_shape(&size));
        let t = self.t.view([times, 1, 1]).expand([times, k, q], false).reshape([-1]);
        (x_t, x1, t)
    }
}

fn row_shape(size: &[i64]) -> Vec<i64> {
    std::iter::once(-1).chain(size[3..].iter().copied()).collect()
}

/// The conditional paths through given points: their source points and their velocities there.
#[derive(Debug)]
pub struct ConditionalPaths {
    /// $x_0 = \varphi_t^{-1}(x_t; x_1)$, (T, K, Q, ...).
    pub x0: Tensor,
    /// $\log|\det \partial x_0 / \partial x_t|$, (T, K, Q).
    pub log_det: Tensor,
    /// $u = \partial_t \varphi_t(x_0; x_1)$ at that $x_0$, (T, K, Q, ...).
    pub velocity: Tensor,
}

impl ConditionalPaths {
    /// The marginal over these paths, under a source.
    ///
    /// # Errors
    /// `NoDensity` for a source without one.
    pub fn marginal(&self, source: &dyn Source) -> Result<Marginal, Error> {
        let log_weight = source.log_density(&self.x0.flatten(0, 2))?.view_as(&self.log_det) + &self.log_det;
        Ok(Marginal::over(&log_weight, &self.velocity))
    }
}

/// The marginal of a path over K endpoints at points (T, Q, ...), with the sums that are needed to combine it with the
/// marginal over other endpoints.
#[derive(Debug)]
pub struct Marginal {
    /// $\sum_j w_j u_j / \sum_j w_j$, (T, Q, ...).
    pub velocity: Tensor,
    /// $\log \sum_j w_j$, (T, Q): the log-density of $p_t$ plus $\log K$. In double precision, also of points in single: parts are joined
    /// by its differences.
    pub log_weight: Tensor,
    /// $\log \bigl((\sum_j w_j)^2 / \sum_j w_j^2\bigr)$, (T, Q): it has its digits also where those of `log_weight` end before 1.
    pub log_effective: Tensor,
}

/// A marginal with the derivative of its velocity along its own flow.
#[derive(Debug)]
pub struct MovingMarginal {
    /// The marginal; its `log_effective` may have no gradient.
    pub marginal: Marginal,
    /// $Dv/Dt = \partial_t v + (\nabla_x v) v$, (T, Q, ...).
    pub derivative: Tensor,
}

impl Marginal {
    /// From log-weights (T, K, Q) and velocities (T, K, Q, ...), of one end at least.
    pub fn over(log_weight: &Tensor, velocity: &Tensor) -> Self {
        let top = log_weight.amax([1i64].as_slice(), true).detach();
        let weight = weights(&(log_weight - &top));
        let sum = |x: &Tensor| x.sum_dim_intlist([1i64].as_slice(), false, x.kind());
        let (total, squares, top) = (sum(&weight), sum(&weight.square()), top.squeeze_dim(1));
        let share = weight / total.unsqueeze(1);
        Self {
            velocity: sum(&(over_event(&share, velocity) * velocity)),
            log_weight: total.log().to_kind(Kind::Double) + top,
            log_effective: total.log() * 2.0 - squares.log(),
        }
    }

    /// With the marginal over other endpoints.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        // Shares of the difference: those of a rounded sum do not add up to 1, where logarithms are large.
        let kind = self.velocity.kind();
        let own = (&self.log_weight - &other.log_weight).sigmoid().to_kind(kind);
        let rest = (&other.log_weight - &self.log_weight).sigmoid().to_kind(kind);
        let part = |one: &Self, share: &Tensor| over_event(share, &one.velocity) * &one.velocity;
        let square = |one: &Self, share: Tensor| share.square() * one.log_effective.neg().exp();
        Self {
            velocity: part(self, &own) + part(other, &rest),
            log_weight: self.log_weight.logaddexp(&other.log_weight),
            log_effective: -(square(self, own) + square(other, rest)).log(),
        }
    }

    /// The effective sample size $(\sum_j w_j)^2 / \sum_j w_j^2$, (T, Q), between 1 and K.
    pub fn effective(&self) -> Tensor {
        self.log_effective.exp()
    }
}

/// $e^l$ of log-weights relative to the largest, or to their sum: what is below $10^{-20}$ is nothing. Left in, such
/// weights and their products are denormal numbers, which a CPU takes ten times as long over.
pub fn weights(relative: &Tensor) -> Tensor {
    relative.exp().threshold(1e-20, 0.0)
}

/// A weight for each sample, to multiply the samples by.
fn over_event(weight: &Tensor, samples: &Tensor) -> Tensor {
    let mut shape = weight.size();
    shape.resize(samples.dim(), 1);
    weight.view(shape.as_slice())
}
