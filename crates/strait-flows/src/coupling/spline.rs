//! Monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan and others, arXiv 1906.04032), written as
//! a deviation from the identity, so that zero logits give the identity to the bit and small ones lose no digits.
//!
//! In a bin from $(x_k, y_k)$ of width $w$, height $h$ and end slopes $1 + e_0$, $1 + e_1$, with
//! $\xi = (x - x_k)/w$, $1 + \sigma = h / w$ and $\epsilon = e_0 + e_1 - 2\sigma$, the usual form is the same as
//!
//! $$ y - x = (y_k - x_k) + w\,\xi\,\frac{(1+\sigma)\,(\sigma \xi + e_0 (1-\xi)) - \epsilon\,\xi(1-\xi)}
//!                                       {1 + \sigma + \epsilon\,\xi(1-\xi)} $$
//! $$ y' = (1+\sigma)^2\, \frac{1 + e_1 \xi^2 + 2\sigma\, \xi(1-\xi) + e_0 (1-\xi)^2}
//!                             {(1 + \sigma + \epsilon\,\xi(1-\xi))^2} $$

use crate::reversible::Direction;
use tch::{Kind, Tensor};

/// No bin is narrower or lower than this part of an equal share of the box.
const LEAST_SHARE: f64 = 0.05;

/// The slope at a knot is the harmonic mean of the slopes of the bins that meet there, times at most $e^{\pm 3}$. A
/// steep knot beside a flat bin would make the spline almost constant in its middle, and its inverse lose its digits:
/// so the least slope of a bin stays a twentieth of its mean one or better, except in the bins at the tails.
const SLOPE_BOUND: f64 = 3.0;

/// Logits of widths, of heights, and of the inner slopes.
pub(super) fn width(bins: i64) -> i64 {
    3 * bins - 1
}

/// The splines of all numbers: $w$, $\sigma$, $e_0$, $e_1$, $x_k$ and $y_k - x_k$ of every bin, (..., 6, K).
struct Bins {
    table: Tensor,
    bins: i64,
}

/// The same six of the bin that each point lies in.
struct Bin {
    w: Tensor,
    sigma: Tensor,
    e0: Tensor,
    e1: Tensor,
    x: Tensor,
    gap: Tensor,
}

/// Softmax over the last axis from operations whose tangents can be differentiated, scaled to the box.
fn shares(logits: &Tensor, bins: i64, bound: f64) -> Tensor {
    let top = logits.detach().amax([-1i64].as_slice(), true);
    let e = (logits - top).exp();
    let softmax = &e / e.sum_dim_intlist([-1i64].as_slice(), true, e.kind());
    (softmax * (1.0 - LEAST_SHARE) + LEAST_SHARE / bins as f64) * (2.0 * bound)
}

impl Bins {
    fn new(logits: &Tensor, bins: i64, bound: f64) -> Self {
        let sides = shares(&logits.narrow(-1, 0, 2 * bins).unflatten(-1, [2, bins]), bins, bound);
        let w = sides.select(-2, 0);
        let excess = sides.select(-2, 1) - &w;
        let sigma = &excess / &w;
        let (left, right) = (sigma.narrow(-1, 0, bins - 1), sigma.narrow(-1, 1, bins - 1));
        let mean = (&left + &right + &left * &right * 2.0) / (left + right + 2.0);
        let steeper = ((logits.narrow(-1, 2 * bins, bins - 1) / SLOPE_BOUND).tanh() * SLOPE_BOUND).expm1();
        let e = (&mean + (&mean + 1.0) * steeper).constant_pad_nd([1, 1]); // linear tails of slope 1
        let steps = Tensor::stack(&[&w, &excess], -2).narrow(-1, 0, bins - 1);
        let knots = steps.cumsum(-1, steps.kind()).constant_pad_nd([1, 0]);
        let (x, gap) = (knots.select(-2, 0) - bound, knots.select(-2, 1));
        let (e0, e1) = (e.narrow(-1, 0, bins), e.narrow(-1, 1, bins));
        Self { table: Tensor::stack(&[w, sigma, e0, e1, x, gap], -2), bins }
    }

