#![doc = include_str!("../README.md")]

mod array_dataset;
mod arrays;
pub mod columns;
mod digits;
mod error;
mod fashion_mnist;
mod file;
mod file_form;
mod images;
mod location;
mod moments;
mod normalise;
mod points;
mod toy_dataset;
pub mod toys;

pub use array_dataset::{ArrayDataset, Splits};
pub use arrays::Arrays;
pub use digits::digits;
pub use error::DataError;
pub use fashion_mnist::fashion_mnist;
pub use file::{FileOptions, from_file, inspect};
pub use file_form::FileForm;
pub use images::Image;
pub use location::data_dir;
pub use moments::Scaling;
pub use normalise::Normalise;
pub use toy_dataset::{NormalisedToy, ToyDataset};
pub use toys::Toy;
