use crate::{BatchShare, Conditions, Draws, Error, check_same};
use auto_impl::auto_impl;
use std::any::Any;
use strait_autodiff::jvp;
use tch::{Device, Kind, Tensor};

/// A distribution that can be sampled: the source of a flow, or a named toy.
#[auto_impl(&, Box, Rc, Arc)]
pub trait Source {
    /// The shape of one sample, without the batch.
    fn event_shape(&self) -> &[i64];

    /// `n` independent samples, (n, ...).
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error>;

    /// Some of the samples of [`sample`](Self::sample), to the bit. By itself this draws the whole batch.
    ///
    /// # Errors
    /// As there.
    fn sample_rows(&self, rows: &BatchShare, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        rows.select(&self.sample(rows.batch(), draws, kind, device)?)
    }

    /// $\log p(x)$ of each sample in nats, (B,).
    ///
    /// # Errors
    /// `NoDensity` where there is none in closed form; `Shape` where x does not fit.
    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error>;

    /// $\nabla \log p(x) \cdot \dot x$ of each sample, (B,): the derivative of the log-density at x along $\dot x$.
    /// By one JVP, unless a source overrides it.
    ///
    /// # Errors
    /// As `log_density`; a typed one that names an operation without a forward derivative.
    fn log_density_slope(&self, x: &Tensor, dx: &Tensor) -> Result<Tensor, Error> {
        let density = |at: &[Tensor]| Ok::<_, Error>(vec![self.log_density(&at[0])?]);
        Ok(jvp(density, &[x.shallow_clone()], &[dx.shallow_clone()])?.remove(0).tangent)
    }

    /// The distributions of a batch whose i-th sample has the i-th condition, where they depend on it; None: they do not.
    ///
    /// # Errors
    /// The implementor's own, for conditions that do not fit.
    fn given(&self, _conditions: &Conditions) -> Result<Option<Box<dyn Source + '_>>, Error> {
        Ok(None)
    }

    /// The source as `Any`, so that a caller can recognise its type and use a faster method; None if it does not offer
    /// this.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// The standard normal distribution $N(0, I)$ over samples of a shape.
///
/// ```
/// use strait_core::{Seed, Source, StandardNormal};
/// use tch::{Device, Kind};
/// let source = StandardNormal::new(&[2]);
/// let x = source.sample(5, &mut Seed(0).stream("source").at(0), Kind::Double, Device::Cpu)?;
/// let expected = x.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double) * -0.5 - (2.0 * std::f64::consts::PI).ln();
/// assert!(source.log_density(&x)?.allclose(&expected, 1e-12, 1e-12, false));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardNormal {
    event: Vec<i64>,
}

impl StandardNormal {
    /// Over samples of shape `event`.
    pub fn new(event: &[i64]) -> Self {
        Self { event: event.to_vec() }
    }
}

impl Source for StandardNormal {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let shape: Vec<i64> = std::iter::once(n).chain(self.event.iter().copied()).collect();
        draws.normal(&shape, kind, device)
    }

    fn sample_rows(&self, rows: &BatchShare, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        rows.draw(draws, |n, draws| self.sample(n, draws, kind, device))
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        let size = x.size();
        if size.len() < 2 || size[1..] != self.event {
            return Err(Error::Shape { what: "x", expected: format!("(B, {:?})", self.event), found: size });
        }
        let d = crate::event_size(x) as f64;
        Ok(crate::sum_per_sample(&x.square()) * -0.5 - 0.5 * d * (2.0 * std::f64::consts::PI).ln())
    }

    fn log_density_slope(&self, x: &Tensor, dx: &Tensor) -> Result<Tensor, Error> {
        check_same(x, "dx", dx)?;
        Ok(-crate::sum_per_sample(&(x * dx)))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
