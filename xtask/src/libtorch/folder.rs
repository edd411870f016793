//! A libtorch folder as torch-sys wants it: `lib/`, `include/` and `build-version`.

use std::fs;
use std::path::{Path, PathBuf};

use super::table::PAIRED;

/// Written last into a folder that xtask unpacked: the wheels it came from and the size of each library.
pub(super) const STAMP: &str = "strait-stamp";
/// Written into a folder that xtask made of links into an installed PyTorch: the folder of its package.
pub(super) const INSTALLED: &str = "strait-installed";

/// A folder that holds, or should hold, libtorch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Libtorch {
    root: PathBuf,
}

impl Libtorch {
    pub(crate) fn at(root: impl Into<PathBuf>) -> Libtorch {
        Libtorch { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What keeps it from being used here, in a few words.
    pub(crate) fn flaw(&self) -> Option<String> {
        if !self.root.is_dir() {
            return Some("no such folder".to_owned());
        }
        let library = if cfg!(target_os = "macos") { "lib/libtorch_cpu.dylib" } else { "lib/libtorch_cpu.so" };
        let header = "include/torch/csrc/api/include/torch/torch.h";
        if let Some(missing) = ["lib", "include", library, header].iter().find(|path| !self.root.join(path).exists()) {
            return Some(format!("it has no {missing}"));
        }
        match self.version() {
            Some(version) if version != PAIRED => {
                Some(format!("it is libtorch {version}, and tch pairs with {PAIRED}"))
            }
            _ => None,
        }
    }

    /// From `build-version`, or from the `version.py` of a PyTorch package, without its local part (`+cpu`).
    pub(crate) fn version(&self) -> Option<String> {
        let read = |path: PathBuf| fs::read_to_string(path).ok();
        let package_version = |package: &Path| python_version(&read(package.join("version.py"))?);
        let text = match read(self.root.join(INSTALLED)) {
            // Pip may have put another version there since the links were made.
            Some(package) => package_version(&self.root.join(package)),
            None => read(self.root.join("build-version")).or_else(|| package_version(&self.root)),
        }?;
        let version = text.trim().split('+').next()?;
        Some(version.to_owned())
    }

    pub(crate) fn has_cuda(&self) -> bool {
        self.root.join("lib/libtorch_cuda.so").exists()
    }

    /// "CPU" or "CUDA".
    pub(crate) fn devices(&self) -> &'static str {
        if self.has_cuda() { "CUDA" } else { "CPU" }
    }

    /// Whether xtask made it, from wheels or of links, and may choose another in its place.
    pub(crate) fn is_ours(&self) -> bool {
        self.root.join(STAMP).exists() || self.root.join(INSTALLED).exists()
    }

    /// What torch-sys was built against, as far as its build depends on it: version, variant, library sizes.
    pub(crate) fn identity(&self) -> String {
        let mut libraries = self.library_sizes("libtorch");
        libraries.extend(self.library_sizes("libc10"));
        format!("{} {}", self.version().unwrap_or_default(), libraries.join(" "))
    }

    /// `NAME=BYTES` for each library whose name begins with `prefix`, in order.
    pub(super) fn library_sizes(&self, prefix: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join("lib")).into_iter().flatten().flatten();
        let mut sizes: Vec<String> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok().filter(|name| name.starts_with(prefix))?;
                Some(format!("{name}={}", fs::metadata(entry.path()).ok()?.len()))
            })
            .collect();
        sizes.sort();
        sizes
    }
}

/// `2.13.0+cpu` from the text of `torch/version.py`.
pub(super) fn python_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A folder that passes for libtorch.
    pub(crate) fn fake(root: &Path, version: Option<&str>, cuda: bool) -> Libtorch {
        let include = root.join("include/torch/csrc/api/include/torch");
        fs::create_dir_all(&include).unwrap();
        fs::create_dir_all(root.join("lib")).unwrap();
        fs::write(include.join("torch.h"), "").unwrap();
        let extension = if cfg!(target_os = "macos") { "dylib" } else { "so" };
        fs::write(root.join(format!("lib/libtorch_cpu.{extension}")), "cpu").unwrap();
        if cuda {
            fs::write(root.join("lib/libtorch_cuda.so"), "cuda").unwrap();
        }
        if let Some(version) = version {
            fs::write(root.join("build-version"), version).unwrap();
        }
        Libtorch::at(root)
    }

    #[test]
    fn a_whole_folder_of_the_paired_version_has_no_flaw() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fake(folder.path(), Some("2.13.0+cpu\n"), false).flaw(), None);
    }

    #[test]
    fn a_folder_without_a_version_is_taken_on_trust() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fake(folder.path(), None, false).flaw(), None);
    }

    #[test]
    fn flaws_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let libtorch = fake(folder.path(), Some("2.9.1"), false);
        assert_eq!(libtorch.flaw().unwrap(), "it is libtorch 2.9.1, and tch pairs with 2.13.0");
        fs::remove_dir_all(folder.path().join("include")).unwrap();
        assert_eq!(libtorch.flaw().unwrap(), "it has no include");
        assert_eq!(Libtorch::at(folder.path().join("absent")).flaw().unwrap(), "no such folder");
    }

    #[test]
    fn a_pytorch_package_tells_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let libtorch = fake(folder.path(), None, false);
        fs::write(folder.path().join("version.py"), "from x import y\n__version__ = '2.8.0+cu126'\n").unwrap();
        assert_eq!(libtorch.version().as_deref(), Some("2.8.0"));
        assert!(libtorch.flaw().is_some());
    }

    #[test]
    fn the_identity_changes_with_what_a_build_depends_on() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (cpu, cuda) = (fake(one.path(), Some("2.13.0"), false), fake(two.path(), Some("2.13.0"), true));
        assert_ne!(cpu.identity(), cuda.identity());
        fs::remove_file(two.path().join("lib/libtorch_cuda.so")).unwrap();
        assert_eq!(cpu.identity(), cuda.identity());
    }
}
