#!/usr/bin/env bash
# Two copies of a workspace that share a target folder share what a build script printed, absolute paths of the other copy included.
#
# Expected: a path dependency in another folder is another package, so that cargo runs its build script there anew.
# Seen: cargo 1.95.0: a member of a workspace is known by its place within the workspace. In a copy with the same times of files the
# script of `native` counts as fresh, and the package that depends on it gets the folder of the first copy as DEP_NATIVE_INCLUDE;
# once the first copy is removed, it gets a folder that is not there. No warning, also of `rerun-if-changed`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p first/native/src first/native/include first/user/src
echo '#define ONE 1' > first/native/include/one.h
touch first/native/src/lib.rs first/user/src/lib.rs
cat > first/Cargo.toml <<'END'
[workspace]
members = ["native", "user"]
resolver = "3"
END
cat > first/native/Cargo.toml <<'END'
[package]
name = "native"
version = "0.1.0"
edition = "2024"
links = "native"
END
cat > first/native/build.rs <<'END'
fn main() {
    println!("cargo:rerun-if-changed=include");
    println!("cargo:include={}", std::env::current_dir().unwrap().join("include").display());
}
END
cat > first/user/Cargo.toml <<'END'
[package]
name = "user"
version = "0.1.0"
edition = "2024"

[dependencies]
native = { path = "../native" }
END
cat > first/user/build.rs <<'END'
fn main() {
    let include = std::path::PathBuf::from(std::env::var_os("DEP_NATIVE_INCLUDE").unwrap());
    let copy = include.ancestors().nth(2).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let there = if include.join("one.h").exists() { "there" } else { "not there" };
    println!("cargo:rerun-if-changed=changed");
    println!("cargo:warning=the header of the {copy} copy, {there}");
}
END
export CARGO_TARGET_DIR="$folder/target"
build() { (cd "$1" && date +%N > user/changed && cargo build 2>&1 | grep -o 'the header of.*'); }
cargo --version
echo "built in the first copy:  $(build first)"
cp -a first second
seen=$(build second)
echo "built in the second copy: $seen"
mv first elsewhere
removed=$(build second)
echo "with the first removed:   $removed"
[ "$seen" = "the header of the first copy, there" ]
[ "$removed" = "the header of the first copy, not there" ]
