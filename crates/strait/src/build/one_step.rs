//! An invertible network as a map from source to data: a bijection, a law, and a sampler of one step.

use std::rc::Rc;
use strait_core::{Bijection, Condition, Draws, Error, Jet, Moving, Source, Transformed, VelocityField};
use strait_flows::{Base, Density, Layer};
use tch::{Device, Kind, Tensor};

/// A map T from $N(0, I)$ to the data. As a field it is $T(x) - x$ at every t, so that ONE Euler step from a source point
/// gives T of it; more steps make no sense. As a law, that of $T(z)$, it has samples and an exact log-density.
#[derive(Clone)]
pub struct OneStep(Rc<Density<Box<dyn Layer>>>);

impl OneStep {
    /// T of samples of shape `event`; batches of any other shape of as many numbers are laid out in it.
    pub fn new(map: impl Layer + 'static, event: &[i64], device: Device) -> Self {
        Self(Rc::new(Density::new(Box::new(map), Base::standard(event, Kind::Float, device))))
    }

    /// Sets the data-dependent parameters from some data, (B, ...).
    ///
    /// # Errors
    /// Those of the layers.
    pub fn initialise(&self, x: &Tensor) -> Result<(), Error> {
        tch::no_grad(|| self.0.initialise(&self.laid_out(x)?, Condition::NONE))
    }

    fn laid_out(&self, x: &Tensor) -> Result<Tensor, Error> {
        let batch = x.size().first().copied().unwrap_or(0);
        Ok(x.f_reshape([&[batch], self.0.base.event_shape()].concat())?)
    }
}

impl Bijection for OneStep {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let Transformed { value, log_det } = self.0.flow.forward(&self.laid_out(x)?, condition)?;
        Ok(Transformed { value: value.f_reshape(x.size())?, log_det })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let Transformed { value, log_det } = self.0.flow.inverse(&self.laid_out(y)?, condition)?;
        Ok(Transformed { value: value.f_reshape(y.size())?, log_det })
    }

    fn push(&self, x: &Jet, condition: Moving<'_>) -> Result<Option<Jet>, Error> {
        let size = self.laid_out(x.value())?.size();
        let image = self.0.flow.push(&x.view(|x| x.reshape(size.as_slice())), condition)?;
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
        self.0.base.event_shape()
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.0.sample(n, 1.0, Condition::NONE, draws)?.value.f_to_kind(kind)?.f_to_device(device)?)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.0.log_density(&self.laid_out(x)?, Condition::NONE)
    }
}
