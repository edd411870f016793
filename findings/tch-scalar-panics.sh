#!/usr/bin/env bash
# A fallible function of tch that takes a number panics where it fails, and returns no error.
#
# Expected: a function whose name begins with f_ returns a Result: what libtorch refuses is an Err with its words.
# Seen: tch 0.26.0, torch 2.13.0, CPU: f_add and f_lerp_tensor of two tensors that do not fit return an Err. f_lerp of the same two, with
# the number 0.5, panics; so do f_fill_(1e308) of single precision and f_bitwise_and(0.5). The number is freed before the error is
# read, and the wrapper of that takes the error for its own and unwraps it. The panic can be caught; nothing is aborted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
mkdir -p "$folder/package/src"
cd "$folder/package"
cat > Cargo.toml <<'END'
[package]
name = "fallible"
version = "0.1.0"
edition = "2024"

[dependencies]
tch = "=0.26.0"

[workspace]
END
cat > src/main.rs <<'END'
use std::panic::{UnwindSafe, catch_unwind, set_hook};
use tch::{TchError, Tensor};

fn how(work: impl FnOnce() -> Result<Tensor, TchError> + UnwindSafe) -> &'static str {
    match catch_unwind(work) {
        Ok(Ok(_)) => "a tensor",
        Ok(Err(_)) => "an error",
        Err(_) => "a panic",
    }
}

fn main() {
    set_hook(Box::new(|_| ()));
    let (two, three) = (|| Tensor::from_slice(&[1f32, 2.0]), || Tensor::from_slice(&[1f32, 2.0, 3.0]));
    let half = || Tensor::from(0.5f32);
    for (name, expected, seen) in [
        ("f_add, two shapes", "an error", how(|| two().f_add(&three()))),
        ("f_lerp_tensor, two shapes", "an error", how(|| two().f_lerp_tensor(&three(), &half()))),
        ("f_lerp(0.5), one shape", "a tensor", how(|| two().f_lerp(&two(), 0.5))),
        ("f_lerp(0.5), two shapes", "a panic", how(|| two().f_lerp(&three(), 0.5))),
        ("f_fill_(1e308)", "a panic", how(|| two().f_fill_(1e308))),
        ("f_bitwise_and(0.5)", "a panic", how(|| two().f_bitwise_and(0.5))),
    ] {
        println!("{name}: {seen}");
        assert_eq!(seen, expected, "{name}");
    }
}
END
export LIBTORCH_USE_PYTORCH=1 PATH="$folder/venv/bin:$PATH"
libraries=$(python -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
LD_LIBRARY_PATH="$libraries" cargo run --quiet
