use super::{LOG_2_PI, Toy, check_event};
use crate::{DataError, normalise::move_to};
use strait_core::{Draws, Error, Seed, Source, sum_per_sample};
use tch::{Device, Kind, Tensor};

/// A Gaussian with a general covariance, $N(m, S)$: the law for which everything is known in closed form.
///
/// ```
/// use strait_core::{Seed, Source};
/// use strait_data::{Toy, toys::Gaussian};
/// use tch::{Device, Kind};
/// let toy = Gaussian::planar()?;
/// assert_eq!(toy.name(), "gaussian (mean (1, -1), covariance ((4, 3), (3, 4)))");
/// let x = toy.sample(3, &mut Seed(0).stream("data").at(0), Kind::Float, Device::Cpu)?;
/// assert_eq!(x.size(), [3, 2]);
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Gaussian {
    name: String,
    event: [i64; 1],
    mean: Tensor,
    covariance: Tensor,
    /// Lower triangular L with $S = L L^\top$.
    factor: Tensor,
    log_det_factor: f64,
}

impl Gaussian {
    /// `gaussian` in two dimensions: mean $(1, -1)$, covariance $\begin{pmatrix}4&3\\\\3&4\end{pmatrix}$, whose
    /// eigenvalues are 7 and 1.
    ///
    /// # Errors
    /// libtorch's.
    pub fn planar() -> Result<Self, DataError> {
        let mean = Tensor::f_from_slice(&[1.0, -1.0])?;
        let covariance = Tensor::f_from_slice(&[4.0, 3.0, 3.0, 4.0])?.f_view([2, 2])?;
        Self::new("gaussian (mean (1, -1), covariance ((4, 3), (3, 4)))".into(), mean, covariance)
    }

    /// `gaussian` in `dimension` dimensions: mean 0, eigenvalues from 1/4 to 4 in geometric progression, axes drawn
    /// once and for all (seed 0).
    ///
    /// # Errors
    /// `Parameter` where the dimension is below 2.
    pub fn of_dimension(dimension: i64) -> Result<Self, DataError> {
        if dimension < 2 {
            let value = dimension.to_string();
            return Err(DataError::Parameter { of: "gaussian", parameter: "dimension", value, must: "at least 2" });
        }
        let options = (Kind::Double, Device::Cpu);
        let mut draws = Seed(0).stream("gaussian").at(0);
        let (axes, _) = Tensor::f_linalg_qr(&draws.normal(&[dimension, dimension], options.0, options.1)?, "reduced")?;
        let eigenvalues = Tensor::f_linspace(-4f64.ln(), 4f64.ln(), dimension, options)?.f_exp()?;
        let covariance = (&axes * eigenvalues).f_matmul(&axes.f_tr()?)?;
        let name = format!("gaussian ({dimension} dimensions, mean 0, eigenvalues 1/4 to 4, axes of seed 0)");
        Self::new(name, Tensor::f_zeros([dimension], options)?, covariance)
    }

    /// Any other: `mean` (d,), `covariance` (d, d), symmetric and positive definite.
    ///
    /// # Errors
    /// `Shape` where the two do not fit, `Parameter` where the covariance is not symmetric and positive definite or
    /// something is not finite.
    pub fn new(name: String, mean: Tensor, covariance: Tensor) -> Result<Self, DataError> {
        let d = mean.numel() as i64;
        if mean.dim() != 1 || covariance.size() != [d, d] {
            let expected = format!("[{d}, {d}], with a mean of shape [{d}]");
            return Err(Error::Shape { what: "covariance", expected, found: covariance.size() }.into());
        }
        let [mean, covariance] = [mean, covariance].map(|x| move_to(&x.detach(), Kind::Double, Device::Cpu));
        let (mean, covariance) = (mean?, covariance?);
        strait_core::check_finite("the mean of the gaussian", &mean, String::new)?;
        let refused = || DataError::Parameter {
            of: "gaussian",
            parameter: "covariance",
            value: format!("{:?}", Vec::<f64>::try_from(covariance.flatten(0, -1)).unwrap_or_default()),
            must: "symmetric and positive definite",
        };
        if !covariance.f_allclose(&covariance.f_tr()?, 1e-9, 1e-12, false)? {
            return Err(refused());
        }
        let factor = covariance.f_linalg_cholesky(false).map_err(|_| refused())?;
        let log_det_factor = factor.f_diagonal(0, 0, 1)?.f_log()?.f_sum(Kind::Double)?.double_value(&[]);
        Ok(Self { name, event: [d], mean, covariance, factor, log_det_factor })
    }

    /// $m$, (d,) in double precision on the CPU.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// $S$, (d, d) in double precision on the CPU.
    pub fn covariance(&self) -> &Tensor {
        &self.covariance
    }
}

impl Source for Gaussian {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let factor = move_to(&self.factor, kind, device)?;
        let z = draws.normal(&[n, self.event[0]], kind, device)?;
        Ok(z.f_matmul(&factor.f_tr()?)?.f_add(&move_to(&self.mean, kind, device)?)?)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        check_event(x, &self.event)?;
        let centred = x.f_sub(&move_to(&self.mean, x.kind(), x.device())?)?;
        let factor = move_to(&self.factor, x.kind(), x.device())?;
        // Rows z with z L^T = x - m.
        let z = Tensor::f_linalg_solve_triangular(&factor.f_tr()?, &centred, true, false, false)?;
        let constant = 0.5 * self.event[0] as f64 * LOG_2_PI + self.log_det_factor;
        Ok(sum_per_sample(&z.f_square()?) * -0.5 - constant)
    }
}

impl Toy for Gaussian {
    fn name(&self) -> &str {
        &self.name
    }
}
