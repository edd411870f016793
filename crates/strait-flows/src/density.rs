//! A flow with a base distribution: exact log-densities, samples, and gradients of the likelihood.

use crate::reversible::{Direction, Gradients, Memory, Point, Start, pull_back};
use crate::{Base, Layer};
use strait_core::{Condition, Draws, Error};
use tch::{Kind, Tensor};

/// The law of $f(z)$ for $z$ from a base.
///
/// $$ \log p(x) = \log p_{\text{base}}\big(f^{-1}(x)\big) + \log\Big|\det \frac{\partial f^{-1}(x)}{\partial x}\Big| $$
#[derive(Debug)]
pub struct Density<F> {
    /// $f$.
    pub flow: F,
    /// The law of z.
    pub base: Base,
}

/// Samples with their log-densities under the law they belong to.
#[derive(Debug)]
pub struct Samples {
    /// (n, ...).
    pub value: Tensor,
    /// $\log p$ of each under the density, at temperature 1 whatever they were drawn at, (n,).
    pub log_density: Tensor,
}

impl<F: Layer> Density<F> {
    /// The law of `flow(z)` for z from `base`.
    pub fn new(flow: F, base: Base) -> Self {
        Self { flow, base }
    }

    /// The trainable tensors: the flow's, then the base's.
    pub fn parameters(&self) -> Vec<Tensor> {
        self.flow.parameters().into_iter().chain(self.base.parameters()).collect()
    }

    /// Sets the flow's data-dependent parameters from a batch of data, (B, ...), so that every layer's part on the
    /// source side is standardised. Call it once, before training; what it sets are parameters, so a checkpoint
    /// holds it.
    ///
    /// # Errors
    /// Those of [`Layer::initialise`].
    pub fn initialise(&self, x: &Tensor, condition: Condition<'_>) -> Result<(), Error> {
        self.flow.initialise(x, condition).map(|_| ())
    }

    /// $\log p(x)$ of each sample in nats, (B,).
    ///
    /// # Errors
    /// Those of the flow's inverse and of the base.
    pub fn log_density(&self, x: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        let z = self.flow.inverse(x, condition)?;
        Ok(self.base.log_density(&z.value)? + z.log_det)
    }

    /// The mean of $-\log p(x)$ over the batch, and its gradients; those of the flow and of the base in
    /// `parameters` and `others`, together in the order of [`Density::parameters`].
    ///
    /// # Errors
    /// As `log_density`.
    pub fn likelihood(&self, x: &Tensor, condition: Condition<'_>, memory: Memory) -> Result<Gradients, Error> {
        let point = Point { value: x.shallow_clone(), tangent: None };
        let start = Start { direction: Direction::Inverse, point: &point, condition, dt: None };
        pull_back(&self.flow, &start, &self.base.parameters(), memory, |z, log_det| {
            Ok(-(self.base.log_density(&z.value)? + log_det).mean(log_det.kind()))
        })
    }

    /// `n` samples, drawn with every standard deviation of the base times `temperature` (1: the density itself).
    ///
    /// # Errors
    /// Those of the flow and of the base.
    pub fn sample(
        &self,
        n: i64,
        temperature: f64,
        condition: Condition<'_>,
        draws: &mut Draws,
    ) -> Result<Samples, Error> {
        let z = self.base.sample(n, temperature, draws)?;
        let x = self.flow.forward(&z, condition)?;
        Ok(Samples { log_density: self.base.log_density(&z)? - x.log_det, value: x.value })
    }
}

/// Integers $0 .. n-1$ made continuous by uniform noise: $(k + u)/n$ in $[0, 1)$ (Theis and others, arXiv 1511.01844).
/// The log-density of the result bounds the log-probability of the integers from below, on average over the noise.
///
/// # Errors
/// libtorch's, when memory runs out.
pub fn dequantise(integers: &Tensor, n: i64, kind: Kind, draws: &mut Draws) -> Result<Tensor, Error> {
    let noise = draws.uniform(&integers.size(), kind, integers.device())?;
    let k = integers.to_kind(kind);
    let sum = &k + noise;
    // What rounds up to the next integer goes to the first number of its bin, which else gets half of its share.
    Ok(k.where_self(&sum.ge_tensor(&(&k + 1.0)), &sum) / n as f64)
}

/// Bits per dimension of integers $0 .. n-1$, from log-densities in nats of their [`dequantise`]d values in d
/// dimensions: $-\log p / (d \log 2) + \log_2 n$. Shape (B,) to (B,).
pub fn bits_per_dimension(log_density: &Tensor, d: i64, n: i64) -> Tensor {
    log_density / (-(d as f64) * std::f64::consts::LN_2) + (n as f64).log2()
}
