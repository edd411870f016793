//! How far samples are guided to their condition, wherever samples are made.

use serde::{Deserialize, Serialize};
use strait_core::VelocityField;
use strait_ode::{Guided, Method};

/// The weight of classifier-free guidance ([`Guided`]); at 1 samples are those of the velocity itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Guidance(pub f64);

impl Default for Guidance {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Guidance {
    /// Whether samples are those of the velocity itself.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Evaluations of the network in one of the guided velocity.
    pub fn evaluations(self) -> usize {
        Guided::evaluations_at(self.0)
    }

    /// The steps of a method that take `nfe` evaluations of the network.
    ///
    /// # Errors
    /// In words, why no whole number of steps does, and what to take.
    pub fn steps(self, method: Method, nfe: usize) -> Result<usize, String> {
        let each = self.evaluations();
        if !nfe.is_multiple_of(each) {
            return Err(format!("at a guidance of {} a step takes {each} evaluations; take an even count", self.0));
        }
        method.steps(nfe / each).map_err(|error| error.to_string())
    }

    /// The velocity that samples follow.
    pub fn of<'a>(self, velocity: &'a dyn VelocityField) -> Box<dyn VelocityField + 'a> {
        if self.is_none() { Box::new(velocity) } else { Box::new(Guided { field: velocity, weight: self.0 }) }
    }
}
