use super::{Toy, coin, not_negative, planar};
use crate::DataError;
use std::f64::consts::PI;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// `two-spirals`: two arms of one and a half turns, one the other's mirror through the origin (FFJORD's variant):
///
/// $$x = \pm\tfrac13 \big( -\theta\cos\theta + \tfrac12 u_1,\ \theta\sin\theta + \tfrac12 u_2 \big) +
///   \text{noise} \cdot \varepsilon, \quad
///   \theta = 3\pi\sqrt{u_0},\ u_i \sim U[0, 1],\ \varepsilon \sim N(0, I).$$
///
/// FFJORD's noise is .1. It has no density in closed form.
///
/// ```
/// use strait_data::{Toy, toys::TwoSpirals};
/// assert_eq!(TwoSpirals::new(0.1)?.name(), "two-spirals (1.5 turns, over 3, noise 0.1)");
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct TwoSpirals {
    name: String,
    noise: f64,
}

impl TwoSpirals {
    /// With noise of standard deviation `noise`.
    ///
    /// # Errors
    /// `Parameter` where the noise is negative.
    pub fn new(noise: f64) -> Result<Self, DataError> {
        not_negative("two-spirals", "noise", noise)?;
        Ok(Self { name: format!("two-spirals (1.5 turns, over 3, noise {noise})"), noise })
    }
}

impl Source for TwoSpirals {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.sample_classes(n, draws, kind, device)?.0)
    }

    fn log_density(&self, _: &Tensor) -> Result<Tensor, Error> {
        Err(Error::NoDensity { what: self.name.clone() })
    }
}

impl Toy for TwoSpirals {
    fn name(&self) -> &str {
        &self.name
    }

    /// The arms.
    fn classes(&self) -> Option<i64> {
        Some(2)
    }

    fn sample_classes(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<(Tensor, Tensor), Error> {
        let angle = draws.uniform(&[n], kind, device)?.f_sqrt()? * (3.0 * PI);
        let arm = planar(&(-&angle * angle.f_cos()?), &(&angle * angle.f_sin()?))?;
        let arm = draws.uniform(&[n, 2], kind, device)? * 0.5 + arm;
        let class = coin(n, draws, device)?;
        let sign = class.f_to_kind(kind)?.f_unsqueeze(1)? * 2.0 - 1.0;
        Ok((super::with_noise(arm * sign / 3.0, self.noise, draws)?, class))
    }
}
