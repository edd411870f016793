#![doc = include_str!("../README.md")]

mod activation;
mod kernels;
mod mlp;

pub use activation::Activation;
pub use mlp::{Mlp, MlpConfig, MlpFlowMap, TimeFeatures};
