use super::{LOG_2_PI, Toy, check_event, log_sum_exp, planar, positive, with_noise};
use crate::DataError;
use std::f64::consts::PI;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// The radii of FFJORD's rings.
const RADII: [f64; 4] = [0.75, 1.5, 2.25, 3.0];

/// `rings`: four concentric circles of radii .75, 1.5, 2.25 and 3, each as likely as another, with Gaussian noise of
/// standard deviation s (FFJORD's is .08).
///
/// A circle of radius R under such noise has the density, at distance r from the origin,
///
/// $$\frac{1}{2\pi s^2} e^{-(r^2 + R^2) / 2 s^2} I_0\left(\frac{rR}{s^2}\right),$$
///
/// with the modified Bessel function $I_0$ (Rice, 1945); the rings are the mixture of four.
///
/// ```
/// use strait_data::{Toy, toys::Rings};
/// assert_eq!(Rings::new(0.08)?.name(), "rings (radii 0.75, 1.5, 2.25, 3, noise 0.08)");
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Rings {
    name: String,
    noise: f64,
}

impl Rings {
    /// With noise of standard deviation `noise`.
    ///
    /// # Errors
    /// `Parameter` where the noise is not positive.
    pub fn new(noise: f64) -> Result<Self, DataError> {
        positive("rings", "noise", noise)?;
        Ok(Self { name: format!("rings (radii 0.75, 1.5, 2.25, 3, noise {noise})"), noise })
    }
}

impl Source for Rings {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.sample_classes(n, draws, kind, device)?.0)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        check_event(x, &[2])?;
        let precision = self.noise.powi(-2);
        let square = x.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, x.kind())?;
        // The root has no slope at 0, where the density is flat.
        let centre = square.f_eq(0.0)?;
        let distance = square.f_masked_fill(&centre, 1.0)?.f_sqrt()?.f_masked_fill(&centre, 0.0)?;
        let radii = Tensor::f_from_slice(&RADII)?.f_to_kind(x.kind())?.f_to_device(x.device())?;
        // e^{-z} I_0(z) does not overflow, and completes the square.
        let scaled_bessel = (&distance * &radii * precision).f_special_i0e()?;
        let rings = (distance - radii).f_square()? * (-0.5 * precision) + scaled_bessel.f_log()?;
        Ok(log_sum_exp(&rings)? - (LOG_2_PI + 2.0 * self.noise.ln() + 4f64.ln()))
    }
}

impl Toy for Rings {
    fn name(&self) -> &str {
        &self.name
    }

    /// The circles, from within.
    fn classes(&self) -> Option<i64> {
        Some(4)
    }

    fn sample_classes(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<(Tensor, Tensor), Error> {
        let class = draws.integers(4, &[n], device)?;
        let radius = (class.f_to_kind(kind)? + 1.0) * RADII[0];
        let angle = draws.uniform(&[n], kind, device)? * (2.0 * PI);
        let x = with_noise(planar(&(&radius * angle.f_cos()?), &(radius * angle.f_sin()?))?, self.noise, draws)?;
        Ok((x, class))
    }
}
