//! The trait of a flow's layer, beyond `Bijection`, and the checks of its inputs.

use crate::FlowError;
use crate::backward::{BackwardRequest, BackwardStep, reversible_backward_whole};
use auto_impl::auto_impl;
use std::fmt;
use strait_core::{Bijection, Condition, Error};
use tch::Tensor;

/// A [`Bijection`] with parameters, for a [`Chain`](crate::Chain).
///
/// Only `parameters` must be implemented; with that one line your own layer can be part of a chain.
#[auto_impl(&, Box, Rc, Arc)]
pub trait Layer: Bijection + fmt::Display {
    /// The trainable tensors, in the order of their making.
    fn parameters(&self) -> Vec<Tensor>;

    /// Sets data-dependent parameters from a batch of `forward`'s outputs, and returns their pre-images: the batch
    /// that the layer before this one is initialised from. Layers without such parameters only invert.
    ///
    /// It changes parameters in place, so every file of the parameters includes it, and there is no extra flag. A layer
    /// that was never initialised is the identity.
    ///
    /// # Errors
    /// `FlowError::{EmptyBatch, OneValue, ConstantBatch}`, and those of `inverse`.
    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        tch::no_grad(|| Ok(self.inverse(y, condition)?.value))
    }

    /// One step of the reversible backward pass: it computes the layer's input from its output, and carries the
    /// cotangents back.
    ///
    /// # Errors
    /// Those of the two directions.
    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        reversible_backward_whole(self, &self.parameters(), at)
    }
}

/// Refuses an input that is no batch of vectors or images with `channels` channels of the kind of `like`.
pub(crate) fn check_input(x: &Tensor, channels: i64, like: &Tensor) -> Result<(), Error> {
    let size = x.size();
    if !matches!(size.len(), 2 | 4) || size[1] != channels {
        let expected = format!("(B, {channels}) or (B, {channels}, H, W)");
        return Err(Error::Shape { what: "x", expected, found: size });
    }
    check_placement("x", x, like)
}

/// Refuses a tensor of another kind or on another device than `like`.
pub(crate) fn check_placement(what: &'static str, x: &Tensor, like: &Tensor) -> Result<(), Error> {
    if x.kind() == like.kind() && x.device() == like.device() {
        return Ok(());
    }
    Err(FlowError::Placement {
        what,
        expected: like.kind(),
        expected_device: like.device(),
        found: x.kind(),
        found_device: x.device(),
    }
    .into())
}

/// How many places of each channel one sample has: 1 for vectors, H W for images.
pub(crate) fn places(x: &Tensor) -> i64 {
    x.size()[2..].iter().product()
}

/// A log-determinant of one place of an image, over all of its places.
pub(crate) fn at_all_places(log_det: Tensor, x: &Tensor) -> Tensor {
    match places(x) {
        1 => log_det,
        places => log_det * places,
    }
}

/// A number that is the same for every sample, as a log-determinant (B,).
pub(crate) fn for_each_sample(number: &Tensor, x: &Tensor) -> Tensor {
    number.expand([x.size()[0]], false)
}
