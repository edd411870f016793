#![doc = include_str!("../README.md")]
//!
//! Tensors are batch first. $x_0 \sim p_0$ is the source, $x_1 \sim p_1$ the data, $t \in [0, 1]$; the flow runs from
//! $t = 0$ to $t = 1$, and "forward" always means from source to data.

mod batch_share;
mod bijection;
mod conditional;
mod conditions;
mod coupling;
mod dataset;
mod error;
mod field;
mod interpolant;
mod marginal;
mod objective;
mod parameters;
mod seed;
mod shape;
mod source;
mod stepper;
mod synchronize;
mod time_function;
mod training_mode;

pub use batch_share::BatchShare;
pub use bijection::{Bijection, Condition, ConditionJet, Direction, Transformed};
pub use conditional::{Bound, Conditional};
pub use conditions::{ConditionKind, Conditions};
pub use coupling::{Coupling, PairedDataset, Pairs, check_independent};
pub use dataset::{Dataset, Split};
pub use error::Error;
pub use field::{
    FlowMap, MapBatch, MapIdentity, Segments, SquareError, TrajectoryDataset, VelocityField, average_velocity_jvp,
    check_times,
};
pub use interpolant::{Interpolant, Inverted, InvertibleInterpolant, PathCurve, PathSample, path_given};
pub use marginal::{ConditionalPaths, Marginal, MovingMarginal, Points, weights};
pub use objective::{Batch, Loss, Models, Objective, Sampling};
pub use parameters::{Init, Parameters, Scope};
pub use seed::{DRAWS_VERSION, Draws, Seed, Stream};
pub use shape::{check_batch, check_finite, check_same, event_size, own_endpoints, per_sample, sum_per_sample};
pub use source::{Source, StandardNormal};
pub use stepper::Stepper;
pub use strait_autodiff::{Jet, Order};
pub use synchronize::{Alone, Synchronize};
pub use time_function::TimeFunction;
pub use training_mode::{Training, TrainingMode};
