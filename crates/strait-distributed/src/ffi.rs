//! The native functions of `native/group.cc`.

use std::ffi::{c_char, c_int};
use strait_autodiff::ffi::{C_tensor, Outcome};

/// A store, on the C++ side.
#[repr(C)]
pub(crate) struct Store([u8; 0]);

/// A process group, on the C++ side.
#[repr(C)]
pub(crate) struct Gloo([u8; 0]);

unsafe extern "C" {
    pub(crate) fn strait_store_open(
        host: *const c_char,
        port: u16,
        serve: bool,
        timeout_ms: i64,
        result: *mut *mut Store,
    ) -> Outcome;
    pub(crate) fn strait_store_free(store: *mut Store);
    pub(crate) fn strait_store_set(store: *mut Store, key: *const c_char, value: *const c_char) -> Outcome;
    pub(crate) fn strait_store_get(
        store: *mut Store,
        key: *const c_char,
        timeout_ms: i64,
        value: *mut *mut c_char,
    ) -> Outcome;
    pub(crate) fn strait_store_add(store: *mut Store, key: *const c_char, by: i64, value: *mut i64) -> Outcome;
    pub(crate) fn strait_group_join(
        store: *mut Store,
        rank: c_int,
        world: c_int,
        interface: *const c_char,
        address: *const c_char,
        timeout_ms: i64,
        result: *mut *mut Gloo,
    ) -> Outcome;
    pub(crate) fn strait_group_free(group: *mut Gloo);
    pub(crate) fn strait_group_broadcast(group: *mut Gloo, tensor: *mut C_tensor, root: c_int) -> Outcome;
    pub(crate) fn strait_group_sum(group: *mut Gloo, tensor: *mut C_tensor) -> Outcome;
    pub(crate) fn strait_group_all_gather(
        group: *mut Gloo,
        tensor: *mut C_tensor,
        results: *mut *mut C_tensor,
        world: usize,
    ) -> Outcome;
    pub(crate) fn strait_group_gather(
        group: *mut Gloo,
        tensor: *mut C_tensor,
        root: c_int,
        results: *mut *mut C_tensor,
        world: usize,
    ) -> Outcome;
    pub(crate) fn strait_group_barrier(group: *mut Gloo) -> Outcome;
    /// Of strait-autodiff: frees what `strdup` made.
    pub(crate) fn strait_free(text: *mut c_char);
}
