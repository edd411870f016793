//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-kernels --test suite FILE::`.

mod affine_jet;
mod common;
mod cotangents;
mod images;
mod kernels;
mod perceptron;
mod pointwise;
mod spline_jet;
