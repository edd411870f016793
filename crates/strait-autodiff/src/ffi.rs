//! The boundary to `native/`: raw declarations, and the few conversions that every caller needs.
//!
//! A `*mut Tensor` on the C++ side is tch's `C_tensor`: both name an `at::Tensor` on the heap.

use crate::AutodiffError;
use std::ffi::{CStr, c_char, c_int};
use tch::{Device, Kind, Tensor};
pub(crate) use torch_sys::C_tensor;

unsafe extern "C" {
    fn strait_free(text: *mut c_char);
    pub(crate) fn strait_dual_enter(level: *mut u64) -> *mut c_char;
    pub(crate) fn strait_dual_exit(level: u64) -> *mut c_char;
    pub(crate) fn strait_vjp(
        outputs: *const *mut C_tensor,
        cotangents: *const *mut C_tensor,
        n_outputs: usize,
        inputs: *const *mut C_tensor,
        n_inputs: usize,
        retain_graph: bool,
        create_graph: bool,
        results: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_clip(
        grads: *const *mut C_tensor,
        n: usize,
        max_norm: f64,
        norm: *mut *mut C_tensor,
        divisor: *mut *mut C_tensor,
        found_inf: *mut *mut C_tensor,
    ) -> *mut c_char;
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
    ) -> *mut c_char;
    pub(crate) fn strait_lerp(
        averages: *const *mut C_tensor,
        params: *const *mut C_tensor,
        n: usize,
        weight: f64,
    ) -> *mut c_char;
    pub(crate) fn strait_silu(x: *mut C_tensor, result: *mut *mut C_tensor) -> *mut c_char;
    pub(crate) fn strait_selu(x: *mut C_tensor, result: *mut *mut C_tensor) -> *mut c_char;
    pub(crate) fn strait_silu_jet(
        x: *mut C_tensor,
        d: *mut C_tensor,
        dd: *mut C_tensor,
        second: bool,
        results: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_affine(
        x: *mut C_tensor,
        raw: *mut C_tensor,
        gate: *mut C_tensor,
        bound: f64,
        inverse: bool,
        y: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_diagonal(
        x: *mut C_tensor,
        log_scale: *mut C_tensor,
        shift: *mut C_tensor,
        inverse: bool,
        y: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_triangular(
        weight: *mut C_tensor,
        inverse: bool,
        matrix: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_affine_curve(
        numbers: *const *mut C_tensor,
        given: *const *mut C_tensor,
        bound: f64,
        order: i64,
        made: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_affine_field(given: *const *mut C_tensor, bound: f64, made: *mut *mut C_tensor)
    -> *mut c_char;
    pub(crate) fn strait_posterior(given: *const *mut C_tensor, made: *mut *mut C_tensor) -> *mut c_char;
    pub(crate) fn strait_chain_field(
        tensors: *const *mut C_tensor,
        count: usize,
        kinds: *const i64,
        bounds: *const f64,
        stages: usize,
        made: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_perceptron(
        tensors: *const *mut C_tensor,
        count: usize,
        derivatives: *const i64,
        parts: usize,
        order: i64,
        jet: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_affine_jet(
        tensors: *const *mut C_tensor,
        count: usize,
        x: i64,
        raw: i64,
        order: i64,
        bound: f64,
        jet: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_spline(
        x: *mut C_tensor,
        raw: *mut C_tensor,
        bins: i64,
        bound: f64,
        inverse: bool,
        kernel: bool,
        y: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_spline_jet(
        tensors: *const *mut C_tensor,
        count: usize,
        x: i64,
        raw: i64,
        order: i64,
        bins: i64,
        bound: f64,
        jet: *mut *mut C_tensor,
    ) -> *mut c_char;
    pub(crate) fn strait_draw(
        law: c_int,
        seed: u64,
        sizes: *const i64,
        n_sizes: usize,
        high: i64,
        kind: c_int,
        device: c_int,
        result: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// Takes over the error text that a native function returned, if any.
pub(crate) fn check(text: *mut c_char) -> Result<(), AutodiffError> {
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
pub(crate) fn handles<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<*mut C_tensor> {
    tensors.into_iter().map(handle).collect()
}

/// The raw handle of a borrowed tensor.
pub(crate) fn handle(tensor: &Tensor) -> *mut C_tensor {
    tensor.as_ptr().cast_mut()
}

/// Takes ownership of a tensor that a native function made.
///
/// # Safety
/// `pointer` is a non-null `at::Tensor` from `new` that nothing else owns.
pub(crate) unsafe fn own(pointer: *mut C_tensor) -> Tensor {
    // SAFETY: the caller hands over an owned tensor.
    unsafe { Tensor::from_ptr(pointer) }
}

/// Takes ownership of tensors that a native function made, where it made any.
///
/// # Safety
/// As `own`, for each that is not null.
pub(crate) unsafe fn own_each<const N: usize>(pointers: [*mut C_tensor; N]) -> [Option<Tensor>; N] {
    // SAFETY: the caller hands over owned tensors.
    pointers.map(|pointer| (!pointer.is_null()).then(|| unsafe { own(pointer) }))
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
