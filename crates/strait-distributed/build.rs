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
    cc::Build::new()
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
