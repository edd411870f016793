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

/// One level: its parameters, and all that its optimizer knows.
#[derive(Debug)]
pub struct Level {
    /// Which.
    pub name: LevelName,
    /// The trainable tensors; a level without any is fixed.
    pub parameters: Parameters,
    pub(crate) state: AdamWState,
    pub(crate) ema: Option<Ema>,
    ema_half_life: Option<f64>,
}

impl Level {
    /// A level that has taken no step. `ema_half_life` is in steps of this level; None: no average is kept.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(name: LevelName, parameters: Parameters, ema_half_life: Option<f64>) -> Result<Self, OptimError> {
        let state = AdamWState::new(parameters.tensors())?;
        let ema = ema_half_life.map(|h| Ema::new(&parameters, h)).transpose()?;
        Ok(Self { name, parameters, state, ema, ema_half_life })
    }

    /// The moving average, where one is kept.
    pub fn ema(&self) -> Option<&Ema> {
        self.ema.as_ref()
    }

    /// Starts over: parameters drawn from `seed`, an optimizer and an average that know nothing.
    pub(crate) fn restart(&mut self, seed: Seed) -> Result<(), OptimError> {
        self.parameters.reset(seed)?;
        self.forget()
    }

    /// An optimizer and an average that know nothing of what came before.
    pub(crate) fn forget(&mut self) -> Result<(), OptimError> {
        self.state = AdamWState::new(self.parameters.tensors())?;
        self.ema = self.ema_half_life.map(|h| Ema::new(&self.parameters, h)).transpose()?;
        Ok(())
    }
}
