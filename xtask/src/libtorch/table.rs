//! The pinned wheels of libtorch, one table for each platform. Every row is checked by its sha256.

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::wheel::Wheel;

/// The libtorch that this workspace's tch is paired with.
pub(crate) const PAIRED: &str = "2.13.0";

/// A system that libtorch is published for.
#[derive(Debug)]
pub(crate) struct Platform {
    os: &'static str,
    architecture: &'static str,
    /// Wheels that both variants need: torch itself, and the two CUDA libraries that its CPU half is linked to.
    base: &'static [Wheel],
    /// Wheels that only the CUDA variant needs.
    cuda: &'static [Wheel],
    /// What the CPU half of torch needs of `torch/lib` and of the NVIDIA wheels.
    cpu_libraries: &'static [&'static str],
}

/// One of the two forms of libtorch on one platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    platform: &'static Platform,
    pub(crate) cuda: bool,
}

impl Variant {
    /// The variant for the system this runs on.
    pub(crate) fn here(cuda: bool) -> Result<Variant> {
        Variant::on(std::env::consts::OS, std::env::consts::ARCH, cuda)
    }

    pub(crate) fn on(os: &str, architecture: &str, cuda: bool) -> Result<Variant> {
        PLATFORMS
            .iter()
            .find(|row| row.os == os && row.architecture == architecture && !(cuda && row.cuda.is_empty()))
            .map(|platform| Variant { platform, cuda })
            .ok_or_else(|| Failure::NoLibtorchFor { system: format!("{os} on {architecture}"), cuda })
    }

    /// The CPU half for this system, from other wheels.
    #[cfg(test)]
    pub(super) fn fake(base: &'static [Wheel]) -> Variant {
        let os = std::env::consts::OS;
        let cpu_libraries = &["libtorch_cpu.so", "libtorch_cpu.dylib"];
        let platform = Platform { os, architecture: "fake", base, cuda: &[], cpu_libraries };
        Variant { platform: Box::leak(Box::new(platform)), cuda: false }
    }

    /// The name of its folder in the cache.
    pub(crate) fn name(&self) -> String {
        format!("{PAIRED}-{}-{}", self.platform.architecture, if self.cuda { "cuda" } else { "cpu" })
    }

    pub(crate) fn wheels(&self) -> impl Iterator<Item = &'static Wheel> + use<> {
        let extra = if self.cuda { self.platform.cuda } else { &[] };
        self.platform.base.iter().chain(extra)
    }

    /// Where a member of a wheel belongs in the libtorch folder: headers under `include`, libraries flat under `lib`,
    /// where each finds the others (their run path holds `$ORIGIN`).
    pub(crate) fn place(&self, member: &str) -> Option<PathBuf> {
        if let Some(header) = member.strip_prefix("torch/include/") {
            return Some(PathBuf::from("include").join(header));
        }
        let (folder, name) = member.rsplit_once('/')?;
        let library = folder == "torch/lib" || (folder.starts_with("nvidia/") && folder.ends_with("/lib"));
        let python = name.starts_with("libtorch_python.") || name.starts_with("libshm");
        let wanted =
            if self.cuda { !python && name.contains(".so") } else { self.platform.cpu_libraries.contains(&name) };
        (library && wanted).then(|| PathBuf::from("lib").join(name))
    }

    /// A stand-in for `libtorch.so`, which is linked to libtorch_cuda: torch-sys links it by name.
    pub(crate) fn linker_script(&self) -> Option<(&'static str, &'static str)> {
        (self.platform.os == "linux" && !self.cuda).then_some(("libtorch.so", "INPUT(libtorch_cpu.so)\n"))
    }
}

const fn wheel(file: &'static str, sha256: &'static str) -> Wheel {
    Wheel { file, sha256 }
}

#[rustfmt::skip]
static PLATFORMS: [Platform; 3] = [
    Platform {
        os: "linux",
        architecture: "x86_64",
        base: &X86_64,
        cuda: &X86_64_CUDA,
        cpu_libraries: &["libc10.so", "libtorch_cpu.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"],
    },
    Platform {
        os: "linux",
        architecture: "aarch64",
        base: &AARCH64,
        cuda: &AARCH64_CUDA,
        cpu_libraries: &[
            "libc10.so", "libtorch_cpu.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13",
            "libarm_compute.so", "libarm_compute_graph.so", "libnvpl_blas_core.so.0", "libnvpl_blas_lp64_gomp.so.0",
            "libnvpl_lapack_core.so.0", "libnvpl_lapack_lp64_gomp.so.0",
        ],
    },
    Platform {
        os: "macos",
        architecture: "aarch64",
        base: &MACOS,
        cuda: &[],
        cpu_libraries: &["libc10.dylib", "libtorch.dylib", "libtorch_cpu.dylib", "libomp.dylib"],
    },
];

