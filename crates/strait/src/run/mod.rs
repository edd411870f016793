//! The folder of a run, the records in it, and the command that works on it.

pub mod command;
pub mod folder;
pub mod metrics;
pub(crate) mod provenance;
pub mod ranks;
pub mod stdout;
pub mod stop;
pub mod summary;
