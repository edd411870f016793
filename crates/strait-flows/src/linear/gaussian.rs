use super::Exponential;
use crate::layer::{check_input, places};
use crate::{FlowError, Gate, Layer};
use std::fmt;
use strait_core::{Bijection, Condition, Error, Init, Scope, Transformed};
use tch::{Kind, Tensor};

/// The map that carries $N(0, I)$ to a Gaussian along straight lines, the optimal transport between the two:
///
/// $$ y = m + e^A x, \qquad \log|\det| = H W \operatorname{tr} A $$
///
/// with A symmetric where it was initialised and never trained. [`Layer::initialise`] sets m to the mean of a data batch
/// and $e^A = S^{1/2}$ with S its covariance, made to have no variance below a thousandth of its average: the law of y is
/// then the Gaussian of maximum likelihood, but for directions in which the data hardly vary. A fresh layer is the
/// identity.
#[derive(Debug)]
pub struct GaussianMap {
    root: Exponential,
    shift: Tensor,
}

/// The least variance of any direction, of the average over all.
const FLOOR: f64 = 1e-3;

impl GaussianMap {
    /// The identity over `channels` channels. Parameters: `generator`, `shift`.
    ///
    /// # Errors
    /// `Parameter` when the names are taken.
    ///
    /// ```
    /// use strait_core::{Bijection, Condition, Parameters, Seed};
    /// use strait_flows::{GaussianMap, Layer};
    /// use tch::{Device, Kind, Tensor};
    /// let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    /// let map = GaussianMap::new(&mut parameters.root(), 2)?;
    /// let data = Tensor::from_slice2(&[[0.0f64, 0.0], [2.0, 1.0], [4.0, 2.5], [6.0, 2.0]]);
    /// let whitened = map.initialise(&data, Condition::NONE)?;
    /// assert!(whitened.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
    /// assert!(map.forward(&whitened, Condition::NONE)?.value.allclose(&data, 1e-9, 1e-9, false));
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    pub fn new(scope: &mut Scope<'_>, channels: i64) -> Result<Self, Error> {
        let root = Exponential::new(scope, channels, Gate::Timeless)?;
        Ok(Self { root, shift: scope.tensor("shift", &[channels], Init::Constant(0.0))? })
    }

    /// m, ready to be broadcast over x.
    fn mean(&self, x: &Tensor) -> Result<Tensor, Error> {
        check_input(x, self.shift.size()[0], &self.shift)?;
        Ok(if x.dim() == 4 { self.shift.view([-1, 1, 1]) } else { self.shift.shallow_clone() })
    }
}

impl Bijection for GaussianMap {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        let mean = self.mean(x)?;
        let Transformed { value, log_det } = self.root.forward(x, condition)?;
        Ok(Transformed { value: value + mean, log_det })
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.root.inverse(&(y - self.mean(y)?), condition)
    }
}

impl Layer for GaussianMap {
    fn parameters(&self) -> Vec<Tensor> {
        self.root.parameters().into_iter().chain([self.shift.shallow_clone()]).collect()
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        check_input(y, self.shift.size()[0], &self.shift)?;
        let values = y.size()[0] * places(y);
        match values {
            0 => return Err(FlowError::EmptyBatch.into()),
            1 => return Err(FlowError::OneValue.into()),
            _ => strait_core::check_finite("the initialising batch", y, String::new)?,
        }
        let columns = y.detach().to_kind(Kind::Double).transpose(0, 1).flatten(1, -1);
        let mean = columns.mean_dim([1i64].as_slice(), true, Kind::Double);
        let centred = columns - &mean;
        let covariance = centred.f_matmul(&centred.transpose(0, 1))? / values as f64;
        let (variances, axes) = covariance.f_linalg_eigh("L")?;
        let average = variances.mean(Kind::Double).double_value(&[]);
        if average <= 0.0 {
            return Err(FlowError::ConstantBatch { value: mean.double_value(&[0, 0]) }.into());
        }
        let halves = variances.clamp_min(FLOOR * average).log() * 0.5;
        let generator = (&axes * halves).f_matmul(&axes.transpose(0, 1))?;
        tch::no_grad(|| {
            self.root.parameters()[0].f_copy_(&generator)?;
            self.shift.shallow_clone().f_copy_(&mean.squeeze_dim(1))?;
            Ok(self.inverse(y, condition)?.value)
        })
    }
}

impl fmt::Display for GaussianMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GaussianMap({} channels)", self.shift.size()[0])
    }
}
