//! libtorch for this workspace: the user's own, an installed PyTorch, or the pinned wheels, linked as `.libtorch`.

mod fetch;
mod find;
mod folder;
mod link;
mod table;

pub(crate) use find::{ensure, installed_version, survey};
pub(crate) use table::{PAIRED, Variant};
