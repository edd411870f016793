use super::{Toy, finite, not_negative, planar, with_noise};
use crate::DataError;
use std::f64::consts::PI;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// `s-curve`: the first and third coordinates of scikit-learn's S, with noise, then scaled:
///
/// $$x = \text{scale} \cdot \big( (\sin\theta,\ \operatorname{sign}(\theta)(\cos\theta - 1)) +
///   \text{noise} \cdot \varepsilon \big), \quad
///   \theta \sim U[-\tfrac{3\pi}2, \tfrac{3\pi}2],\ \varepsilon \sim N(0, I).$$
///
/// The variant of the published 2-D table of OT-CFM has noise .05 and scale 1.5. It has no density in closed form.
///
/// ```
/// use strait_data::{Toy, toys::SCurve};
/// assert_eq!(SCurve::new(0.05, 1.5)?.name(), "s-curve (first and third coordinate, noise 0.05, times 1.5)");
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct SCurve {
    name: String,
    noise: f64,
    scale: f64,
}

impl SCurve {
    /// With noise of standard deviation `noise` before scaling.
    ///
    /// # Errors
    /// `Parameter` where the noise is negative or a number is not finite.
    pub fn new(noise: f64, scale: f64) -> Result<Self, DataError> {
        not_negative("s-curve", "noise", noise)?;
        finite("s-curve", "scale", scale)?;
        Ok(Self { name: format!("s-curve (first and third coordinate, noise {noise}, times {scale})"), noise, scale })
    }
}

impl Source for SCurve {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let angle = (draws.uniform(&[n], kind, device)? - 0.5) * (3.0 * PI);
        let curve = planar(&angle.f_sin()?, &(angle.f_sign()? * (angle.f_cos()? - 1.0)))?;
        Ok(with_noise(curve, self.noise, draws)? * self.scale)
    }

    fn log_density(&self, _: &Tensor) -> Result<Tensor, Error> {
        Err(Error::NoDensity { what: self.name.clone() })
    }
}

impl Toy for SCurve {
    fn name(&self) -> &str {
        &self.name
    }
}
