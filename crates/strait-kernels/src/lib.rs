#![doc = include_str!("../README.md")]
#![allow(unsafe_code)] // it calls native code
#![warn(clippy::undocumented_unsafe_blocks)]

mod affine;
mod affine_path;
mod chain_path;
mod channels;
mod distance;
mod ffi;
mod images;
mod linear_path;
mod lowering;
mod marginal_field;
mod perceptron;
mod pointwise;
mod posterior;
mod spline;
mod supported;

pub use affine::{affine, affine_jet};
pub use affine_path::{AffinePaths, affine_curve};
pub use chain_path::{Active, ChainPaths, Stage};
pub use channels::{diagonal, triangular};
pub use distance::{mean_square_distance, square_distance};
pub use images::{attention, channels_last, group_norm_silu};
pub use linear_path::linear_path;
pub use lowering::{Lower, Lowering, lower};
pub use marginal_field::MarginalField;
pub use perceptron::{Between, RightSide, perceptron, perceptron_identity_error, perceptron_square_error};
pub use pointwise::{selu, silu, silu_jet};
pub use posterior::{Posterior, posterior};
pub use spline::{spline, spline_jet};
