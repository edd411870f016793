#![doc = include_str!("../README.md")]
#![allow(unsafe_code)] // the one crate that talks to libtorch past tch
#![warn(clippy::undocumented_unsafe_blocks)]

mod affine;
mod affine_path;
mod chain_path;
mod channels;
mod draw;
mod error;
mod ffi;
mod forward;
mod jet;
mod kernel;
mod marginal_field;
mod optimizer;
mod perceptron;
mod pointwise;
mod posterior;
mod reverse;
mod spline;

pub use affine::{affine, affine_jet};
pub use affine_path::{AffinePaths, affine_curve};
pub use chain_path::{Active, ChainPaths, Stage};
pub use channels::{diagonal, triangular};
pub use draw::{integers, normal, permutation, uniform};
pub use error::AutodiffError;
pub use forward::{Dual, inside_jvp, jvp};
pub use jet::{Jet, Order};
pub use marginal_field::MarginalField;
pub use optimizer::{AdamW, AdamWState, Clip, clip, lerp};
pub use perceptron::perceptron;
pub use pointwise::{selu, silu};
pub use posterior::{Posterior, posterior};
pub use reverse::{Graph, gradient, time_derivative, vjp};
pub use spline::{spline, spline_jet};
