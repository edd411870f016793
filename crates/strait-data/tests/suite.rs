//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-data --test suite FILE::`.

mod array_dataset;
mod conditions;
mod digits;
mod fashion_mnist;
mod files;
mod fuzz;
mod images;
mod own_data;
mod own_data_limits;
mod pictures;
mod toy_dataset;
mod toys;
