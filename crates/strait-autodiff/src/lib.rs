//! Forward-mode and reverse-mode derivatives, fused optimizer kernels and seeded draws over libtorch.
