//! `cargo xtask`: see the library of this package.

#[cfg(unix)]
fn main() {
    std::process::exit(xtask::main(std::env::args_os().skip(1)));
}

#[cfg(not(unix))]
fn main() {
    eprintln!(
        "error: `cargo xtask` does not support this system yet: unpack libtorch 2.13.0 yourself, set LIBTORCH to its \
         folder, put its lib folder on PATH, and call cargo directly"
    );
    std::process::exit(1);
}
