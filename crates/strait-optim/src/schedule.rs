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
    /// Turns of linear warm-up.
    pub warm_up: u64,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl LearningRate {
    /// The rate at turn `turn` (from 0) of a phase of `turns`.
    pub fn at(&self, turn: u64, turns: u64) -> f64 {
        if turn < self.warm_up {
            return self.peak * (turn + 1) as f64 / self.warm_up as f64;
        }
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine => {
                let progress = (turn - self.warm_up) as f64 / turns.saturating_sub(self.warm_up).max(1) as f64;
                self.peak * 0.5 * (1.0 + (PI * progress.min(1.0)).cos())
            }
        }
    }
}
