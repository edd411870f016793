//! The marginal field of an affine path with its derivative along its own flow, in closed form from the network's
//! outputs.
//!
//! At fixed $x_1$ the path is $x = A y + b$ with $A, b$ of $(x_1, t)$ alone, so along a trajectory $\dot x = v$
//!
//! $$ y = A^{-1}(x - b), \quad u = A'y + b', \quad \dot y = A^{-1}(v - u), \quad \dot u = A''y + b'' + A'\dot y, $$
//! $$ \frac{d}{dt} \log w = \nabla \log p_0(y) \cdot \dot y - \operatorname{tr}(A^{-1}A'), $$
//!
//! and the derivative of $v = \sum_j w_j u_j$ follows. One pass of the network with two derivatives is enough; there
//! are no dual numbers and no finite differences. Tensors are laid out (T, Q, K), one for each coordinate, so that
//! every operation runs along the candidates. Under a standard normal source one kernel computes all of it.

use super::map::Affine;
use crate::kernels::{affine_field, is_standard_normal};
use strait_autodiff::{Jet, Order};
use strait_core::{Error, Marginal, MovingMarginal, Points, Source, TimeFunction, weights};
use tch::Tensor;

/// Beyond these, coordinate by coordinate is no longer the fast way.
pub(super) const MOST_DIMENSIONS: i64 = 8;

/// A lower triangular matrix for each time and end: entries (T, 1, K).
struct Triangle {
    diagonal: Vec<Tensor>,
    /// Row by row.
    below: Option<Vec<Tensor>>,
}

impl Triangle {
    fn new(diagonal: &Tensor, below: Option<&Tensor>) -> Self {
        Self { diagonal: diagonal.unbind(0), below: below.map(|b| b.unbind(0)) }
    }

    fn row(&self, i: usize) -> &[Tensor] {
        self.below.as_ref().map_or(&[], |below| &below[i * (i.max(1) - 1) / 2..][..i])
    }

    /// The product with a vector, added to `to`.
    fn times(&self, y: &[Tensor], to: &[Tensor]) -> Vec<Tensor> {
        let entry = |(i, to): (usize, &Tensor)| {
            let sum = to.addcmul(&self.diagonal[i], &y[i]);
            self.row(i).iter().zip(y).fold(sum, |sum, (l, y)| sum.addcmul(l, y))
        };
        to.iter().enumerate().map(entry).collect()
    }

    /// The solution of this matrix times y = r, by forward substitution.
    fn solve(&self, r: Vec<Tensor>) -> Vec<Tensor> {
        let mut y: Vec<Tensor> = Vec::with_capacity(r.len());
        for (i, r) in r.into_iter().enumerate() {
            let rest = self.row(i).iter().zip(&y).fold(r, |r, (l, y)| r - l * y);
            y.push(rest / &self.diagonal[i]);
        }
        y
    }
}

pub(super) fn marginal<F: TimeFunction>(
    path: &Affine<F>,
    source: &dyn Source,
    at: Points<'_>,
) -> Result<MovingMarginal, Error> {
    let size = at.check()?;
    let [times, endpoints, points] = [size[0], size[1], size[2]];
    let d = path.config.dimensions;
    let (rows, t) = at.endpoints();
    let numbers = path.numbers(&rows.flatten(1, -1), &t, Order::Second)?;
    if is_standard_normal(source, &size[3..])
        && let Some(done) = affine_field(&numbers, path.config.log_scale_bound, at)?
    {
        return Ok(done);
    }
    // (outputs, T, 1, K) from here on.
    let numbers = numbers
        .view(|x| x.view([times, endpoints, path.config.outputs()]).permute([2, 0, 1]).contiguous().unsqueeze(2));
    let time = Jet::variable(&at.t.view([1, -1, 1, 1]), Order::Second);
    let rest = time.map(|t| 1f64 - t, Tensor::neg);
    let parts = path.parts_of(&numbers, 0, &time);
    let diagonal = rest.times(&parts.log_scale.exp());
    let below = parts.below.as_ref().map(|below| rest.times(below));
    let end = Jet::constant(&at.x1.flatten(1, -1).tr().view([d, 1, 1, endpoints]));
    let offset = time.times(&end.plus(&rest.times(&parts.shift)));

    let matrix = |of: &dyn Fn(&Jet) -> Tensor| Triangle::new(&of(&diagonal), below.as_ref().map(of).as_ref());
    let value = |jet: &Jet| jet.value().shallow_clone();
    let (a, a1, a2) = (matrix(&value), matrix(&Jet::first), matrix(&Jet::second));
    let b = [offset.value().unbind(0), offset.first().unbind(0), offset.second().unbind(0)];
    let x = at.x_t.flatten(2, -1).permute([2, 0, 1]).contiguous().unsqueeze(3).unbind(0);

    let y = a.solve(x.iter().zip(&b[0]).map(|(x, b)| x - b).collect());
    let u = a1.times(&y, &b[1]);
    let shape = [times, points, endpoints];
    let sample = |parts: &[Tensor]| {
        let parts: Vec<_> = parts.iter().map(|part| part.expand(shape, false)).collect();
        let stacked = Tensor::stack(&parts, 0).view([d, -1]).tr();
        match size.len() {
            4 => stacked,
            _ => stacked.reshape(std::iter::once(-1).chain(size[3..].iter().copied()).collect::<Vec<_>>()),
        }
    };
    let y_sample = sample(&y);
    let log_det = -diagonal.value().log().sum_dim_intlist([0i64].as_slice(), false, diagonal.value().kind());
    let log_weight = source.log_density(&y_sample)?.view(shape) + log_det;
    // Relative to the largest: a large sum of logarithms is rounded, and weights relative to it do not add up to 1.
    let top = log_weight.amax([-1i64].as_slice(), true).detach();
    let w = weights(&(log_weight - &top));
    let sum = w.sum_dim_intlist([-1i64].as_slice(), true, w.kind());
    let (w, total) = (w / &sum, top + sum.log());
    let mean = |x: &Tensor| (&w * x).sum_dim_intlist([-1i64].as_slice(), true, x.kind());
    let v: Vec<Tensor> = u.iter().map(mean).collect();

    let dy = a.solve(v.iter().zip(&u).map(|(v, u)| v - u).collect());
    let du = a1.times(&dy, &a2.times(&y, &b[2]));
    let shrinking = (diagonal.first() / diagonal.value()).sum_dim_intlist([0i64].as_slice(), false, w.kind());
    let slope = source.log_density_slope(&y_sample, &sample(&dy))?.view(shape) - shrinking;
    let turn = &slope - mean(&slope);
    let dv: Vec<Tensor> = u.iter().zip(&du).map(|(u, du)| mean(&du.addcmul(&turn, u))).collect();

    let joined = |parts: &[Tensor]| Tensor::cat(parts, -1).view(at.x_t.size().as_slice());
    let log_effective = -w.detach().square().sum_dim_intlist([-1i64].as_slice(), false, w.kind()).log();
    let marginal = Marginal { velocity: joined(&v), log_weight: total.squeeze_dim(-1), log_effective };
    Ok(MovingMarginal { marginal, derivative: joined(&dv) })
}
