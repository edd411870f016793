use crate::moments::{Moments, Scaling, moments};
use strait_core::Error;
use tch::{Device, Kind, Tensor};

/// The affine change of units $z = (x - \mu) / \sigma$, coordinate by coordinate, with its statistics and its exact
/// effect on a log-density:
///
/// $$\log p_x(x) = \log p_z(z) - \sum_i \log \sigma_i.$$
///
/// ```
/// use strait_data::Normalise;
/// use tch::Tensor;
/// let x = Tensor::from_slice2(&[[1.0, 10.0], [3.0, 14.0]]);
/// let units = Normalise::per_coordinate(&x)?;
/// let z = units.apply(&x)?;
/// assert_eq!(z, Tensor::from_slice2(&[[-1.0, -1.0], [1.0, 1.0]]));
/// assert_eq!(units.invert(&z)?, x);
/// assert!((units.log_det() + 2.0f64.ln()).abs() < 1e-12); // the scales are 1 and 2
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Normalise {
    mean: Tensor,
    scale: Tensor,
    log_det: f64,
}

impl Normalise {
    /// Each coordinate's own mean, and ONE scale for all: the square root of the mean variance. Distances keep their
    /// proportions, and a coordinate that never changes becomes 0. The scale is 1 where no coordinate changes.
    ///
    /// `x` is (n, ...) with n at least 1, and finite.
    ///
    /// # Errors
    /// `Shape` where x holds no point; libtorch's, when memory runs out.
    pub fn overall(x: &Tensor) -> Result<Self, Error> {
        Self::from_moments(&moments(x, Scaling::Overall)?, Scaling::Overall)
    }

    /// Each coordinate's own mean and standard deviation. The scale of a coordinate that never changes is 1, so that
    /// it becomes 0 and returns to its constant.
    ///
    /// # Errors
    /// As `overall`.
    pub fn per_coordinate(x: &Tensor) -> Result<Self, Error> {
        Self::from_moments(&moments(x, Scaling::PerCoordinate)?, Scaling::PerCoordinate)
    }

    /// Each coordinate's own median, and its quartiles' distance over 1.349 for its scale: for a normal law, the standard
    /// deviation. Where a half of the points or more are equal it is the standard deviation itself. At most 16,384 points,
    /// one of each stretch of them, are looked at.
    ///
    /// # Errors
    /// As `overall`.
    pub fn robust(x: &Tensor) -> Result<Self, Error> {
        Self::from_moments(&moments(x, Scaling::Robust)?, Scaling::Robust)
    }

    pub(crate) fn from_moments(moments: &Moments, scaling: Scaling) -> Result<Self, Error> {
        let mean = moments.mean.shallow_clone();
        match scaling {
            Scaling::Overall => Self::new(mean, moments.overall()?),
            Scaling::PerCoordinate => Self::new(mean, moments.deviations()?),
            Scaling::Robust => {
                let (median, spread) = moments.robust()?;
                Self::new(median, spread)
            }
            Scaling::Own => Self::new(mean.f_zeros_like()?, mean.f_ones_like()?),
        }
    }

    /// From given statistics: `mean` of the shape of a sample, `scale` of that shape or a single number, positive.
    ///
    /// # Errors
    /// `Shape` where the two do not fit, `NonFinite` where a logarithm of the scale is not finite.
    pub fn new(mean: Tensor, scale: Tensor) -> Result<Self, Error> {
        if scale.dim() != 0 && scale.size() != mean.size() {
            let expected = format!("{:?} or []", mean.size());
            return Err(Error::Shape { what: "scale", expected, found: scale.size() });
        }
        let logs = scale.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_log()?;
        strait_core::check_finite("the logarithm of the scale", &logs, String::new)?;
        let coordinates = if scale.dim() == 0 { mean.numel() as f64 } else { 1.0 };
        let log_det = -coordinates * logs.f_sum(Kind::Double)?.double_value(&[]);
        Ok(Self { mean, scale, log_det })
    }

    /// The same with its statistics in another kind on another device.
    ///
    /// # Errors
    /// libtorch's, when memory runs out or there is no such device.
    pub fn to(&self, kind: Kind, device: Device) -> Result<Self, Error> {
        Ok(Self { mean: move_to(&self.mean, kind, device)?, scale: move_to(&self.scale, kind, device)?, ..*self })
    }

    /// $z = (x - \mu) / \sigma$ of a batch (B, ...), in its kind and on its device.
    ///
    /// # Errors
    /// `Shape` where x does not fit.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let (mean, scale) = self.fitted("x", x)?;
        // Halves: numbers at both ends of a kind differ by more than it holds.
        Ok(x.f_mul_scalar(0.5)?.f_sub(&(mean * 0.5))?.f_div(&(scale * 0.5))?)
    }

    /// $x = \mu + \sigma z$ of a batch (B, ...), in its kind and on its device.
    ///
    /// # Errors
    /// `Shape` where z does not fit.
    pub fn invert(&self, z: &Tensor) -> Result<Tensor, Error> {
        let (mean, scale) = self.fitted("z", z)?;
        Ok(z.f_mul(&scale)?.f_add(&mean)?)
    }

    /// $\log|\det \partial z / \partial x| = -\sum_i \log \sigma_i$, over all coordinates of a sample.
    pub fn log_det(&self) -> f64 {
        self.log_det
    }

    /// $\mu$, of the shape of a sample.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// $\sigma$, of the shape of a sample, or a single number for all coordinates.
    pub fn scale(&self) -> &Tensor {
        &self.scale
    }

    fn fitted(&self, what: &'static str, x: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let (found, event) = (x.size(), self.mean.size());
        if found.is_empty() || found[1..] != event {
            return Err(Error::Shape { what, expected: format!("a batch of {event:?}"), found });
        }
        let (kind, device) = (x.kind(), x.device());
        Ok((move_to(&self.mean, kind, device)?, move_to(&self.scale, kind, device)?))
    }
}

/// The kind first: not every device knows double precision.
pub(crate) fn move_to(x: &Tensor, kind: Kind, device: Device) -> Result<Tensor, Error> {
    if x.device() == Device::Cpu {
        Ok(x.f_to_kind(kind)?.f_to_device(device)?)
    } else {
        Ok(x.f_to_device(device)?.f_to_kind(kind)?)
    }
}
