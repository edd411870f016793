//! Monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan and others, arXiv 1906.04032), one for each number.
//!
//! They are written as a deviation from the identity, so that zero logits give the identity to the bit and small ones lose
//! no digits. In a bin from $(x_k, y_k)$ of width $w$, height $h$ and end slopes $1 + e_0$, $1 + e_1$, with
//! $\xi = (x - x_k)/w$, $1 + \sigma = h / w$ and $\epsilon = e_0 + e_1 - 2\sigma$,
//!
//! $$ y - x = (y_k - x_k) + w \xi \frac{(1+\sigma) (\sigma \xi + e_0 (1-\xi)) - \epsilon \xi(1-\xi)}
//!                                       {1 + \sigma + \epsilon \xi(1-\xi)} $$
//! $$ y' = (1+\sigma)^2 \frac{1 + e_1 \xi^2 + 2\sigma \xi(1-\xi) + e_0 (1-\xi)^2}
//!                             {(1 + \sigma + \epsilon \xi(1-\xi))^2} $$

use crate::kernels::{spline, spline_jet};
use strait_autodiff::Jet;
use strait_core::{Direction, Error, sum_per_sample};
use tch::{Kind, Tensor};

/// No bin is narrower or lower than this part of an equal share of the box.
const LEAST_SHARE: f64 = 0.05;

/// The slope at a knot is the harmonic mean of those of the bins that meet there, times at most $e^3$ or $e^{-3}$: a steep
/// knot beside a flat bin would make the spline almost constant in its middle, and its inverse lose its digits.
const SLOPE_BOUND: f64 = 3.0;

/// The image of x, or what x is the image of, and the log-determinant of what was applied. `raw` holds the $3K - 1$ logits of
/// each number side by side along the channels: of widths, heights and inner slopes.
pub(super) fn apply(
    direction: Direction,
    x: &Tensor,
    raw: &Tensor,
    bins: i64,
    bound: f64,
) -> Result<(Tensor, Tensor), Error> {
    if let Some(done) = spline(direction, x, raw, bins, bound)? {
        return Ok(done);
    }
    let (x, raw) = (Jet::constant(x), Jet::constant(raw));
    let inside = Inside::of(&x, bound);
    let bin = Bin::holding(direction, inside.point.value(), &raw, bins, bound);
    let place = match direction {
        Direction::Forward => bin.place(&inside.point),
        Direction::Inverse => bin.place_of_image(inside.point.value()),
    };
    let (moved, log_slope) = (inside.only(&place.moved(&bin)), inside.only(&Jet::constant(&place.log_slope(&bin))));
    let (moved, log_slope) = (moved.value(), log_slope.value());
    Ok(match direction {
        Direction::Forward => (x.value() + moved, sum_per_sample(log_slope)),
        Direction::Inverse => (x.value() - moved, sum_per_sample(&log_slope.neg())),
    })
}

/// The jet of the image, of jets of the numbers and of the logits.
pub(super) fn push(x: &Jet, raw: &Jet, bins: i64, bound: f64) -> Result<Jet, Error> {
    if let Some(done) = spline_jet(x, raw, bins, bound, Jet::order_of([x, raw]))? {
        return Ok(done);
    }
    let inside = Inside::of(x, bound);
    let bin = Bin::holding(Direction::Forward, inside.point.value(), raw, bins, bound);
    Ok(x.plus(&inside.only(&bin.place(&inside.point).moved(&bin))))
}

/// Which numbers are in the box, beyond which a spline is the identity.
struct Inside {
    mask: Tensor,
    /// The numbers, those beyond it at its border.
    point: Jet,
}

impl Inside {
    fn of(x: &Jet, bound: f64) -> Self {
        let mask = x.value().detach().abs().le(bound);
        Self { mask, point: x.map(|x| x.clamp(-bound, bound), Tensor::shallow_clone) }
    }

    fn only(&self, x: &Jet) -> Jet {
        x.view(|x| x.where_self(&self.mask, &x.zeros_like()))
    }
}

/// The bins that some points are in.
struct Bin {
    width: Jet,
    sigma: Jet,
    e0: Jet,
    e1: Jet,
    /// $x_k$.
    start: Jet,
    /// $y_k - x_k$.
    gap: Jet,
    epsilon: Jet,
}

