//! The learning rate over a phase. (The schedules of paths are in `strait-paths`.)

use std::f64::consts::PI;

/// How a learning rate moves over a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls to zero along half a cosine (Loshchilov and Hutter, arXiv 1608.03983).
    #[default]
    Cosine,
    /// The one-cycle policy (Smith and Topin, arXiv 1708.07120): over the first .3 of the phase it rises from 1/25 of the
    /// peak, then it falls to 1/10,000 of it, both along half a cosine. It has its own warm-up.
    OneCycle,
}

/// A learning rate over a phase: a linear warm-up to the peak, then a decay.
///
/// ```
/// use strait_optim::{Decay, LearningRate};
/// let rate = LearningRate { peak: 1.0, warm_up: 10, decay: Decay::Cosine };
/// assert_eq!(rate.at(4, 110), 0.5); // half-way up
/// assert!((rate.at(60, 110) - 0.5).abs() < 1e-12); // half-way down
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// The largest rate.
    pub peak: f64,
    /// Iterations of linear warm-up.
    pub warm_up: u64,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl LearningRate {
    /// The rate at iteration `iteration` (from 0) of a phase of `iterations`.
    pub fn at(&self, iteration: u64, iterations: u64) -> f64 {
        let done = |from: u64| (iteration - from) as f64 / iterations.saturating_sub(from).max(1) as f64;
        self.peak
            * match self.decay {
                Decay::OneCycle if done(0) < RISE => ease(1.0 / 25.0, 1.0, done(0) / RISE),
                Decay::OneCycle => ease(1.0, 1e-4, (done(0) - RISE) / (1.0 - RISE)),
                _ if iteration < self.warm_up => (iteration + 1) as f64 / self.warm_up as f64,
                Decay::Constant => 1.0,
                Decay::Cosine => ease(1.0, 0.0, done(self.warm_up)),
            }
    }
}

/// The share of a one-cycle phase in which the rate rises.
const RISE: f64 = 0.3;

/// From one value to another along half a cosine.
fn ease(from: f64, to: f64, done: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_and_falls() {
        let rate = LearningRate { peak: 2.0, warm_up: 0, decay: Decay::OneCycle };
        assert!((rate.at(0, 1000) - 0.08).abs() < 1e-12 && (rate.at(300, 1000) - 2.0).abs() < 1e-12);
        assert!((rate.at(150, 1000) - 1.04).abs() < 1e-12, "half-way up along the cosine");
        assert!((rate.at(1000, 1000) - 2e-4).abs() < 1e-12);
        assert!((300..1000).all(|iteration| rate.at(iteration + 1, 1000) < rate.at(iteration, 1000)));
    }
}
