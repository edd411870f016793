//! Compiles `native/` against the libtorch that `strait-autodiff` found.

use std::env;
use std::path::PathBuf;

/// GNU's OpenMP, with which libtorch for Linux comes.
const OPENMP: &str = "libgomp.so.1";

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo::rustc-check-cfg=cfg(threads)");
    // Set by strait-autodiff; not where nothing is linked (clippy, docs without a libtorch).
    let given = |name: &str| env::var_os(format!("DEP_STRAIT_NATIVE_{name}")).map(PathBuf::from);
    let (Some(common), Some(libtorch)) = (given("INCLUDE"), given("LIBTORCH_INCLUDE")) else { return };
    let mut native = cc::Build::new();
    native
        .cpp(true)
        .std("c++20")
        .pic(true)
        .opt_level(2)
        .debug(false)
        .warnings(false)
        // Else GCC keeps comparisons as branches where there is no AVX-512, and loops with one stay scalar.
        .flag_if_supported("-fno-trapping-math")
        .flag_if_supported("-Wno-psabi")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .include(common)
        .include(&libtorch)
        .include(libtorch.join("torch/csrc/api/include"));
    // The threads that libtorch computes with are those of the OpenMP that lies beside it: of another there would be twice as many.
    let threads = libtorch.parent().map(|root| root.join("lib").join(OPENMP)).is_some_and(|lib| lib.exists());
    let threads = threads && native.get_compiler().is_like_gnu();
    if threads {
        native.flag("-fopenmp");
        println!("cargo:rustc-cfg=threads");
    }
    // Products and sums stay apart, so that a network that is zero makes the linear path to the bit.
    native.clone().flag_if_supported("-ffp-contract=off").file("native/affine_curve.cc").compile("strait_exact");
    // The longest first.
    let units = ["spline", "fields", "maps", "images"].map(|unit| format!("native/{unit}.cc"));
    native.files(units).compile("strait_kernels");
    if threads {
        println!("cargo:rustc-link-lib=dylib:+verbatim={OPENMP}");
    }
}