impl Bin {
    /// The bins that hold points of one side; the `point` only chooses.
    fn holding(direction: Direction, point: &Tensor, raw: &Jet, bins: i64, bound: f64) -> Self {
        // (B, C, ..., 3 K - 1)
        let channels = point.size()[1];
        let logits = raw.view(|raw| raw.unflatten(1, [channels, 3 * bins - 1]).movedim_int(2, -1));
        let part = |jet: &Jet, from: i64, count: i64| jet.view(|x| x.narrow(-1, from, count));
        let side = |i: i64| {
            let logits = part(&logits, i * bins, bins);
            let top = logits.value().detach().amax([-1i64].as_slice(), true);
            let raised = logits.map(|x| x - &top, Tensor::shallow_clone).exp();
            let total = raised.view(|x| x.sum_dim_intlist([-1i64].as_slice(), true, x.kind()));
            let share = raised.over(&total).scale(1.0 - LEAST_SHARE);
            share.map(|x| x + LEAST_SHARE / bins as f64, Tensor::shallow_clone).scale(2.0 * bound)
        };
        let (widths, heights) = (side(0), side(1));
        let excess = heights.plus(&widths.scale(-1.0));
        let sigma = excess.over(&widths);
        let (left, right) = (part(&sigma, 0, bins - 1), part(&sigma, 1, bins - 1));
        let both = left.plus(&right);
        let mean = both.plus(&left.times(&right).scale(2.0)).over(&plus_number(&both, 2.0));
        let steeper = part(&logits, 2 * bins, bins - 1).view(|x| x / SLOPE_BOUND).tanh().scale(SLOPE_BOUND).exp_m1();
        let inner = mean.plus(&plus_number(&mean, 1.0).times(&steeper));
        let e = inner.view(|x| x.constant_pad_nd([1, 1])); // linear tails of slope 1
        let starts = |sizes: &Jet| part(sizes, 0, bins - 1).view(|x| x.cumsum(-1, x.kind()).constant_pad_nd([1, 0]));
        let (from, gaps) = (starts(&widths).map(|x| x - bound, Tensor::shallow_clone), starts(&excess));
        let lower = match direction {
            Direction::Forward => from.value().detach(),
            Direction::Inverse => (from.value() + gaps.value()).detach(),
        };
        let beyond = point.detach().unsqueeze(-1).ge_tensor(&lower.narrow(-1, 1, bins - 1));
        let k = beyond.sum_dim_intlist([-1i64].as_slice(), true, Kind::Int64);
        let of = |each: &Jet| each.view(|x| x.gather(-1, &k, false).squeeze_dim(-1));
        let (width, sigma) = (of(&widths), of(&sigma));
        let (e0, e1) = (of(&part(&e, 0, bins)), of(&part(&e, 1, bins)));
        let epsilon = e0.plus(&e1).plus(&sigma.scale(-2.0));
        Self { width, sigma, e0, e1, start: of(&from), gap: of(&gaps), epsilon }
    }

    fn place(&self, point: &Jet) -> Place {
        Place::at(point.plus(&self.start.scale(-1.0)).over(&self.width))
    }

    /// The places whose images are given: the root in [0, 1] of $a \xi^2 + b \xi + c$, in that of its two forms that loses no
    /// digits. Values only, no derivatives.
    fn place_of_image(&self, y: &Tensor) -> Place {
        let [width, sigma, e0, start, gap, epsilon] =
            [&self.width, &self.sigma, &self.e0, &self.start, &self.gap, &self.epsilon].map(Jet::value);
        let (height, rise) = (width * (sigma + 1.0), y - start - gap);
        let bent = epsilon * &rise;
        let (a, b, c) = (&height * (sigma - e0) + &bent, height * (e0 + 1.0) - bent, -((sigma + 1.0) * rise));
        let root = (b.square() - &a * &c * 4.0).clamp_min(0.0).sqrt();
        let rising = b.ge(0.0);
        let q = (&b + root.where_self(&rising, &-&root)) * -0.5;
        let xi = c.where_self(&rising, &q) / q.where_self(&rising, &a);
        Place::at(Jet::constant(&xi.clamp(0.0, 1.0)))
    }
}

/// Places in bins, of 0 at a bin's start to 1 at its end.
struct Place {
    xi: Jet,
    rest: Jet,
    bump: Jet,
}

impl Place {
    fn at(xi: Jet) -> Self {
        let rest = xi.map(|x| 1f64 - x, Tensor::neg);
        Self { bump: xi.times(&rest), rest, xi }
    }

    /// $y - x$.
    fn moved(&self, bin: &Bin) -> Jet {
        let product = bin.epsilon.times(&self.bump);
        let up = plus_number(&bin.sigma, 1.0);
        let shift = bin.sigma.times(&self.xi).plus(&bin.e0.times(&self.rest)).times(&up).plus(&product.scale(-1.0));
        let below = plus_number(&bin.sigma.plus(&product), 1.0);
        bin.gap.plus(&bin.width.times(&self.xi).times(&shift).over(&below))
    }

    /// $\log y'$.
    fn log_slope(&self, bin: &Bin) -> Tensor {
        let [sigma, e0, e1, epsilon] = [&bin.sigma, &bin.e0, &bin.e1, &bin.epsilon].map(Jet::value);
        let [xi, rest, bump] = [&self.xi, &self.rest, &self.bump].map(Jet::value);
        let slope = e1 * xi.square() + sigma * bump * 2.0 + e0 * rest.square();
        sigma.log1p() * 2.0 + slope.log1p() - (sigma + epsilon * bump).log1p() * 2.0
    }
}

fn plus_number(x: &Jet, number: f64) -> Jet {
    x.map(|x| x + number, Tensor::shallow_clone)
}
