//! Moving averages of parameters.

use crate::OptimError;
use strait_autodiff::lerp;
use strait_core::Parameters;
use tch::Tensor;

/// An exponential moving average of a level's parameters.
///
/// Its weight is $w_k = \max(1 - 2^{-1/h},\ 1/(k+1))$ at step k for a half-life of h steps: a plain mean at first, so
/// that the start is forgotten.
#[derive(Debug)]
pub struct Ema {
    half_life: f64,
    steps: u64,
    averages: Vec<Tensor>,
}

impl Ema {
    /// From the present parameters.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(parameters: &Parameters, half_life: f64) -> Result<Self, OptimError> {
        let averages = parameters.tensors().iter().map(|p| Ok(p.detach().copy())).collect::<Result<_, OptimError>>()?;
        Ok(Self { half_life, steps: 0, averages })
    }

    /// Takes in the parameters after a step.
    ///
    /// # Errors
    /// libtorch's.
    pub fn update(&mut self, parameters: &Parameters) -> Result<(), OptimError> {
        let weight = (1.0 - (-std::f64::consts::LN_2 / self.half_life).exp()).max(1.0 / (self.steps + 1) as f64);
        lerp(&self.averages, parameters.tensors(), weight)?;
        self.steps += 1;
        Ok(())
    }

    /// h.
    pub fn half_life(&self) -> f64 {
        self.half_life
    }

    /// The averages, in the order of the parameters.
    pub fn averages(&self) -> &[Tensor] {
        &self.averages
    }

    /// Steps taken in.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }
}
