use crate::ffi;

/// From here on the process keeps the memory that its tensors give back, for the next ones: blocks below 256 MiB, and 2 GiB in
/// all. With glibc; elsewhere nothing happens.
///
/// A training step asks for what the step before it gave back. glibc returns most of that to the system in between, which
/// clears it each time: of a convolution network on the CPU that is a tenth of a step. It is for a program to call, once and
/// at its start, since it holds for the whole process.
///
/// ```
/// strait_autodiff::keep_freed_memory();
/// ```
pub fn keep_freed_memory() {
    // SAFETY: it sets two numbers of the C library's allocator, which takes them at any time.
    unsafe { ffi::strait_keep_freed_memory() }
}
