use crate::layer::check_placement;
use strait_core::{Draws, Error, Init, Scope, sum_per_sample};
use tch::{Device, Kind, Tensor};

/// The base of a density: independent normal numbers, standard or with a learned mean and scale for each.
///
/// $$ \log p(z) = -\tfrac12 \sum_i \Big(\frac{z_i - \mu_i}{e^{s_i}}\Big)^2 - \sum_i s_i - \tfrac d2 \log 2\pi $$
#[derive(Debug)]
pub struct Base {
    event: Vec<i64>,
    learned: Option<(Tensor, Tensor)>,
    kind: Kind,
    device: Device,
}

impl Base {
    /// The standard normal over samples of shape `event`.
    pub fn standard(event: &[i64], kind: Kind, device: Device) -> Self {
        Self { event: event.to_vec(), learned: None, kind, device }
    }

    /// With a learned mean and scale, fresh at the standard normal. Parameters: `mean`, `log_scale`.
    ///
    /// # Errors
    /// `Parameter` when the names are taken.
    pub fn learned(scope: &mut Scope<'_>, event: &[i64]) -> Result<Self, Error> {
        let mean = scope.tensor("mean", event, Init::Constant(0.0))?;
        let log_scale = scope.tensor("log_scale", event, Init::Constant(0.0))?;
        let (kind, device) = (scope.kind(), scope.device());
        Ok(Self { event: event.to_vec(), learned: Some((mean, log_scale)), kind, device })
    }

    /// The shape of one sample.
    pub fn event_shape(&self) -> &[i64] {
        &self.event
    }

    /// The trainable tensors.
    pub fn parameters(&self) -> Vec<Tensor> {
        self.learned.iter().flat_map(|(mean, s)| [mean.shallow_clone(), s.shallow_clone()]).collect()
    }

    /// $\log p(z)$ in nats, (B,).
    ///
    /// # Errors
    /// `Shape` where z is not (B, event).
    pub fn log_density(&self, z: &Tensor) -> Result<Tensor, Error> {
        let size = z.size();
        if size.get(1..) != Some(&self.event[..]) {
            return Err(Error::Shape { what: "z", expected: format!("(B, {:?})", self.event), found: size });
        }
        let constant = 0.5 * (2.0 * std::f64::consts::PI).ln() * strait_core::event_size(z) as f64;
        let Some((mean, log_scale)) = &self.learned else {
            return Ok(sum_per_sample(&z.square()) * -0.5 - constant);
        };
        check_placement("z", z, mean)?;
        let standard = (z - mean) * (-log_scale).exp();
        Ok(sum_per_sample(&standard.square()) * -0.5 - log_scale.sum(self.kind) - constant)
    }

    /// `n` samples, (n, event), with every standard deviation times `temperature`.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn sample(&self, n: i64, temperature: f64, draws: &mut Draws) -> Result<Tensor, Error> {
        let shape: Vec<i64> = std::iter::once(n).chain(self.event.iter().copied()).collect();
        let z = draws.normal(&shape, self.kind, self.device)? * temperature;
        Ok(match &self.learned {
            Some((mean, log_scale)) => mean + z * log_scale.exp(),
            None => z,
        })
    }
}
