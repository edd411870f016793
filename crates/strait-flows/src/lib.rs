//! Invertible layers with exact log-determinants: ActNorm, PLU maps, couplings, Glow.
//!
//! Every layer is a [`Bijection`](strait_core::Bijection) from source to data whose two directions cost the same
//! order of work and initialise nothing, and a fresh one is the identity to the bit.

mod act_norm;
mod chain;
mod conditioner;
mod coupling;
mod error;
mod gate;
mod layer;
mod linear;
mod permutation;
pub mod reversible;
mod split;
mod squeeze;

pub use act_norm::ActNorm;
pub use chain::Chain;
pub use conditioner::Setting;
pub use coupling::{Active, Coupling, Transform};
pub use error::FlowError;
pub use gate::Gate;
pub use layer::Layer;
pub use linear::{Exponential, Plu};
pub use permutation::Permutation;
pub use split::Split;
pub use squeeze::{Squeeze, Squeezed, squeeze, unsqueeze};
