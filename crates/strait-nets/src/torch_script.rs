//! Modules that PyTorch has saved as TorchScript, as velocity fields.

use crate::NetError;
use std::path::{Path, PathBuf};
use strait_core::{Error, Seed, VelocityField, check_batch};
use tch::{CModule, Device, Kind, TchError, Tensor};

/// Samples that a module is tried on when it is opened.
const TRIED: i64 = 3;

/// Two evaluations of one sample may differ by so much of the largest entry: a batch is summed in another order.
const TOLERANCE: f64 = 1e-4;

/// A TorchScript module $v(x, t)$ as a velocity field: what `torch.jit.save(torch.jit.script(module), path)` has written, of
/// samples (B, ...) and times (B,) to velocities of the shape of the samples.
///
/// It is tried once when it is opened: on samples of the shape that it is for, where the velocity of a sample must not depend
/// on how many others there are. It can be differentiated in reverse mode, and so has a likelihood along its flow (by
/// `strait_ode::Mode::Reverse`). PyTorch deprecates TorchScript since 2.11 and reads and writes it.
///
/// ```no_run
/// use std::path::Path;
/// use strait_core::VelocityField;
/// use strait_nets::TorchScript;
/// use tch::{Device, Kind, Tensor};
/// let field = TorchScript::open(Path::new("velocity.pt"), &[2], Kind::Float, Device::Cpu)?;
/// let x = Tensor::zeros([5, 2], (Kind::Float, Device::Cpu));
/// let v = field.velocity(&x, &Tensor::zeros([5], (Kind::Float, Device::Cpu)))?;
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TorchScript {
    module: CModule,
    path: PathBuf,
    event: Vec<i64>,
}

impl TorchScript {
    /// Loads a module for samples of shape `event`, and tries it on such of `kind` on `device`.
    ///
    /// # Errors
    /// `NetError::Module`, within `Other`, names the file and what is wrong: no TorchScript, another shape, velocities that
    /// depend on the number of samples or are not finite.
    pub fn open(path: &Path, event: &[i64], kind: Kind, device: Device) -> Result<Self, Error> {
        let refuse = |problem: String| NetError::Module { path: path.to_owned(), problem };
        let mut module = CModule::load_on_device(path, device).map_err(|error| {
            refuse(format!("it is no TorchScript module ({}); save it with torch.jit.save", first_line(&error)))
        })?;
        module.f_set_eval()?;
        let field = Self { module, path: path.to_owned(), event: event.to_vec() };
        let shape: Vec<i64> = std::iter::once(TRIED).chain(event.iter().copied()).collect();
        let mut draws = Seed(0).stream("torch script").at(0);
        let (x, t) = (draws.normal(&shape, kind, device)?, draws.uniform(&[TRIED], kind, device)?);
        let _no_grad = tch::no_grad_guard();
        let together = field.velocity(&x, &t)?;
        let alone = field.velocity(&x.f_narrow(0, TRIED - 1, 1)?, &t.f_narrow(0, TRIED - 1, 1)?)?;
        let apart = together.f_narrow(0, TRIED - 1, 1)?.f_sub(&alone)?.f_abs()?.f_max()?.f_double_value(&[])?;
        let largest = together.f_abs()?.f_max()?.f_double_value(&[])?;
        if !largest.is_finite() {
            return Err(refuse("its velocity of normal samples is not finite".into()).into());
        }
        if apart > TOLERANCE * largest.max(1.0) {
            let problem =
                format!("the velocity of a sample changes by {apart:.1e} with the number of samples beside it");
            return Err(refuse(problem).into());
        }
        Ok(field)
    }
}

/// libtorch's messages go on with where in its source they arose.
fn first_line(error: &TchError) -> String {
    error.to_string().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

impl VelocityField for TorchScript {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        check_batch(x, t)?;
        if x.size()[1..] != self.event {
            return Err(Error::Shape { what: "x", expected: format!("a batch of {:?}", self.event), found: x.size() });
        }
        let refuse = |problem: String| NetError::Module { path: self.path.clone(), problem };
        let v = self.module.forward_ts(&[x, t]);
        let v = v.map_err(|error| refuse(format!("it does not take (x, t) ({})", first_line(&error))))?;
        if v.size() != x.size() || v.kind() != x.kind() {
            let (gave, of) = ((v.kind(), v.size()), (x.kind(), x.size()));
            return Err(refuse(format!("it gave {gave:?} for samples of {of:?}")).into());
        }
        Ok(v)
    }
}
