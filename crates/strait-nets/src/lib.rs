#![doc = include_str!("../README.md")]

mod activation;
#[cfg(feature = "aot-inductor")]
mod aot_inductor;
mod attention;
mod conditional_bijection;
mod conv_net;
mod embedding;
mod error;
mod gradient_checkpointing;
mod kernels;
mod layers;
mod mlp;
mod network;
mod perceptron;
mod residual_block;
mod saved_file;
mod summary;
mod time_features;
mod time_network;
mod torch_script;
mod transformer;
mod unet;

pub use activation::Activation;
#[cfg(feature = "aot-inductor")]
pub use aot_inductor::AotInductor;
pub use conditional_bijection::ConditionalBijection;
pub use conv_net::{ConvNet, ConvNetConfig};
pub use embedding::{ConditionEmbedding, EmbeddingConfig};
pub use error::NetError;
pub use mlp::{Mlp, MlpFlowMap};
pub use network::Network;
pub use perceptron::MlpConfig;
pub use strait_core::ConditionKind;
pub use summary::{LayerSummary, NetworkSummary};
pub use time_features::TimeFeatures;
pub use torch_script::TorchScript;
pub use transformer::{Transformer, TransformerConfig};
pub use unet::{Unet, UnetConfig};
