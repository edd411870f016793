//! An invertible network as a map from source to data: a bijection, a law, and a sampler of one step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strait_core::{Bijection, Condition, ConditionJet, Draws, Error, Jet, Source, Transformed, VelocityField};
use strait_flows::{Base, Density, Layer};
use tch::{Device, Kind, Tensor};

/// A map T from $N(0, I)$ to the data. As a field it is $T(x) - x$ at every t, so that ONE Euler step from a source point
/// gives T of it; more steps make no sense. As a law, that of $T(z)$, it has samples and an exact log-density.
///
/// Clones share one network: the level that trains it, the objectives and the velocity use the same parameters.
#[derive(Clone)]
pub struct OneStep {
    event: Vec<i64>,
    by_moments: bool,
    // Tensors may be sent to another thread and not be shared with one.
    map: Arc<Mutex<Density<Box<dyn Layer + Send>>>>,
}

impl OneStep {
    /// T of samples of shape `event`; batches of any other shape of as many numbers are laid out in it.
    pub fn new(map: impl Layer + Send + 'static, event: &[i64], device: Device) -> Self {
        let density = Density::new(Box::new(map) as Box<dyn Layer + Send>, Base::standard(event, Kind::Float, device));
        Self { event: event.to_vec(), by_moments: false, map: Arc::new(Mutex::new(density)) }
    }

    /// One whose start depends on the mean and the covariance of the data alone, and is that of all of them.
    pub(super) fn started_by_moments(self) -> Self {
        Self { by_moments: true, ..self }
    }

    /// Whether its start depends on the mean and the covariance of the data alone.
    pub(crate) fn is_started_by_moments(&self) -> bool {
        self.by_moments
    }

    /// Sets the data-dependent parameters from some data, (B, ...).
    ///
    /// # Errors
    /// Those of the layers.
    pub fn initialise(&self, x: &Tensor) -> Result<(), Error> {
        tch::no_grad(|| self.map().initialise(&self.laid_out(x)?, Condition::NONE))
    }

    /// The network. (A panic while it was locked changed nothing in it.)
    fn map(&self) -> MutexGuard<'_, Density<Box<dyn Layer + Send>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn laid_out(&self, x: &Tensor) -> Result<Tensor, Error> {
        let batch = x.size().first().copied().unwrap_or(0);
        Ok(x.f_reshape([&[batch], self.event.as_slice()].concat())?)
    }
}

impl Bijection for OneStep {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let Transformed { value, log_det } = self.map().flow.forward(&self.laid_out(x)?, condition)?;
        Ok(Transformed { value: value.f_reshape(x.size())?, log_det })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let Transformed { value, log_det } = self.map().flow.inverse(&self.laid_out(y)?, condition)?;
        Ok(Transformed { value: value.f_reshape(y.size())?, log_det })
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let size = self.laid_out(x.value())?.size();
        let image = self.map().flow.push(&x.view(|x| x.reshape(size.as_slice())), condition)?;
        Ok(image.map(|y| y.view(|y| y.reshape(x.value().size()))))
    }
}

impl VelocityField for OneStep {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.forward(x, Condition::NONE)?.value.f_sub(x)?)
    }
}

impl Source for OneStep {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.map().sample(n, 1.0, Condition::NONE, draws)?.value.f_to_kind(kind)?.f_to_device(device)?)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.map().log_density(&self.laid_out(x)?, Condition::NONE)
    }
}
