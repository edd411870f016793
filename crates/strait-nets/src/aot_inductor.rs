//! Modules that PyTorch has compiled by AOTInductor, as velocity fields.

use crate::saved_file::{SavedFile, first_line};
use std::path::Path;
use strait_autodiff::Package;
use strait_core::{Error, VelocityField};
use tch::{Device, Kind, Tensor};

/// A `.pt2` file $v(x, t)$ as a velocity field: what `torch._inductor.aoti_compile_and_package` has made of a module that
/// `torch.export` exported, of samples (B, ...) and times (B,) to velocities of the shape of the samples. The batch must be a
/// `torch.export.Dim`.
///
/// It is tried once when it is opened, as a [`TorchScript`](crate::TorchScript) is: a file for one number of samples is
/// refused. It is machine code for one kind of processor, which opening it runs. It has no derivatives, and so no likelihood.
///
/// ```no_run
/// use std::path::Path;
/// use strait_core::VelocityField;
/// use strait_nets::AotInductor;
/// use tch::{Device, Kind, Tensor};
/// let field = AotInductor::open(Path::new("velocity.pt2"), &[2], Kind::Float, Device::Cpu)?;
/// let x = Tensor::zeros([5, 2], (Kind::Float, Device::Cpu));
/// let v = field.velocity(&x, &Tensor::zeros([5], (Kind::Float, Device::Cpu)))?;
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AotInductor {
    package: Package,
    file: SavedFile,
}

impl AotInductor {
    /// Loads a file for samples of shape `event`, and tries it on such of `kind` on `device`.
    ///
    /// # Errors
    /// `NetError::Module`, within `Other`, names the file and what is wrong: no package or one for another device, another
    /// shape or kind, one number of samples, velocities that depend on that number or are not finite.
    pub fn open(path: &Path, event: &[i64], kind: Kind, device: Device) -> Result<Self, Error> {
        let file = SavedFile::new(path, event);
        let package = Package::open(path, device).map_err(|error| {
            file.refuse(format!(
                "it is no package of AOTInductor for {device:?} ({}); make one with torch._inductor.aoti_compile_and_package",
                first_line(&error)
            ))
        })?;
        let field = Self { package, file };
        field.file.try_out(&field, kind, device)?;
        Ok(field)
    }
}

impl VelocityField for AotInductor {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.file.velocity(x, t, || {
            if x.size()[0] != 1 {
                return self.package.run(&[x, t]);
            }
            // What torch.export makes of a batch begins at two rows.
            let twice = |x: &Tensor| Tensor::f_cat(&[x, x], 0);
            Ok(self.package.run(&[&twice(x)?, &twice(t)?])?.f_narrow(0, 0, 1)?)
        })
    }
}
