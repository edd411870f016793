//! Random tensors as pure functions of a seed of 64 bits and of each number's index, by Philox4x32-10 (Salmon, Moraes,
//! Dror and Shaw, SC 2011). No generator is shared, so no draw can change another, and the first n rows of a draw are
//! those of any longer one. Number g of a tensor, counted row by row, comes from block g / 4 of the generator in single
//! precision and from block g / 2 in double precision. The key is the seed, and the counter is the number of the block.
//!
//! The numbers are the same on every processor. On another device uniform numbers are the same to the bit, and normal
//! numbers to the rounding of the device's logarithm, sine and cosine.

use crate::{AutodiffError, ffi};
use std::ptr;
use tch::{Device, Kind, Tensor};

#[derive(Clone, Copy)]
enum Law {
    Normal = 0,
    Uniform = 1,
    Integers = 2,
    Permutation = 3,
    Strata = 4,
}

/// A draw: its seed, and the row that it begins with.
#[derive(Clone, Copy)]
struct Place {
    seed: u64,
    row: u64,
    /// By operations of tensors also on the CPU, as on other devices.
    by_operations: bool,
}

fn draw(
    law: Law,
    Place { seed, row, by_operations }: Place,
    shape: &[i64],
    high: i64,
    kind: Kind,
    device: Device,
) -> Result<Tensor, AutodiffError> {
    let mut result = ptr::null_mut();
    let (kind, device) = (ffi::kind_code(kind)?, ffi::device_code(device)?);
    // SAFETY: `shape` is read within its length; `result` is written on success.
    ffi::check(unsafe {
        let (sizes, count) = (shape.as_ptr(), shape.len());
        ffi::strait_draw(law as i32, seed, row, sizes, count, high, kind, device, by_operations, &raw mut result)
    })?;
    // SAFETY: on success it is a fresh tensor that nothing else owns.
    Ok(unsafe { ffi::own(result) })
}

fn at(seed: u64, row: u64) -> Place {
    Place { seed, row, by_operations: false }
}

/// Standard normal numbers, by the method of Box and Muller: rows `row`, `row + 1`, ... of the draw of a seed.
///
/// # Errors
/// `Device` for a device that is neither the CPU nor CUDA's, `Kind` for a kind that is not of real numbers; libtorch's for
/// integers, when memory runs out or a size is negative.
///
/// ```
/// use strait_autodiff::normal;
/// use tch::{Device, Kind};
/// let a = normal(7, 0, &[5, 3], Kind::Float, Device::Cpu)?;
/// assert_eq!(a, normal(7, 0, &[9, 3], Kind::Float, Device::Cpu)?.narrow(0, 0, 5));
/// assert_eq!(a.narrow(0, 2, 3), normal(7, 2, &[3, 3], Kind::Float, Device::Cpu)?);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn normal(seed: u64, row: u64, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Normal, at(seed, row), shape, 0, kind, device)
}

/// Numbers uniform on $[0, 1)$: multiples of $2^{-24}$ in single precision, of $2^{-53}$ in double.
///
/// # Errors
/// As `normal`.
pub fn uniform(seed: u64, row: u64, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Uniform, at(seed, row), shape, 0, kind, device)
}

/// `n` numbers of which the i-th, from 0, is uniform on $[i/n, (i+1)/n)$, up to rounding: those of [`uniform`], each in its own
/// part of the unit interval.
///
/// # Errors
/// As `normal`.
///
/// ```
/// use strait_autodiff::{strata, uniform};
/// use tch::{Device, Kind, Tensor};
/// let (kind, device) = (Kind::Float, Device::Cpu);
/// let places = Tensor::arange(5, (kind, device));
/// assert_eq!(strata(7, 5, kind, device)?, (places + uniform(7, 0, &[5], kind, device)?) / 5.0);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn strata(seed: u64, n: i64, kind: Kind, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Strata, at(seed, 0), &[n], 0, kind, device)
}

/// 64-bit integers uniform on $[0, \text{high})$, off by less than $\text{high} / 2^{64}$.
///
/// # Errors
/// As `normal`; libtorch's when `high` is below 1.
pub fn integers(seed: u64, row: u64, high: i64, shape: &[i64], device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Integers, at(seed, row), shape, high, Kind::Int64, device)
}

/// A uniformly random permutation of $0, \dots, n-1$, by the shuffle of Fisher and Yates.
///
/// # Errors
/// As `normal`.
pub fn permutation(seed: u64, n: i64, device: Device) -> Result<Tensor, AutodiffError> {
    draw(Law::Permutation, at(seed, 0), &[n], 0, Kind::Int64, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a device does, on the CPU.
    #[test]
    fn operations_of_tensors_make_the_numbers_of_the_kernel() {
        for (kind, off) in [(Kind::Float, 1e-5), (Kind::Double, 2e-14)] {
            for (seed, row) in [(0, 0), (u64::MAX, 7), (0x0123_4567_89ab_cdef, 1 << 33)] {
                let shape = [1001, 3];
                let by = |law, by_operations| {
                    draw(law, Place { seed, row, by_operations }, &shape, 0, kind, Device::Cpu).unwrap()
                };
                assert_eq!(by(Law::Uniform, true), by(Law::Uniform, false), "{kind:?}");
                let strata = |by_operations| {
                    draw(Law::Strata, Place { seed, row: 0, by_operations }, &[1001], 0, kind, Device::Cpu).unwrap()
                };
                assert_eq!(strata(true), strata(false), "{kind:?}");
                let (made, expected) = (by(Law::Normal, true), by(Law::Normal, false));
                // The angle is reduced in whole numbers by the kernel alone.
                let worst = (made - expected).abs().max().double_value(&[]);
                assert!(worst < off, "{kind:?}: {worst}");
            }
        }
    }
}
