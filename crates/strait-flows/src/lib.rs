#![doc = include_str!("../README.md")]

mod act_norm;
mod backward;
mod base;
mod chain;
mod conditioner;
mod coupling_layer;
mod density;
mod error;
mod factor_out;
mod gate;
mod glow;
mod kernels;
mod layer;
mod linear;
#[cfg(feature = "kernels")]
mod lowering;
mod permutation;
pub mod reversible;
mod reversible_flow;
mod saved;
mod squeeze;

pub use act_norm::ActNorm;
pub use base::Base;
pub use chain::Chain;
pub use conditioner::Setting;
pub use coupling_layer::{Active, CouplingLayer, Transform};
pub use density::{Density, Samples, bits_per_dimension, dequantise};
pub use error::FlowError;
pub use factor_out::FactorOut;
pub use gate::Gate;
pub use glow::{ChannelMixing, Glow, Plan};
pub use layer::Layer;
pub use linear::{Exponential, GaussianMap, Plu};
pub use permutation::Permutation;
pub use reversible::Memory;
pub use reversible_flow::Reversible;
pub use saved::{load, save};
pub use squeeze::{Squeeze, Squeezed, squeeze, unsqueeze};

pub use {strait_autodiff, strait_core, tch};
