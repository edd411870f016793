//! The folder of a run and the records in it.

pub mod command;
pub mod folder;
pub(crate) mod provenance;
pub mod summary;
