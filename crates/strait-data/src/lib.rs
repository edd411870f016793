//! Data sets: named toys with known densities, digits, Fashion-MNIST, and your own npy or npz files.
//!
//! Everything here is a [`strait_core::Dataset`] (points, normalised, with the way back) or a [`strait_core::Source`]
//! (samples and, where there is one, the log-density). Files are read, never fetched: what is missing is an error
//! that says where it was looked for.

mod array_dataset;
mod digits;
mod error;
mod fashion_mnist;
mod file;
mod location;
mod normalise;
mod npy;
mod toy_dataset;
pub mod toys;

pub use array_dataset::{ArrayDataset, Image, Splits};
pub use digits::digits;
pub use error::DataError;
pub use fashion_mnist::fashion_mnist;
pub use file::from_file;
pub use location::data_dir;
pub use normalise::{Normalise, Scaling};
pub use toy_dataset::{NormalisedToy, ToyDataset};
pub use toys::Toy;
