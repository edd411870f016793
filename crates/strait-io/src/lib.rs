#![doc = include_str!("../README.md")]

mod array_format;
mod digest;
mod element;
mod error;
pub mod npy;
pub mod npz;
mod open;
mod row_file;
pub mod tensors;
pub mod torch;
mod whole_file;

pub use array_format::ArrayFormat;
pub use digest::{digest_of, sha256, sha256_of};
pub use element::Element;
pub use error::IoError;
pub use open::open;
pub use row_file::RowFile;
pub use whole_file::{write_new, write_whole};
