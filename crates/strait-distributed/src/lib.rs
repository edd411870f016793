#![doc = include_str!("../README.md")]
#![allow(unsafe_code)] // it calls native code
#![warn(clippy::undocumented_unsafe_blocks)]

mod error;
#[cfg(feature = "gloo")]
mod ffi;
#[cfg(feature = "gloo")]
mod group;
mod place;
#[cfg(feature = "gloo")]
mod sentry;
#[cfg(feature = "gloo")]
mod store;
#[cfg(feature = "gloo")]
mod synchronize;

pub use error::{GroupError, RankState};
#[cfg(feature = "gloo")]
pub use group::Group;
pub use place::Place;
