#![doc = include_str!("../README.md")]

mod ahead;
pub mod checkpoint;
mod ema;
mod error;
mod kernels;
mod level;
pub mod objectives;
mod pairing;
mod phase;
mod position;
mod ranks;
mod schedule;
mod share;
mod slope;
mod system;
mod term;
mod times;
mod trainer;

pub use ema::Ema;
pub use error::OptimError;
pub use level::{Level, LevelName};
pub use pairing::Pairing;
pub use phase::{LevelPlan, Phase, check_plan};
pub use position::Position;
pub use schedule::{Decay, LearningRate};
pub use share::PairedOver;
pub use system::System;
pub use term::Term;
pub use times::{Spans, Times};
pub use trainer::{LevelLog, Trainer};
