//! Levels: parameters that are stepped together, with their optimizer state and their moving averages.

use crate::{Ema, OptimError};
use strait_autodiff::AdamWState;
use strait_core::{Parameters, Seed};

/// Which parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelName {
    /// Level 0: the map T of a path through its latent space.
    Transport,
    /// Level 1: the path.
    Interpolant,
    /// Level 2: the velocity field.
    Velocity,
}

impl LevelName {
    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Interpolant => "interpolant",
            Self::Velocity => "velocity",
        }
    }
}

/// One level: its parameters, and the state of its optimizer.
#[derive(Debug)]
pub struct Level {
    /// Which.
    pub name: LevelName,
    /// The trainable tensors; a level without any is fixed.
    pub parameters: Parameters,
    pub(crate) state: AdamWState,
    pub(crate) averages: Vec<Ema>,
}

impl Level {
    /// A level that has taken no step. A moving average is kept of each of `half_lives`, in steps of this level.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(name: LevelName, parameters: Parameters, half_lives: &[f64]) -> Result<Self, OptimError> {
        let state = AdamWState::new(parameters.tensors())?;
        let averages = half_lives.iter().map(|&h| Ema::new(&parameters, h)).collect::<Result<_, _>>()?;
        Ok(Self { name, parameters, state, averages })
    }

    /// The moving averages, in the order of their half-lives as they were asked for.
    pub fn averages(&self) -> &[Ema] {
        &self.averages
    }

    /// Starts over: parameters drawn from `seed`, new optimizer state and averages.
    pub(crate) fn restart(&mut self, seed: Seed) -> Result<(), OptimError> {
        self.parameters.reset(seed)?;
        self.forget()
    }

    /// Resets the optimizer state and the averages.
    pub(crate) fn forget(&mut self) -> Result<(), OptimError> {
        self.state = AdamWState::new(self.parameters.tensors())?;
        for average in &mut self.averages {
            *average = Ema::new(&self.parameters, average.half_life())?;
        }
        Ok(())
    }
}
