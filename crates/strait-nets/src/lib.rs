//! Networks over a sample and a time: an MLP that is a velocity field, and a time function with exact derivatives
//! in t for learned interpolants.

mod activation;
mod mlp;

pub use activation::Activation;
pub use mlp::{Mlp, MlpConfig, TimeFeatures};
