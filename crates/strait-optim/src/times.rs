//! The laws of the times that a batch is taken at: one time, or the two times of a flow map.

use strait_core::{Draws, Error};
use tch::{Device, Kind, Tensor};

/// The law of the times that an objective is trained at, on $[0, 1]$.
///
/// Times are stratified: of B, each falls into its own B-th part of the law. This lowers the variance of the loss
/// over t at no cost and leaves its mean as it is. What is left of it is of the order $B^{-2}$ in place of
/// $B^{-1}$, so that antithetic times (t with 1 - t) would find nothing more to cancel.
///
/// ```
/// use strait_core::Seed;
/// use strait_optim::Times;
/// use tch::{Device, Kind};
/// let t = Times::Uniform.draw(4, &mut Seed(0).stream("t").at(0), Kind::Double, Device::Cpu)?;
/// let t = Vec::<f64>::try_from(&t).unwrap();
/// assert!(t.iter().enumerate().all(|(i, &t)| (0.25 * i as f64..=0.25 * (i + 1) as f64).contains(&t)));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(tag = "law", rename_all = "snake_case", deny_unknown_fields)]
pub enum Times {
    /// Uniform.
    #[default]
    Uniform,
    /// $\sigma(m + s z)$ with z standard normal (Esser et al., arXiv 2403.03206).
    LogitNormal {
        /// m.
        mean: f64,
        /// s.
        sd: f64,
    },
    /// Density proportional to $\cosh(a(t - 1/2))$, more at both endpoints (Lee et al., arXiv 2405.20320).
    UShaped {
        /// a, above 0.
        sharpness: f64,
    },
    /// $U^p$ with U uniform: more near 0 for $p > 1$.
    Power {
        /// p, above 0.
        power: f64,
    },
}

impl Times {
    /// `n` stratified times, (n,), in increasing order of strata.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn draw(self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let u = draws.strata(n, kind, device)?;
        Ok(match self {
            Self::Uniform => u,
            Self::LogitNormal { mean, sd } => (u.clamp(1e-6, 1.0 - 1e-6).special_ndtri() * sd + mean).sigmoid(),
            Self::UShaped { sharpness } => ((u * 2.0 - 1.0) * (0.5 * sharpness).sinh()).asinh() / sharpness + 0.5,
            Self::Power { power } => u.f_pow_tensor_scalar(power)?,
        })
    }
}

/// The law of the two times $s \le t$ that a flow map is trained at, over a law of one time.
///
/// On the diagonal, $s = t$, it is that law. Off it, s and t are the lesser and the greater of two independent draws; of a
/// share of these $s = 0$ and t is one draw, which is where a map of one evaluation starts.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spans {
    /// The share of a batch off the diagonal: at least 0 (none), and below 1.
    pub off_diagonal: f64,
    /// The share of those that start at 0, in $[0, 1]$; of segments of trajectories, where all are off it, the share of all.
    pub from_start: f64,
}

impl Spans {
    /// How many of a batch of `pairs` are off the diagonal: the nearest number that leaves at least one on either side.
    pub fn count(self, pairs: i64) -> i64 {
        if self.off_diagonal == 0.0 {
            return 0;
        }
        (((pairs as f64) * self.off_diagonal).round() as i64).clamp(1, (pairs - 1).max(1))
    }

    /// How many of `n` spans start at 0.
    pub(crate) fn starting(self, n: i64) -> i64 {
        ((n as f64) * self.from_start).round() as i64
    }

