//! The key-value store by which the ranks of a group find each other: texts under keys.

use crate::ffi;
use std::ffi::CString;
use std::ptr;
use std::time::Duration;
use strait_autodiff::AutodiffError;
use strait_autodiff::ffi::check;

/// A TCPStore of c10d, held by this process or reached by it.
#[derive(Debug)]
pub(crate) struct Store(*mut ffi::Store);

/// Texts that go to C++ hold no NUL: they are made of names and numbers here, and what comes from outside is cut at one.
pub(crate) fn text(from: &str) -> CString {
    CString::new(from.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

pub(crate) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1)
}

impl Store {
    pub(crate) fn open(host: &str, port: u16, serve: bool, timeout: Duration) -> Result<Self, AutodiffError> {
        let (host, mut result) = (text(host), ptr::null_mut());
        // SAFETY: `host` lives through the call; `result` is written on success.
        check(unsafe { ffi::strait_store_open(host.as_ptr(), port, serve, milliseconds(timeout), &raw mut result) })?;
        Ok(Self(result))
    }

    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), AutodiffError> {
        let (key, value) = (text(key), text(value));
        // SAFETY: the store lives as long as `self`, the texts through the call.
        check(unsafe { ffi::strait_store_set(self.0, key.as_ptr(), value.as_ptr()) })
    }

    /// Waits for a key.
    pub(crate) fn get(&self, key: &str, timeout: Duration) -> Result<String, AutodiffError> {
        let (key, mut value) = (text(key), ptr::null_mut());
        // SAFETY: as above; `value` is written on success.
        check(unsafe { ffi::strait_store_get(self.0, key.as_ptr(), milliseconds(timeout), &raw mut value) })?;
        // SAFETY: on success it is a NUL-terminated text that is ours to free once.
        unsafe {
            let found = std::ffi::CStr::from_ptr(value).to_string_lossy().into_owned();
            ffi::strait_free(value);
            Ok(found)
        }
    }

    /// How many have asked for this key, this process included.
    pub(crate) fn count(&self, key: &str) -> Result<i64, AutodiffError> {
        self.add(key, 1)
    }

    /// How many others have asked for this key: it is not asked for.
    pub(crate) fn counted(&self, key: &str) -> Result<i64, AutodiffError> {
        self.add(key, 0)
    }

    fn add(&self, key: &str, by: i64) -> Result<i64, AutodiffError> {
        let (key, mut value) = (text(key), 0);
        // SAFETY: as above.
        check(unsafe { ffi::strait_store_add(self.0, key.as_ptr(), by, &raw mut value) })?;
        Ok(value)
    }

    pub(crate) fn raw(&self) -> *mut ffi::Store {
        self.0
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it was made by `open` and is freed once.
        unsafe { ffi::strait_store_free(self.0) }
    }
}
