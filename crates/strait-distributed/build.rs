//! Compiles `native/` against the libtorch that `strait-autodiff` found and gloo's headers, under the feature `gloo`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo:rerun-if-env-changed=GLOO_INCLUDE");
    if env::var_os("CARGO_FEATURE_GLOO").is_none() {
        return;
    }
    // Set by strait-autodiff; not where nothing is linked (clippy, docs without a libtorch).
    let given = |name: &str| env::var_os(format!("DEP_STRAIT_NATIVE_{name}")).map(PathBuf::from);
    let (Some(common), Some(libtorch)) = (given("INCLUDE"), given("LIBTORCH_INCLUDE")) else { return };
    let Some(gloo) = headers() else {
        eprintln!(
            "no headers of gloo: `cargo xtask gloo` finds or fetches them, or set GLOO_INCLUDE to a folder with gloo/"
        );
        exit(1);
    };
    println!("cargo:rerun-if-changed={}", gloo.join("gloo/context.h").display());
    let mut build = cc::Build::new();
    if env::var_os("CARGO_FEATURE_NCCL").is_some() {
        println!("cargo:rerun-if-env-changed=NCCL_INCLUDE");
        let folders: Vec<PathBuf> =
            env::var_os("NCCL_INCLUDE").iter().flat_map(|list| env::split_paths(list).collect::<Vec<_>>()).collect();
        for header in ["nccl.h", "cuda_runtime_api.h"] {
            if !folders.iter().any(|folder| folder.join(header).is_file()) {
                eprintln!(
                    "no {header}: set NCCL_INCLUDE to the folders of nccl.h and of CUDA's headers, with `:` between"
                );
                exit(1);
            }
        }
        for define in ["STRAIT_NCCL", "USE_C10D_NCCL", "USE_CUDA"] {
            build.define(define, None);
        }
        build.includes(folders);
    }
    build
        .cpp(true)
        .std("c++20")
        .pic(true)
        .debug(false)
        .opt_level(1) // it calls libtorch and computes nothing itself
        .warnings(false)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .define("USE_C10D_GLOO", None)
        .include(common)
        .include(&libtorch)
        .include(libtorch.join("torch/csrc/api/include"))
        .include(gloo)
        .file("native/group.cc")
        .compile("strait_distributed");
}

/// The folder that holds `gloo/`: GLOO_INCLUDE (in this workspace the link that xtask makes), else the system's.
fn headers() -> Option<PathBuf> {
    let own = env::var_os("GLOO_INCLUDE").map(PathBuf::from);
    let found = |folder: &PathBuf| folder.join("gloo/context.h").is_file();
    own.into_iter().chain([Path::new("/usr/include").into(), "/usr/local/include".into()]).find(found)
}