    /// The earlier and the later time of `n` spans off the diagonal, (n,) each; those that start at 0 come first. Each
    /// of the draws is stratified.
    ///
    /// ```
    /// use strait_core::Seed;
    /// use strait_optim::{Spans, Times};
    /// use tch::{Device, Kind};
    /// let spans = Spans { off_diagonal: 0.25, from_start: 0.5 };
    /// let n = spans.count(64);
    /// let (s, t) = spans.draw(Times::Uniform, n, &mut Seed(0).stream("t").at(0), Kind::Double, Device::Cpu)?;
    /// assert_eq!((n, s.size()), (16, vec![16]));
    /// assert_eq!(s.narrow(0, 0, 8), s.new_zeros([8], (Kind::Double, Device::Cpu)));
    /// assert!(bool::try_from((&t - &s).ge(0.0).all()).unwrap());
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn draw(
        self,
        times: Times,
        n: i64,
        draws: &mut Draws,
        kind: Kind,
        device: Device,
    ) -> Result<(Tensor, Tensor), Error> {
        let from_start = self.starting(n);
        let rest = n - from_start;
        let start = times.draw(from_start, draws, kind, device)?;
        let a = times.draw(rest, draws, kind, device)?;
        let b = times.draw(rest, draws, kind, device)?.f_index_select(0, &draws.permutation(rest, device)?)?;
        if from_start == 0 {
            return Ok((a.f_minimum(&b)?, a.f_maximum(&b)?));
        }
        let s = Tensor::f_cat(&[start.f_zeros_like()?, a.f_minimum(&b)?], 0)?;
        Ok((s, Tensor::f_cat(&[start, a.f_maximum(&b)?], 0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_core::Seed;

    /// Of two uniform times the lesser has the distribution function $1 - (1-x)^2$ and the greater $x^2$.
    #[test]
    fn spans_are_the_lesser_and_the_greater_of_two_draws() {
        let below = |t: &Tensor| t.lt(0.25).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        for share in [0.0, 0.5, 1.0] {
            let spans = Spans { off_diagonal: 0.25, from_start: share };
            let mut draws = Seed(1).stream("t").at(0);
            let (s, t) = spans.draw(Times::Uniform, 20_000, &mut draws, Kind::Double, Device::Cpu).unwrap();
            assert_eq!(s.gt_tensor(&t).any().int64_value(&[]), 0);
            let (s, t) = (below(&s), below(&t));
            assert!((s - share - (1.0 - share) * 0.4375).abs() < 0.01, "{s} of the lesser, {share} at 0");
            assert!((t - share * 0.25 - (1.0 - share) * 0.0625).abs() < 0.01, "{t} of the greater, {share} at 0");
        }
        let correlated = |a: &Tensor, b: &Tensor| Tensor::stack(&[a, b], 0).corrcoef().double_value(&[0, 1]);
        let spans = Spans { off_diagonal: 1.0, from_start: 0.0 };
        let mut draws = Seed(1).stream("t").at(0);
        let (s, t) = spans.draw(Times::Uniform, 20_000, &mut draws, Kind::Double, Device::Cpu).unwrap();
        assert!((correlated(&s, &t) - 0.5).abs() < 0.03, "that of the order statistics of two uniform draws");
    }

    #[test]
    fn a_batch_has_pairs_on_and_off_the_diagonal() {
        let count = |off_diagonal, pairs| Spans { off_diagonal, from_start: 0.0 }.count(pairs);
        assert_eq!([count(0.0, 256), count(0.25, 256), count(0.75, 10)], [0, 64, 8]);
        assert_eq!([count(1e-9, 256), count(1.0, 256)], [1, 255]);
    }

    /// The share of times below 1/4 against the law's distribution function there.
    #[test]
    fn each_law_has_its_distribution() {
        let a = 4.0f64;
        let cases = [
            (Times::Uniform, 0.25),
            (Times::Power { power: 2.0 }, 0.5),
            (Times::UShaped { sharpness: a }, 0.5 * (1.0 - (0.25 * a).sinh() / (0.5 * a).sinh())),
            // P(z < logit(1/4)) for m = 0, s = 1
            (Times::LogitNormal { mean: 0.0, sd: 1.0 }, 0.135_972),
        ];
        for (law, expected) in cases {
            let t = law.draw(20_000, &mut Seed(1).stream("t").at(0), Kind::Double, Device::Cpu).unwrap();
            assert!(t.min().double_value(&[]) >= 0.0 && t.max().double_value(&[]) <= 1.0, "{law:?}");
            let share = t.lt(0.25).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert!((share - expected).abs() < 1e-3, "{law:?}: {share} against {expected}");
        }
    }
}
