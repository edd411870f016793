//! An invertible network as a map from source to data: a bijection, a law, and a sampler of one step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strait_core::{
    Bijection, Condition, ConditionJet, Conditions, Draws, Error, Jet, Source, Transformed, VelocityField,
};
use strait_flows::{Base, Density, Layer};
use strait_nets::ConditionEmbedding;
use tch::{Device, Kind, Tensor};

/// A map T from $N(0, I)$ to the data. As a field it is $T(x) - x$ at every t, so that ONE Euler step from a source point
/// gives T of it; more steps make no sense. As a law, that of $T(z)$, it has samples and an exact log-density.
///
/// With an embedding it is a map for each condition, $T(z; c)$, and refuses every call until it is given conditions.
///
/// Clones share one network: the level that trains it, the objectives and the velocity use the same parameters.
#[derive(Clone)]
pub struct OneStep {
    event: Vec<i64>,
    by_moments: bool,
    conditions: Given,
    // Tensors may be sent to another thread and not be shared with one.
    map: Arc<Mutex<Density<Box<dyn Layer + Send>>>>,
    embedding: Option<Arc<Mutex<ConditionEmbedding>>>,
}

/// The conditions of the samples of a batch; of none at first.
#[derive(Default)]
struct Given(Conditions);

impl Clone for Given {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl OneStep {
    /// T of samples of shape `event`; batches of any other shape of as many numbers are laid out in it.
    pub fn new(map: impl Layer + Send + 'static, event: &[i64], device: Device) -> Self {
        let density = Density::new(Box::new(map) as Box<dyn Layer + Send>, Base::standard(event, Kind::Float, device));
        let (conditions, map) = (Given::default(), Arc::new(Mutex::new(density)));
        Self { event: event.to_vec(), by_moments: false, conditions, map, embedding: None }
    }

    /// One whose context is the vector of a condition.
    pub(super) fn under(self, embedding: ConditionEmbedding) -> Self {
        Self { embedding: Some(Arc::new(Mutex::new(embedding))), ..self }
    }

    /// One whose start depends on the mean and the covariance of the data alone, and is that of all of them.
    pub(super) fn started_by_moments(self) -> Self {
        Self { by_moments: true, ..self }
    }

    /// Whether its start depends on the mean and the covariance of the data alone.
    pub(crate) fn is_started_by_moments(&self) -> bool {
        self.by_moments
    }

    /// Sets the data-dependent parameters from some data, (B, ...), under their conditions.
    ///
    /// # Errors
    /// Those of the layers.
    pub fn initialise(&self, x: &Tensor, conditions: &Conditions) -> Result<(), Error> {
        let own = self.bound(conditions);
        tch::no_grad(|| {
            let context = own.context(x)?;
            own.map().initialise(&own.laid_out(x)?, Condition { context: context.as_ref(), t: None })
        })
    }

    /// Whether it is a map for each condition.
    pub(crate) fn is_conditional(&self) -> bool {
        self.embedding.is_some()
    }

    /// The map of a batch under its conditions.
    pub(crate) fn bound(&self, conditions: &Conditions) -> Self {
        Self { conditions: Given(conditions.shallow_clone()), ..self.clone() }
    }

    /// The vectors of the conditions of a batch x; None where the map takes none.
    fn context(&self, x: &Tensor) -> Result<Option<Tensor>, Error> {
        let Some(embedding) = &self.embedding else { return Ok(None) };
        let Given(conditions) = &self.conditions;
        conditions.check(x.size().first().copied().unwrap_or(0))?;
        Ok(Some(embedding.lock().unwrap_or_else(PoisonError::into_inner).channels(conditions, &[])?))
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
        let own = self.context(x)?;
        let condition = Condition { context: own.as_ref().or(condition.context), ..condition };
        let Transformed { value, log_det } = self.map().flow.forward(&self.laid_out(x)?, condition)?;
        Ok(Transformed { value: value.f_reshape(x.size())?, log_det })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let own = self.context(y)?;
        let condition = Condition { context: own.as_ref().or(condition.context), ..condition };
        let Transformed { value, log_det } = self.map().flow.inverse(&self.laid_out(y)?, condition)?;
        Ok(Transformed { value: value.f_reshape(y.size())?, log_det })
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let own = self.context(x.value())?;
        let condition = ConditionJet { context: own.as_ref().or(condition.context), ..condition };
        let size = self.laid_out(x.value())?.size();
        let image = self.map().flow.push(&x.view(|x| x.reshape(size.as_slice())), condition)?;
        Ok(image.map(|y| y.view(|y| y.reshape(x.value().size()))))
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Bijection + '_>>, Error> {
        Ok(self.embedding.as_ref().map(|_| Box::new(self.bound(conditions)) as Box<dyn Bijection>))
    }
}

impl VelocityField for OneStep {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.forward(x, Condition::NONE)?.value.f_sub(x)?)
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        match self.embedding {
            Some(_) => Ok(Box::new(self.bound(conditions))),
            None => Err(Error::Unconditional),
        }
    }

    fn of_samples(&self, start: i64, length: i64) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Box::new(self.bound(&self.conditions.0.part(start, length)?)))
    }
}

impl Source for OneStep {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let z = self.map().base.sample(n, 1.0, draws)?;
        Ok(self.forward(&z, Condition::NONE)?.value.f_to_kind(kind)?.f_to_device(device)?)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        let context = self.context(x)?;
        self.map().log_density(&self.laid_out(x)?, Condition { context: context.as_ref(), t: None })
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Source + '_>>, Error> {
        Ok(self.embedding.as_ref().map(|_| Box::new(self.bound(conditions)) as Box<dyn Source>))
    }
}
