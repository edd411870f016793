//! Random tensors as pure functions of a seed: no generator is shared, so no draw can shift another. On the CPU
//! libtorch's generator takes the lower 32 bits of a seed alone.

use crate::{AutodiffError, ffi};
use std::ptr;
use tch::{Device, Kind, Tensor};

#[derive(Clone, Copy)]
enum Law {
    Normal = 0,
    Uniform = 1,
    Integers = 2,
    Permutation = 3,
}

fn draw(law: Law, seed: u64, shape: &[i64], high: i64, kind: Kind, device: Device) -> Result<Tensor, AutodiffError> {
    let mut result = ptr::null_mut();
    let (kind, device) = (ffi::kind_code(kind)?, ffi::device_code(device)?);
    // SAFETY: `shape` is read within its length; `result` is written on success.
    ffi::check(unsafe {
        ffi::strait_draw(law as i32, seed, shape.as_ptr(), shape.len(), high, kind, device, &raw mut result)
    })?;
    // SAFETY: on success it is a fresh tensor that nothing else owns.
    Ok(unsafe { ffi::own(result) })
}

/// Standard normal numbers.
///
/// # Errors
/// `Device` for a device without a seeded generator, `Kind` for a kind that is not of real numbers; libtorch's for
/// integers, when memory runs out or a size is negative.
///
/// ```
/// use strait_autodiff::normal;
/// use tch::{Device, Kind};
/// let a = normal(7, &[3], Kind::Float, Device::Cpu)?;
/// assert_eq!(a, normal(7, &[3], Kind::Float, Device::Cpu)?);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn normal(seed: u64, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Normal, seed, shape, 0, kind, device)
}

/// Numbers uniform on $[0, 1)$.
///
/// # Errors
/// As `normal`.
pub fn uniform(seed: u64, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Uniform, seed, shape, 0, kind, device)
}

/// 64-bit integers uniform on $[0, \text{high})$.
///
/// # Errors
/// As `normal`; libtorch's when `high` is below 1.
pub fn integers(seed: u64, high: i64, shape: &[i64], device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Integers, seed, shape, high, Kind::Int64, device)
}

/// A uniformly random permutation of $0, \dots, n-1$.
///
/// # Errors
/// As `normal`.
pub fn permutation(seed: u64, n: i64, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Permutation, seed, &[n], 0, Kind::Int64, device)
}
