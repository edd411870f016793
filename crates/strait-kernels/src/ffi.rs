//! The C++ functions of the kernels. Each returns null or an error text, and writes its results on success.

pub(crate) use strait_autodiff::ffi::{C_tensor, Outcome, check, handle, handles, own, own_each};

unsafe extern "C" {
    pub(crate) fn strait_silu(x: *mut C_tensor, result: *mut *mut C_tensor) -> Outcome;
    pub(crate) fn strait_selu(x: *mut C_tensor, result: *mut *mut C_tensor) -> Outcome;
    pub(crate) fn strait_silu_jet(
        x: *mut C_tensor,
        d: *mut C_tensor,
        dd: *mut C_tensor,
        second: bool,
        results: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_group_norm_silu(
        x: *mut C_tensor,
        weight: *mut C_tensor,
        bias: *mut C_tensor,
        film: *mut C_tensor,
        groups: i64,
        epsilon: f64,
        result: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_attention(qkv: *mut C_tensor, heads: i64, result: *mut *mut C_tensor) -> Outcome;
    pub(crate) fn strait_affine(
        x: *mut C_tensor,
        raw: *mut C_tensor,
        gate: *mut C_tensor,
        bound: f64,
        inverse: bool,
        y: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_diagonal(
        x: *mut C_tensor,
        log_scale: *mut C_tensor,
        shift: *mut C_tensor,
        inverse: bool,
        y: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_square_distance(
        a: *mut C_tensor,
        b: *mut C_tensor,
        averaged: bool,
        result: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_linear_path(
        x0: *mut C_tensor,
        x1: *mut C_tensor,
        t: *mut C_tensor,
        made: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_triangular(
        weight: *mut C_tensor,
        inverse: bool,
        matrix: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_affine_curve(
        numbers: *const *mut C_tensor,
        given: *const *mut C_tensor,
        bound: f64,
        order: i64,
        made: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_affine_field(given: *const *mut C_tensor, bound: f64, made: *mut *mut C_tensor) -> Outcome;
    pub(crate) fn strait_posterior(given: *const *mut C_tensor, made: *mut *mut C_tensor) -> Outcome;
    pub(crate) fn strait_chain_field(
        tensors: *const *mut C_tensor,
        count: usize,
        kinds: *const i64,
        bounds: *const f64,
        stages: usize,
        made: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_perceptron(
        tensors: *const *mut C_tensor,
        count: usize,
        derivatives: *const i64,
        parts: usize,
        between: i64,
        order: i64,
        jet: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_perceptron_regressed(
        tensors: *const *mut C_tensor,
        count: usize,
        derivatives: *const i64,
        parts: usize,
        between: i64,
        identity: i64,
        held: *const *mut C_tensor,
        count_held: usize,
        made: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_affine_jet(
        tensors: *const *mut C_tensor,
        count: usize,
        x: i64,
        raw: i64,
        order: i64,
        bound: f64,
        jet: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_spline(
        x: *mut C_tensor,
        raw: *mut C_tensor,
        bins: i64,
        bound: f64,
        inverse: bool,
        y: *mut *mut C_tensor,
        log_det: *mut *mut C_tensor,
    ) -> Outcome;
    pub(crate) fn strait_spline_jet(
        tensors: *const *mut C_tensor,
        count: usize,
        x: i64,
        raw: i64,
        order: i64,
        bins: i64,
        bound: f64,
        jet: *mut *mut C_tensor,
    ) -> Outcome;
}
