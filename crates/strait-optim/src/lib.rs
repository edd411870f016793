#![doc = include_str!("../README.md")]

pub mod checkpoint;
mod ema;
mod error;
mod kernels;
mod learning_rate;
mod level;
mod level_gradient;
pub mod objectives;
mod pair_ahead;
mod pairing;
mod phase;
mod position;
mod ranks;
mod share;
mod system;
mod term;
mod times;
mod trainer;

pub use ema::Ema;
pub use error::OptimError;
pub use learning_rate::{Decay, LearningRate};
pub use level::{Level, LevelName};
pub use pairing::Pairing;
pub use phase::{LevelPlan, Phase, check_plan};
pub use position::Position;
pub use share::PairedOver;
pub use strait_autodiff::keep_freed_memory;
pub use system::System;
pub use term::Term;
pub use times::{Spans, Times};
pub use trainer::{LevelLog, Trainer};
