//! Derivatives over libtorch: forward mode nested under reverse mode, reverse mode with a given cotangent, Taylor mode,
//! fused optimizer kernels whose state is plain tensors, and random draws that are functions of their seed.
//!
//! This is the only crate of Strait with C++ or `unsafe`.
//!
//! ```
//! use strait_autodiff::{AutodiffError, Graph, jvp, vjp};
//! use tch::Tensor;
//! // d/dw of the JVP of sin(w x) along dx = 1: forward mode inside, reverse mode outside.
//! let w = Tensor::from_slice(&[2.0f64]).set_requires_grad(true);
//! let (x, dx) = (Tensor::from_slice(&[0.5f64]), Tensor::from_slice(&[1.0f64]));
//! let dual = jvp(|v| Ok::<_, AutodiffError>(vec![(&w * &v[0]).sin()]), &[x], &[dx])?;
//! let tangent = dual[0].tangent.shallow_clone(); // w cos(w x)
//! let ones = tangent.ones_like();
//! let g = vjp(&[tangent], &[ones], &[w.shallow_clone()], Graph::Free)?;
//! assert!((g[0].double_value(&[0]) - (1.0f64.cos() - 1.0f64.sin())).abs() < 1e-12);
//! # Ok::<(), AutodiffError>(())
//! ```

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
