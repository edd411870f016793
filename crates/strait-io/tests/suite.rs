//! All tests of this crate in one executable, which links and starts once: `cargo test -p strait-io --test suite FILE::`.

mod arrays;
mod tensors;
