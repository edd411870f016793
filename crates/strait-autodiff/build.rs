//! Compiles `native/` against the libtorch that torch-sys found, and puts that libtorch on the library path
//! that cargo hands to tests, doctests, examples and `cargo run` of every crate downstream.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    // Set by torch-sys, whose `links` key is "tch".
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        return; // torch-sys was built without a libtorch (its `doc-only` feature)
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let packages = env::var_os("CARGO_FEATURE_AOT_INDUCTOR").is_some();
    if packages && env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // What a package's library was linked to by name, with nothing in it.
        let mut link = cc::Build::new().get_compiler().to_command();
        link.args(["-shared", "-nostdlib", "-Wl,-soname,libtorch.so", "-x", "c", "/dev/null", "-o"]);
        let made = link.arg(out.join("libtorch_stub.so")).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "the compiler makes no shared library: install gcc or clang"
        );
    }
    // Clippy's build is another than the tests', and nothing of it is linked.
    let wrapper = env::var_os("RUSTC_WORKSPACE_WRAPPER").unwrap_or_default();
    if wrapper.to_string_lossy().contains("clippy-driver") {
        return;
    }
    let root = env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from).or_else(|| lib.parent().map(Path::to_path_buf));
    let include = root.unwrap_or_default().join("include");

    let mut native = cc::Build::new();
    if lib.join("libtorch_cuda.so").exists() {
        native.define("STRAIT_KEEP_CUDA", None);
    }
    native
        .cpp(true)
        .std("c++20")
        .pic(true)
        .debug(false)
        .opt_level(1) // it calls libtorch and computes nothing itself
        .warnings(false)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .include(&include)
        .include(include.join("torch/csrc/api/include"));
    // A draw or a step does not depend on the processor: products and sums stay apart.
    native
        .clone()
        .opt_level(2)
        .flag_if_supported("-ffp-contract=off")
        .flag_if_supported("-fno-math-errno")
        .file("native/draws.cc")
        .file("native/optimizer.cc")
        .compile("strait_passes");
    if packages {
        native.file("native/aot_inductor.cc");
    }
    native
        .file("native/strait_native.cc")
        .file("native/recomputed.cc")
        .file("native/reversible.cc")
        .compile("strait_native");
    // For crates with native code of their own (`DEP_STRAIT_NATIVE_...` in their build scripts). Cargo takes this output for that of
    // a copy of the sources elsewhere, as planted faults are compiled in: so the header lies where the output does.
    let headers = out.join("include");
    fs::create_dir_all(&headers)
        .and_then(|()| fs::copy("native/common.h", headers.join("common.h")))
        .expect("the target folder can be written");
    println!("cargo:include={}", headers.display());
    println!("cargo:libtorch_include={}", include.display());

    if let Ok(absolute) = fs::canonicalize(&lib) {
        let link = out.join("libtorch");
        let _ = fs::remove_file(&link);
        #[cfg(unix)]
        let linked = std::os::unix::fs::symlink(&absolute, &link).is_ok();
        #[cfg(not(unix))]
        let linked = false;
        if linked {
            // Cargo adds native search paths inside the target folder to LD_LIBRARY_PATH when it runs things.
            println!("cargo:rustc-link-search=native={}", link.display());
        }
    }
}
