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
    /// Density proportional to $\cosh(a(t - 1/2))$, more at both ends (Lee et al., arXiv 2405.20320).
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
        let u = draws.uniform(&[n], kind, device)?;
        let u = (Tensor::f_arange(n, (kind, device))? + u) / n as f64;
        Ok(match self {
            Self::Uniform => u,
            Self::LogitNormal { mean, sd } => (u.clamp(1e-6, 1.0 - 1e-6).special_ndtri() * sd + mean).sigmoid(),
            Self::UShaped { sharpness } => ((u * 2.0 - 1.0) * (0.5 * sharpness).sinh()).asinh() / sharpness + 0.5,
            Self::Power { power } => u.f_pow_tensor_scalar(power)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_core::Seed;

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
