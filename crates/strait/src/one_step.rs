//! An invertible network as a sampler of one step.

use std::rc::Rc;
use strait_core::{Bijection as _, Condition, Draws, Error, Source, VelocityField};
use strait_flows::{Density, Glow};
use tch::{Device, Kind, Tensor};

/// A flow T from $N(0, I)$ to the data. As a field it is $T(x) - x$ at every t, so that ONE Euler step from a source
/// point gives T of it; more steps make no sense. As a law it has samples and an exact log-density.
#[derive(Clone)]
pub struct OneStep(Rc<Density<Glow>>);

impl OneStep {
    /// The law of a flow.
    pub fn new(density: Density<Glow>) -> Self {
        Self(Rc::new(density))
    }

    /// Sets the data-dependent parameters from some data, (B, ...).
    ///
    /// # Errors
    /// Those of the flow.
    pub fn initialise(&self, x: &Tensor) -> Result<(), Error> {
        tch::no_grad(|| self.0.initialise(&flat(x)?, Condition::NONE))
    }
}

fn flat(x: &Tensor) -> Result<Tensor, Error> {
    Ok(x.f_flatten(1, -1)?)
}

impl VelocityField for OneStep {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        let image = self.0.flow.forward(&flat(x)?, Condition::NONE)?.value;
        Ok(image.f_view_as(x)?.f_sub(x)?)
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
        self.0.log_density(&flat(x)?, Condition::NONE)
    }
}
