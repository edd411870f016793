use super::{LOG_2_PI, Toy, check_event, finite, log_sum_exp, positive};
use crate::{DataError, normalise::move_to};
use std::f64::consts::PI;
use strait_core::{Draws, Error, Seed, Source};
use tch::{Device, Kind, Tensor};

/// A mixture of isotropic Gaussians of equal weight,
///
/// $$p(x) = \frac1K \sum_{k=1}^K N(x; c_k, s^2 I).$$
///
/// ```
/// use strait_core::{Seed, Source};
/// use strait_data::{Toy, toys::Mixture};
/// use tch::{Device, Kind};
/// let toy = Mixture::eight_gaussians(5.0, 1.0)?;
/// assert_eq!(toy.name(), "8gaussians (8 centres, radius 5, sd 1)");
/// let x = toy.sample(3, &mut Seed(0).stream("data").at(0), Kind::Float, Device::Cpu)?;
/// assert_eq!(x.size(), [3, 2]);
/// assert_eq!(toy.log_density(&x)?.size(), [3]);
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Mixture {
    name: String,
    event: [i64; 1],
    centres: Tensor,
    /// The same in single precision, which training draws in, and the standard deviation, a scalar.
    single: [Tensor; 2],
    sd: f64,
}

impl Mixture {
    /// `8gaussians`: eight centres, evenly on a circle of `radius`, each with standard deviation `sd`.
    ///
    /// Variants in use, all of radius 5:
    ///
    /// | standard deviation | where |
    /// | --- | --- |
    /// | 1 | the published 2-D table of OT-CFM (its runner passes radius 5 and sd 1 to torchdyn) |
    /// | 0.562 ($0.1^{1/4}$) | `sample_8gaussians` of torchcfm: it is called with variance .1, and hands $\sqrt{.1}$ on as a *covariance* |
    /// | 0.316 ($\sqrt{.1}$) | what that variance says, and most likely this project's 2-D prototype: its $E\|x_1 - x_0\|^2$ is 27 = 25 + 2 + 2 sd², which rounds so for sd below .5 only |
    ///
    /// # Errors
    /// `Parameter` where sd is not positive or the radius not finite.
    pub fn eight_gaussians(radius: f64, sd: f64) -> Result<Self, DataError> {
        finite("8gaussians", "radius", radius)?;
        positive("8gaussians", "sd", sd)?;
        let centres: Vec<f64> = (0..8)
            .flat_map(|k| {
                let angle = PI / 4.0 * f64::from(k);
                [radius * angle.cos(), radius * angle.sin()]
            })
            .collect();
        let centres = Tensor::f_from_slice(&centres)?.f_view([8, 2])?;
        Self::of(format!("8gaussians (8 centres, radius {radius}, sd {sd})"), 2, centres, sd)
    }

    /// `mixture16`: sixteen modes in `dimension` dimensions, of standard deviation 0.3, whose centres were drawn from
    /// $N(0, 3^2 I)$ once and for all (seed 0). In 16 dimensions it is the hard case of separated modes. With 0.3 the
    /// effective sample sizes of the linear path are those of this project's prototype.
    ///
    /// # Errors
    /// `Parameter` where the dimension is below 1.
    pub fn sixteen_modes(dimension: i64) -> Result<Self, DataError> {
        if dimension < 1 {
            let value = dimension.to_string();
            return Err(DataError::Parameter { of: "mixture16", parameter: "dimension", value, must: "at least 1" });
        }
        let mut draws = Seed(0).stream("mixture16").at(0);
        let centres = draws.normal(&[16, dimension], Kind::Double, Device::Cpu)? * 3.0;
        let name = format!("mixture16 (16 modes in {dimension} dimensions, centres N(0, 9 I) of seed 0, sd 0.3)");
        Self::of(name, dimension, centres, 0.3)
    }

    fn of(name: String, dimension: i64, centres: Tensor, sd: f64) -> Result<Self, DataError> {
        let single = [centres.f_to_kind(Kind::Float)?, Tensor::from(sd as f32)];
        Ok(Self { name, event: [dimension], single, centres, sd })
    }

    /// The centres, (K, d) in double precision on the CPU.
    pub fn centres(&self) -> &Tensor {
        &self.centres
    }

    /// The standard deviation of each mode in each coordinate.
    pub fn sd(&self) -> f64 {
        self.sd
    }
}

impl Source for Mixture {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.sample_classes(n, draws, kind, device)?.0)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        check_event(x, &self.event)?;
        let [modes, dimension] = [self.centres.size()[0] as f64, self.event[0] as f64];
        let centres = move_to(&self.centres, x.kind(), x.device())?;
        let squared = x.f_unsqueeze(1)?.f_sub(&centres)?.f_square()?;
        let squared = squared.f_sum_dim_intlist([-1i64].as_slice(), false, x.kind())?;
        let constant = 0.5 * dimension * (LOG_2_PI + 2.0 * self.sd.ln()) + modes.ln();
        Ok(log_sum_exp(&(squared * (-0.5 / self.sd.powi(2))))? - constant)
    }
}

impl Toy for Mixture {
    fn name(&self) -> &str {
        &self.name
    }

    /// The modes.
    fn classes(&self) -> Option<i64> {
        Some(self.centres.size()[0])
    }

    fn sample_classes(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<(Tensor, Tensor), Error> {
        let which = draws.integers(self.centres.size()[0], &[n], device)?;
        let normal = draws.normal(&[n, self.event[0]], kind, device)?;
        let off = match (kind, device, &self.single) {
            (Kind::Float, Device::Cpu, [centres, sd]) => normal * sd + centres.f_index_select(0, &which)?,
            _ => normal * self.sd + move_to(&self.centres, kind, device)?.f_index_select(0, &which)?,
        };
        Ok((off, which))
    }
}
