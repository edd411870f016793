//! The folder of a run, the records in it, and the command that works on it.

pub mod command;
pub mod folder;
pub mod metrics;
pub mod output;
pub(crate) mod provenance;
pub mod ranks;
pub mod stop;
pub mod summary;