    /// The bin of every point of that side's space.
    fn find(&self, direction: Direction, point: &Tensor) -> Bin {
        let table = self.table.detach();
        let (x, gap) = (table.select(-2, 4), table.select(-2, 5));
        let knots = if direction == Direction::Forward { x } else { x + gap };
        let above = point.detach().unsqueeze(-1).ge_tensor(&knots.narrow(-1, 1, self.bins - 1));
        let k = above.sum_dim_intlist([-1i64].as_slice(), true, Kind::Int64).unsqueeze(-1);
        let mut shape = k.size();
        let rows = shape.len() - 2;
        shape[rows] = 6;
        let six = self.table.gather(-1, &k.expand(shape, false), false).squeeze_dim(-1);
        let row = |i: i64| six.select(-1, i);
        Bin { w: row(0), sigma: row(1), e0: row(2), e1: row(3), x: row(4), gap: row(5) }
    }
}

impl Bin {
    /// $y - x - (y_k - x_k)$ and $\log y'$ at $\xi$.
    fn deviation(&self, xi: &Tensor) -> (Tensor, Tensor) {
        let (sigma, e0, e1) = (&self.sigma, &self.e0, &self.e1);
        let rest = 1.0 - xi;
        let bump = xi * &rest;
        let epsilon = (e0 + e1 - sigma * 2.0) * &bump;
        let shift = (sigma * xi + e0 * &rest) * (sigma + 1.0) - &epsilon;
        let denominator = sigma + &epsilon;
        let slope = e1 * xi.square() + sigma * &bump * 2.0 + e0 * rest.square();
        let log_slope = sigma.log1p() * 2.0 + slope.log1p() - denominator.log1p() * 2.0;
        (&self.w * xi * shift / (denominator + 1.0), log_slope)
    }

    /// $\xi$ of an image: the root in $[0, 1]$ of $a \xi^2 + b \xi + c$, in that of its two forms that loses no digits.
    fn solve(&self, y: &Tensor) -> Tensor {
        let (s, d0) = (&self.sigma + 1.0, &self.e0 + 1.0);
        let height = &self.w * &s;
        let rise = y - &self.x - &self.gap;
        let epsilon = (&self.e0 + &self.e1 - &self.sigma * 2.0) * &rise;
        let a = &height * (&s - &d0) + &epsilon;
        let b = &height * d0 - &epsilon;
        let c = -(s * rise);
        let root = (b.square() - &a * &c * 4.0).clamp_min(0.0).sqrt();
        let rising = b.ge(0.0);
        let q = (&b + root.where_self(&rising, &-&root)) * -0.5;
        (c.where_self(&rising, &q) / q.where_self(&rising, &a)).clamp(0.0, 1.0)
    }
}

/// The image of x and its log-slope. `raw` holds the logits of each number side by side along the channels.
pub(super) fn apply(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    gate: Option<&Tensor>,
    bins: i64,
    bound: f64,
) -> (Tensor, Tensor) {
    let mut shape = x.size();
    shape.insert(2, width(bins));
    let logits = raw.view(shape.as_slice()).movedim_int(2, -1);
    let logits = gate.map_or_else(|| logits.shallow_clone(), |g| &logits * g.unsqueeze(-1));
    let spline = Bins::new(&logits, bins, bound);
    let inside = x.detach().abs().le(bound);
    let point = x.clamp(-bound, bound);
    let bin = spline.find(direction, &point);
    let (moved, log_slope) = match direction {
        Direction::Forward => {
            let xi = (&point - &bin.x) / &bin.w;
            let (deviation, log_slope) = bin.deviation(&xi);
            (&bin.gap + deviation, log_slope)
        }
        Direction::Inverse => {
            let (deviation, log_slope) = bin.deviation(&bin.solve(&point));
            (-(&bin.gap + deviation), -log_slope)
        }
    };
    let zero = x.new_zeros([] as [i64; 0], (x.kind(), x.device()));
    (x + moved.where_self(&inside, &zero), log_slope.where_self(&inside, &zero))
}
