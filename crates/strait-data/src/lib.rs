#![doc = include_str!("../README.md")]

mod array_dataset;
mod array_names;
mod byte_images;
mod check_samples;
mod cifar;
pub mod columns;
mod condition;
mod data_folder;
mod digits;
mod emoji;
mod epochs;
mod error;
mod fashion_mnist;
mod file;
mod file_form;
mod folder;
mod idx;
mod image_dataset;
mod image_layout;
mod moments;
mod normalise;
pub mod pictures;
mod read_ahead;
mod remarks;
mod row_store;
mod shift;
mod spaced;
mod splits;
mod toy_dataset;
pub mod toys;

pub use array_dataset::ArrayDataset;
pub use array_names::Arrays;
pub use cifar::{cifar10, cifar100};
pub use data_folder::data_dir;
pub use digits::digits;
pub use emoji::emoji;
pub use error::DataError;
pub use fashion_mnist::{fashion_mnist, mnist};
pub use file::{FileOptions, from_file, inspect};
pub use file_form::FileForm;
pub use folder::{FolderOptions, from_folder};
pub use image_layout::Image;
pub use moments::Scaling;
pub use normalise::Normalise;
pub use remarks::Remarks;
pub use shift::Shift;
pub use splits::Splits;
pub use toy_dataset::{NormalisedToy, ToyDataset};
pub use toys::Toy;

/// The name of the condition that classes are.
pub const LABELS: &str = "labels";
