use super::{Toy, planar};
use std::f64::consts::PI;
use strait_core::{Draws, Error, Source};
use tch::{Device, Kind, Tensor};

/// `pinwheel`: five blades, each a Gaussian with standard deviations .3 along and .1 across, at distance 1, twisted
/// by its own distance and doubled (Johnson et al., 2016, in FFJORD's variant):
///
/// $$x = 2 \begin{pmatrix}\cos\alpha & \sin\alpha\\\\ -\sin\alpha & \cos\alpha\end{pmatrix} f, \quad
///   f \sim N\big((1, 0), \operatorname{diag}(.3^2, .1^2)\big), \quad
///   \alpha = \tfrac{2\pi k}5 + \tfrac14 e^{f_1}, \quad k \sim U\lbrace 0, \dots, 4 \rbrace.$$
///
/// The twist is not one to one, and there is no density in closed form.
///
/// ```
/// use strait_data::{Toy, toys::Pinwheel};
/// assert_eq!(Pinwheel.name(), "pinwheel (5 blades, sd 0.3 by 0.1, rate 0.25, times 2)");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Pinwheel;

impl Source for Pinwheel {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.sample_classes(n, draws, kind, device)?.0)
    }

    fn log_density(&self, _: &Tensor) -> Result<Tensor, Error> {
        Err(Error::NoDensity { what: self.name().to_owned() })
    }
}

impl Toy for Pinwheel {
    fn name(&self) -> &str {
        "pinwheel (5 blades, sd 0.3 by 0.1, rate 0.25, times 2)"
    }

    /// The blades.
    fn classes(&self) -> Option<i64> {
        Some(5)
    }

    fn sample_classes(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<(Tensor, Tensor), Error> {
        let class = draws.integers(5, &[n], device)?;
        let blade = class.f_to_kind(kind)? * (2.0 * PI / 5.0);
        let along = draws.normal(&[n], kind, device)? * 0.3 + 1.0;
        let across = draws.normal(&[n], kind, device)? * 0.1;
        let angle = along.f_exp()? * 0.25 + blade;
        let (cos, sin) = (angle.f_cos()?, angle.f_sin()?);
        Ok((planar(&(&along * &cos + &across * &sin), &(across * cos - along * sin))? * 2.0, class))
    }
}
