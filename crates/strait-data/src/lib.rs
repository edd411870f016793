#![doc = include_str!("../README.md")]

mod array_dataset;
mod digits;
mod error;
mod fashion_mnist;
mod file;
mod location;
mod normalise;
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
