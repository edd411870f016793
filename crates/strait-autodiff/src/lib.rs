#![doc = include_str!("../README.md")]
#![allow(unsafe_code)] // it talks to libtorch past tch
#![warn(clippy::undocumented_unsafe_blocks)]

#[cfg(feature = "aot-inductor")]
mod aot_inductor;
mod draw;
mod error;
pub mod ffi;
mod forward;
mod jet;
mod memory;
mod optimizer;
mod recomputed;
mod reverse;
mod reversible;
mod scalars;

#[cfg(feature = "aot-inductor")]
pub use aot_inductor::Package;
pub use draw::{integers, normal, permutation, strata, uniform};
pub use error::AutodiffError;
pub use forward::{Dual, inside_jvp, jvp, tangent_gradient};
pub use jet::{Jet, Order};
pub use memory::keep_freed_memory;
pub use optimizer::{AdamW, AdamWState, Clip, clip, lerp};
pub use recomputed::recomputed;
pub use reverse::{Graph, check_tangents_differentiable, gradient, time_derivative, vjp};
pub use reversible::reversible;
pub use scalars::scalars;
