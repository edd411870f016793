use super::{Toy, coin, finite, not_negative, planar, with_noise};
use crate::DataError;
use std::f64::consts::PI;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// `moons`: two interleaving half circles of radius 1, with noise, then scaled and shifted:
///
/// $$x = \text{scale} \cdot (\text{half circle} + \text{noise} \cdot \varepsilon) + \text{shift}, \quad
///   (\cos\theta, \sin\theta) \text{ or } (1 - \cos\theta, \tfrac12 - \sin\theta), \quad
///   \theta \sim U[0, \pi],\ \varepsilon \sim N(0, I).$$
///
/// scikit-learn's `make_moons` puts $\theta$ on a grid, which this law is the limit of. It has no density in closed
/// form.
///
/// Variants in use: noise .05, times 2, plus (-1, 0) is that of the published 2-D table of OT-CFM.
/// `sample_moons` of torchcfm is times 3, plus (-1, -1), with another noise ($.2 U[0, 1]$, the same in both
/// coordinates, of standard deviation .058); this project's 2-D prototype most likely used that scale, for its
/// distance after one step of the linear flow, 2.8 to 2.9, is the spread of that variant about its mean (2.99) and
/// far above the published one's (1.99).
///
/// ```
/// use strait_data::{Toy, toys::Moons};
/// assert_eq!(Moons::new(0.05, 2.0, [-1.0, 0.0])?.name(), "moons (noise 0.05, times 2, plus (-1, 0))");
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Moons {
    name: String,
    noise: f64,
    scale: f64,
    shift: [f64; 2],
}

impl Moons {
    /// With noise of standard deviation `noise` before scaling.
    ///
    /// # Errors
    /// `Parameter` where the noise is negative or a number is not finite.
    pub fn new(noise: f64, scale: f64, shift: [f64; 2]) -> Result<Self, DataError> {
        not_negative("moons", "noise", noise)?;
        finite("moons", "scale", scale)?;
        shift.iter().try_for_each(|&s| finite("moons", "shift", s))?;
        let name = format!("moons (noise {noise}, times {scale}, plus ({}, {}))", shift[0], shift[1]);
        Ok(Self { name, noise, scale, shift })
    }
}

impl Source for Moons {
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

impl Toy for Moons {
    fn name(&self) -> &str {
        &self.name
    }

    /// The outer half circle and the inner one.
    fn classes(&self) -> Option<i64> {
        Some(2)
    }

    fn sample_classes(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<(Tensor, Tensor), Error> {
        let angle = draws.uniform(&[n], kind, device)? * PI;
        let class = coin(n, draws, device)?;
        let inner = class.f_to_kind(kind)?;
        let sign: Tensor = 1.0 - &inner * 2.0;
        let moons = planar(&(angle.f_cos()? * &sign + &inner), &(angle.f_sin()? * &sign + inner * 0.5))?;
        let shift = Tensor::f_from_slice(&self.shift)?.f_to_kind(kind)?.f_to_device(device)?;
        Ok((with_noise(moons, self.noise, draws)? * self.scale + shift, class))
    }
}
