//! Modules that PyTorch has saved as TorchScript, as velocity fields.

use crate::saved_file::{SavedFile, first_line};
use std::path::Path;
use strait_core::{Error, VelocityField};
use tch::{CModule, Device, Kind, Tensor};

/// A TorchScript module $v(x, t)$ as a velocity field: what `torch.jit.save(torch.jit.script(module), path)` has written, of
/// samples (B, ...) and times (B,) to velocities of the shape of the samples.
///
/// It is tried once when it is opened: on samples of the shape that it is for, where the velocity of a sample must not depend
/// on how many others there are. It can be differentiated in reverse mode, and so has a likelihood along its flow (by
/// `strait_ode::AutodiffMode::Reverse`). PyTorch deprecates TorchScript since 2.11 and reads and writes it.
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
    file: SavedFile,
}

impl TorchScript {
    /// Loads a module for samples of shape `event`, and tries it on such of `kind` on `device`.
    ///
    /// # Errors
    /// `NetError::Module`, within `Other`, names the file and what is wrong: no TorchScript, another shape, velocities that
    /// depend on the number of samples or are not finite.
    pub fn open(path: &Path, event: &[i64], kind: Kind, device: Device) -> Result<Self, Error> {
        let file = SavedFile::new(path, event);
        let mut module = CModule::load_on_device(path, device).map_err(|error| {
            file.refuse(if path.exists() && path.extension().is_some_and(|extension| extension == "pt2") {
                "it is a package of AOTInductor and no TorchScript module; open it by AotInductor (feature `aot-inductor`), or \
                 save the module with torch.jit.save"
                    .into()
            } else {
                format!("it is no TorchScript module ({}); save it with torch.jit.save", first_line(&error))
            })
        })?;
        module.f_set_eval()?;
        let field = Self { module, file };
        field.file.try_out(&field, kind, device)?;
        Ok(field)
    }
}

impl VelocityField for TorchScript {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.file.velocity(x, t, || self.module.forward_ts(&[x, t]))
    }
}
