//! Models that PyTorch has compiled into a file.

use crate::{AutodiffError, ffi, inside_jvp};
use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr::NonNull;
use tch::{Device, Tensor};

/// An empty library of the name that a package's own library was linked to.
#[cfg(target_os = "linux")]
const STUB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libtorch_stub.so"));
#[cfg(not(target_os = "linux"))]
const STUB: &[u8] = &[];

/// A function of tensors in a `.pt2` file: what `torch.export` and `torch._inductor.aoti_compile_and_package` have made of a
/// module, as machine code for one kind of processor. Opening it runs that code: open no file that you would not run.
///
/// It has no derivatives. It checks its inputs against those that it was exported with (kind, shape, layout; the number of
/// rows where that is not a `torch.export.Dim`): libtorch itself would read what lies behind them.
///
/// ```no_run
/// use std::path::Path;
/// use strait_autodiff::{AutodiffError, Package};
/// use tch::{Device, Tensor};
/// let package = Package::open(Path::new("double.pt2"), Device::Cpu)?;
/// let y = package.run(&[&Tensor::from_slice(&[1.0, 2.0])])?;
/// # Ok::<(), AutodiffError>(())
/// ```
#[derive(Debug)]
pub struct Package(NonNull<c_void>);

// SAFETY: the loader is owned, has no thread of its own, and its calls wait for each other.
unsafe impl Send for Package {}

impl Package {
    /// Loads a file for a device.
    ///
    /// # Errors
    /// `Device` for neither a CPU nor CUDA; `Torch` for a file that is no package, or one for another device.
    pub fn open(path: &Path, device: Device) -> Result<Self, AutodiffError> {
        let name = CString::new(path.to_string_lossy().as_bytes());
        let name = name.map_err(|_| AutodiffError::Torch("a path holds no byte of 0".into()))?;
        let (device, mut loader) = (ffi::device_code(device)?, std::ptr::null_mut());
        // SAFETY: the path ends in 0, and the stub is as long as stated.
        ffi::check(unsafe {
            ffi::strait_package_open(name.as_ptr(), device, STUB.as_ptr().cast(), STUB.len(), &raw mut loader)
        })?;
        let loader = NonNull::new(loader).ok_or_else(|| AutodiffError::Torch("no package was made".into()))?;
        Ok(Self(loader))
    }

    /// The one tensor that the function makes of these.
    ///
    /// # Errors
    /// `NoDerivative` inside a JVP and where an input asks for a gradient. `Torch` for inputs other than it was exported with,
    /// and for more than one output.
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, AutodiffError> {
        // What is made of it asks for a gradient only where gradients are recorded; a view always does.
        let recorded = |x: &&Tensor| Ok(x.requires_grad() && x.f_narrow(0, 0, 0)?.f_neg()?.requires_grad());
        let recorded = inputs.iter().map(recorded).collect::<Result<Vec<bool>, AutodiffError>>()?;
        if inside_jvp() || recorded.contains(&true) {
            return Err(AutodiffError::NoDerivative);
        }
        let _no_grad = tch::no_grad_guard();
        let inputs: Vec<Tensor> = inputs.iter().map(|x| Ok(x.f_contiguous()?)).collect::<Result<_, AutodiffError>>()?;
        let (handles, mut result) = (ffi::handles(&inputs), std::ptr::null_mut());
        // SAFETY: the loader is live, and so are the inputs.
        ffi::check(unsafe {
            ffi::strait_package_run(self.0.as_ptr(), handles.as_ptr(), handles.len(), &raw mut result)
        })?;
        // SAFETY: without an error a fresh tensor was written.
        Ok(unsafe { ffi::own(result) })
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        // SAFETY: it is live, and not used again.
        unsafe { ffi::strait_package_close(self.0.as_ptr()) };
    }
}