#[rustfmt::skip]
static X86_64: [Wheel; 3] = [
    wheel("torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl", "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b"),
    wheel("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
    wheel("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
];

#[rustfmt::skip]
static X86_64_CUDA: [Wheel; 12] = [
    wheel("nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_x86_64.whl", "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436"),
    wheel("nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl", "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304"),
    wheel("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"),
    wheel("nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44"),
    wheel("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl", "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc"),
    wheel("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl", "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112"),
    wheel("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b"),
    wheel("nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_x86_64.whl", "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0"),
    wheel("nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_x86_64.whl", "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d"),
    wheel("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80"),
    wheel("nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"),
    wheel("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"),
];

#[rustfmt::skip]
static AARCH64: [Wheel; 3] = [
    wheel("torch-2.13.0-cp312-cp312-manylinux_2_28_aarch64.whl", "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4"),
    wheel("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55"),
    wheel("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl", "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"),
];

#[rustfmt::skip]
static AARCH64_CUDA: [Wheel; 12] = [
    wheel("nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_aarch64.whl", "b7a210458267ac818974c53038fbec2e969d5c99f305ab15c72522fa9f001dd5"),
    wheel("nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_aarch64.whl", "e31454ae00094b0c55319d9d15b6fa2fc50a9e1c0f5c8c80fb75258234e731e1"),
    wheel("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5"),
    wheel("nvidia_cufile-1.15.1.6-py3-none-manylinux_2_27_aarch64.whl", "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1"),
    wheel("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_aarch64.whl", "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a"),
    wheel("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_aarch64.whl", "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2"),
    wheel("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c"),
    wheel("nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_aarch64.whl", "4dca476c50bf4780d46cd0bfbd82e2bc10a08e4fef7950917ce8d7578d22a23f"),
    wheel("nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_aarch64.whl", "674a12383e3c38a1bcccae7d4f3633b37852230b6047883cb2f4c2d1b36d9bf5"),
    wheel("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9"),
    wheel("nvidia_nvjitlink-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c"),
    wheel("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b"),
];

#[rustfmt::skip]
static MACOS: [Wheel; 1] = [
    wheel("torch-2.13.0-cp312-cp312-macosx_14_0_arm64.whl", "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static Wheel> {
        PLATFORMS.iter().flat_map(|platform| platform.base.iter().chain(platform.cuda))
    }

    #[test]
    fn every_row_is_pinned_by_a_whole_sha256() {
        for wheel in all() {
            let hex = wheel.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(hex && wheel.sha256.len() == 64, "{}", wheel.file);
            assert_eq!(wheel.file.matches('-').count(), 4, "{}", wheel.file);
        }
    }

    #[test]
    fn no_two_rows_share_a_file_or_a_sum() {
        for (index, wheel) in all().enumerate() {
            assert!(all().skip(index + 1).all(|other| other.file != wheel.file && other.sha256 != wheel.sha256));
        }
    }

    #[test]
    fn torch_is_the_paired_version_everywhere() {
        for platform in &PLATFORMS {
            assert!(platform.base.iter().any(|wheel| wheel.requirement() == format!("torch=={PAIRED}")));
        }
    }

    #[test]
    fn the_cpu_half_leaves_cuda_and_python_out() {
        let cpu = Variant::on("linux", "x86_64", false).unwrap();
        let cuda = Variant::on("linux", "x86_64", true).unwrap();
        let place = |variant: &Variant, member| variant.place(member).map(|path| path.display().to_string());
        for (member, in_cpu, in_cuda) in [
            ("torch/lib/libtorch_cpu.so", Some("lib/libtorch_cpu.so"), Some("lib/libtorch_cpu.so")),
            ("torch/lib/libtorch.so", None, Some("lib/libtorch.so")),
            ("torch/lib/libtorch_cuda.so", None, Some("lib/libtorch_cuda.so")),
            ("torch/lib/libtorch_python.so", None, None),
            ("nvidia/cu13/lib/libcudart.so.13", Some("lib/libcudart.so.13"), Some("lib/libcudart.so.13")),
            ("nvidia/cudnn/lib/libcudnn.so.9", None, Some("lib/libcudnn.so.9")),
            ("torch/include/torch/script.h", Some("include/torch/script.h"), Some("include/torch/script.h")),
            ("torch/nn/modules/linear.py", None, None),
        ] {
            assert_eq!(place(&cpu, member).as_deref(), in_cpu, "{member}");
            assert_eq!(place(&cuda, member).as_deref(), in_cuda, "{member}");
        }
    }

    #[test]
    fn a_system_without_cuda_says_so() {
        assert!(Variant::on("macos", "aarch64", false).is_ok());
        assert!(matches!(Variant::on("macos", "aarch64", true), Err(Failure::NoLibtorchFor { cuda: true, .. })));
        assert!(matches!(Variant::on("freebsd", "x86_64", false), Err(Failure::NoLibtorchFor { cuda: false, .. })));
    }
}
