//! The boundary to C++: the conversions that every caller of native functions on tensors needs.
//!
//! A `*mut Tensor` on the C++ side is tch's `C_tensor`: both name an `at::Tensor` on the heap. A native function returns
//! null, or an error text from `strdup` (`guarded` of `native/common.h`), and no C++ exception crosses.

use crate::AutodiffError;
use std::ffi::{CStr, c_char, c_int, c_void};
use tch::{Device, Kind, Tensor};
pub use torch_sys::C_tensor;

/// A native function that calls a closure of ours: null and a result to own, or an error text from `strait_text`.
pub(crate) type Call =
    unsafe extern "C" fn(*mut c_void, *const *mut C_tensor, usize, result: *mut *mut C_tensor) -> *mut c_char;

/// A native function that calls a closure of ours with outputs and their cotangents, for a gradient of each input.
pub(crate) type Pull = unsafe extern "C" fn(
    *mut c_void,
    *const *mut C_tensor,
    n_outputs: usize,
    results: *mut *mut C_tensor,
    n_inputs: usize,
) -> *mut c_char;

unsafe extern "C" {
    fn strait_free(text: *mut c_char);
    pub(crate) fn strait_keep_freed_memory();
    pub(crate) fn strait_dual_enter(level: *mut u64, watch: *mut u64) -> Outcome;
    pub(crate) fn strait_dual_exit(level: u64, watch: u64) -> Outcome;
    pub(crate) fn strait_wrong_tangent(name: *mut *const c_char) -> Outcome;
    pub(crate) fn strait_vjp(
        outputs: *const *mut C_tensor,
        cotangents: *const *mut C_tensor,
        n_outputs: usize,
        inputs: *const *mut C_tensor,
        n_inputs: usize,
        retain_graph: bool,
        create_graph: bool,
        results: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_text(text: *const c_char, n: usize) -> *mut c_char;
    pub(crate) fn strait_recomputed(
        call: Call,
        discard: unsafe extern "C" fn(*mut c_void),
        closure: *mut c_void,
        inputs: *const *mut C_tensor,
        n_inputs: usize,
        n_arguments: usize,
        result: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_reversible(
        call: Pull,
        discard: unsafe extern "C" fn(*mut c_void),
        closure: *mut c_void,
        inputs: *const *mut C_tensor,
        n_inputs: usize,
        outputs: *const *mut C_tensor,
        n_outputs: usize,
        results: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_fragile(outputs: *const *mut C_tensor, n: usize, name: *mut *const c_char) -> Outcome;
    pub(crate) fn strait_fits(
        params: *const *mut C_tensor,
        grads: *const *mut C_tensor,
        exp_avg: *const *mut C_tensor,
        exp_avg_sq: *const *mut C_tensor,
        n: usize,
        fits: *mut bool,
    ) -> Outcome;
    pub(crate) fn strait_scalars(scalars: *const *mut C_tensor, n: usize, to: *mut f64) -> Outcome;
    pub(crate) fn strait_clip(
        grads: *const *mut C_tensor,
        n: usize,
        max_norm: f64,
        norm: *mut *mut C_tensor,
        divisor: *mut *mut C_tensor,
        found_inf: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_adamw(
        params: *const *mut C_tensor,
        grads: *const *mut C_tensor,
        exp_avg: *const *mut C_tensor,
        exp_avg_sq: *const *mut C_tensor,
        n: usize,
        step: *mut C_tensor,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
        divisor: *mut C_tensor,
        found_inf: *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_lerp(
        averages: *const *mut C_tensor,
        params: *const *mut C_tensor,
        n: usize,
        weight: f64,
    ) -> Outcome;
    pub(crate) fn strait_draw(
        law: c_int,
        seed: u64,
        row: u64,
        sizes: *const i64,
        n_sizes: usize,
        high: i64,
        kind: c_int,
        device: c_int,
        by_operations: bool,
        result: *mut *mut C_tensor,
    ) -> Outcome;
}

#[cfg(feature = "aot-inductor")]
unsafe extern "C" {
    pub(crate) fn strait_package_open(
        path: *const c_char,
        device: c_int,
        stub: *const c_char,
        n: usize,
        loader: *mut *mut c_void,
    ) -> Outcome;
    pub(crate) fn strait_package_close(loader: *mut c_void);
    pub(crate) fn strait_package_run(
        loader: *mut c_void,
        inputs: *const *mut C_tensor,
        n: usize,
        result: *mut *mut C_tensor,
    ) -> Outcome;
}

/// What a native function returns: null, or an error text from `strdup`. Only native functions make one.
#[repr(transparent)]
#[derive(Debug)]
#[must_use = "an error text is freed by `check`"]
pub struct Outcome(*mut c_char);

/// Takes over the error text that a native function returned, if any.
///
/// # Errors
/// What the text says.
pub fn check(Outcome(text): Outcome) -> Result<(), AutodiffError> {
    if text.is_null() {
        return Ok(());
    }
    // SAFETY: native functions return either null or a NUL-terminated string from strdup, which is ours to free once.
    let message = unsafe {
        let message = CStr::from_ptr(text).to_string_lossy().into_owned();
        strait_free(text);
        message
    };
    Err(AutodiffError::from_message(message))
}

/// The raw handles of borrowed tensors. They are valid while the tensors live.
pub fn handles<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<*mut C_tensor> {
    tensors.into_iter().map(handle).collect()
}

/// The raw handle of a borrowed tensor.
pub fn handle(tensor: &Tensor) -> *mut C_tensor {
    tensor.as_ptr().cast_mut()
}

/// Takes ownership of a tensor that a native function made.
///
/// # Safety
/// `pointer` is a non-null `at::Tensor` from `new` that nothing else owns.
pub unsafe fn own(pointer: *mut C_tensor) -> Tensor {
    // SAFETY: the caller hands over an owned tensor.
    unsafe { Tensor::from_ptr(pointer) }
}

/// Takes ownership of tensors that a native function made, where it made any.
///
/// # Safety
/// As `own`, for each that is not null.
pub unsafe fn own_each<const N: usize>(pointers: [*mut C_tensor; N]) -> [Option<Tensor>; N] {
    // SAFETY: the caller hands over owned tensors.
    pointers.map(|pointer| (!pointer.is_null()).then(|| unsafe { own(pointer) }))
}

/// As `own_each`, of a list; those that are null are left out.
///
/// # Safety
/// As `own`, for each that is not null.
pub unsafe fn own_each_of(pointers: Vec<*mut C_tensor>) -> Vec<Tensor> {
    // SAFETY: the caller hands over owned tensors.
    pointers.into_iter().filter(|pointer| !pointer.is_null()).map(|pointer| unsafe { own(pointer) }).collect()
}

/// The codes that libtorch gives to the kinds of real numbers.
pub(crate) fn kind_code(kind: Kind) -> Result<c_int, AutodiffError> {
    Ok(match kind {
        Kind::Uint8 => 0,
        Kind::Int8 => 1,
        Kind::Int16 => 2,
        Kind::Int => 3,
        Kind::Int64 => 4,
        Kind::Half => 5,
        Kind::Float => 6,
        Kind::Double => 7,
        Kind::BFloat16 => 15,
        kind => return Err(AutodiffError::Kind { kind }),
    })
}

/// -1 for the CPU, the index of a CUDA device otherwise.
pub(crate) fn device_code(device: Device) -> Result<c_int, AutodiffError> {
    match device {
        Device::Cpu => Ok(-1),
        Device::Cuda(index) => Ok(index as c_int),
        other => Err(AutodiffError::Device { device: other }),
    }
}
