//! Blocks of a network whose activations may be computed again in the backward pass.

use crate::layers::Maker;
use std::sync::{Arc, Mutex, PoisonError};
use strait_autodiff::recomputed;
use strait_core::Error;
use tch::Tensor;

/// A part of a network: of activations, in several parts where they come from several places, and the network's vector.
pub(crate) trait Block: Send + 'static {
    fn apply(&self, x: &[Tensor], vector: &Tensor) -> Result<Tensor, Error>;
}

/// A block, and how it remembers.
#[derive(Debug)]
pub(crate) struct Segment<B> {
    /// A backward pass may compute it again in a thread of its own.
    block: Arc<Mutex<B>>,
    /// The block's parameters, where gradients are checkpointed.
    checkpointed: Option<Vec<Tensor>>,
}

impl<B: Block> Segment<B> {
    pub(crate) fn new(
        mut at: Maker<'_, '_>,
        gradient_checkpointing: bool,
        make: impl FnOnce(Maker<'_, '_>) -> Result<B, Error>,
    ) -> Result<Self, Error> {
        let block = Arc::new(Mutex::new(make(at.here())?));
        Ok(Self { block, checkpointed: gradient_checkpointing.then(|| at.scope.tensors()) })
    }

    pub(crate) fn apply(&self, x: &[Tensor], vector: &Tensor) -> Result<Tensor, Error> {
        let Some(parameters) = &self.checkpointed else { return applied(&self.block, x, vector) };
        let block = Arc::clone(&self.block);
        let inputs: Vec<&Tensor> = [vector].into_iter().chain(x).collect();
        recomputed(move |inputs| applied(&block, &inputs[1..], &inputs[0]), &inputs, parameters)
    }
}

fn applied<B: Block>(block: &Mutex<B>, x: &[Tensor], vector: &Tensor) -> Result<Tensor, Error> {
    block.lock().unwrap_or_else(PoisonError::into_inner).apply(x, vector)
}
