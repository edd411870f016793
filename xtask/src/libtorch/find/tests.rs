//! The order of resolution, over fake folders and a fake python3.

use super::super::fetch::intact;
use super::super::folder::STAMP;
use super::super::folder::tests::fake;
use super::*;
use crate::archive::tests::zip;
use crate::pip::tests::{FILE, Index, python, wheel_of};
use crate::workspace::tests::Sandbox;

/// A python3 that knows a PyTorch package in `package`, and whose pip reaches nothing.
fn with_pytorch(sandbox: &Sandbox, package: &Path, abi: &str) -> Python {
    python(
        &sandbox.path("python"),
        &format!(
            "case \"$2\" in *find_spec*) echo {}/__init__.py;; *'import torch'*) echo {abi};; *) exit 11;; esac",
            package.display()
        ),
    )
}

fn pytorch(sandbox: &Sandbox, version: &str, cuda: bool) -> PathBuf {
    let package = sandbox.path("site-packages/torch");
    fake(&package, None, cuda);
    fs::write(package.join("version.py"), format!("__version__ = '{version}'\n")).unwrap();
    package
}

fn cache(sandbox: &Sandbox) -> Cache {
    Cache::at(sandbox.path("cache"))
}

#[test]
fn the_users_own_comes_first() {
    let mut sandbox = Sandbox::new();
    let linked = fake(&sandbox.path("linked"), Some("2.13.0"), false);
    point(&sandbox.workspace, &linked).unwrap();
    let own = fake(&sandbox.path("own"), Some("2.13.0"), false);
    sandbox.set_libtorch(own.root());
    assert_eq!(choose(&sandbox.workspace, &cache(&sandbox), false, || None).unwrap(), own);
}

#[test]
fn the_users_own_is_refused_by_name_and_never_passed_over() {
    let mut sandbox = Sandbox::new();
    let old = fake(&sandbox.path("own"), Some("2.4.0"), false);
    for (path, flaw) in [
        (old.root(), "it is libtorch 2.4.0, and tch pairs with 2.13.0"),
        (Path::new("/nonexistent"), "no such folder"),
        (Path::new("relative/libtorch"), "it is not an absolute path"),
    ] {
        sandbox.set_libtorch(path);
        let said = choose(&sandbox.workspace, &cache(&sandbox), false, || None).unwrap_err().to_string();
        assert!(said.starts_with(&format!("LIBTORCH={}: {flaw}", path.display())), "{said}");
    }
}

#[test]
fn what_is_linked_is_kept_without_asking_python() {
    let sandbox = Sandbox::new();
    let linked = fake(&sandbox.path("linked"), Some("2.13.0"), false);
    point(&sandbox.workspace, &linked).unwrap();
    let found = choose(&sandbox.workspace, &cache(&sandbox), false, || panic!("python was asked")).unwrap();
    assert_eq!(found.root(), fs::canonicalize(linked.root()).unwrap());
}

#[test]
fn an_installed_pytorch_of_the_paired_version_is_linked_to() {
    let sandbox = Sandbox::new();
    let package = pytorch(&sandbox, "2.13.0+cpu", false);
    let python = with_pytorch(&sandbox, &package, "True");
    let found = choose(&sandbox.workspace, &cache(&sandbox), false, || Some(python.clone())).unwrap();
    assert_eq!(fs::canonicalize(found.root().join("lib")).unwrap(), fs::canonicalize(package.join("lib")).unwrap());
    assert_eq!(fs::read_to_string(found.root().join("build-version")).unwrap(), "2.13.0");
    assert!(found.is_ours() && found.flaw().is_none());
}

#[test]
fn an_adopted_pytorch_that_pip_has_upgraded_is_no_longer_used_until_it_is_paired_again() {
    let sandbox = Sandbox::new();
    let package = pytorch(&sandbox, "2.13.0+cpu", false);
    let python = with_pytorch(&sandbox, &package, "True");
    let choose = || choose(&sandbox.workspace, &cache(&sandbox), false, || Some(python.clone()));
    let adopted = choose().unwrap();
    point(&sandbox.workspace, &adopted).unwrap();
    assert!(settled(&sandbox.workspace, false).unwrap().is_some());

    pytorch(&sandbox, "2.14.0+cpu", false);
    assert_eq!(unusable(&adopted).unwrap(), "it is libtorch 2.14.0, and tch pairs with 2.13.0");
    assert_eq!(settled(&sandbox.workspace, false).unwrap(), None);
    assert!(choose().is_err(), "it would fetch the wheels, and there is no network");

    pytorch(&sandbox, "2.13.0", false);
    assert_eq!(choose().unwrap().root(), fs::canonicalize(adopted.root()).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn an_installed_pytorch_that_does_not_serve_is_passed_over() {
    for (version, abi, cuda) in
        [("2.12.1", "True", false), ("2.13.0", "False", false), ("2.13.0", "", false), ("2.13.0", "True", true)]
    {
        let sandbox = Sandbox::new();
        let python = with_pytorch(&sandbox, &pytorch(&sandbox, version, false), abi);
        let failure = choose(&sandbox.workspace, &cache(&sandbox), cuda, || Some(python.clone())).unwrap_err();
        let Failure::Fetch { files, folder, .. } = failure else { panic!("{failure}") };
        assert_eq!(files.len(), if cuda { 15 } else { 3 }, "all that must be placed is named");
        assert!(files[0].starts_with("torch-2.13.0-") && folder == cache(&sandbox).downloads());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn cuda_replaces_a_cpu_half_of_ours_and_respects_the_users() {
    let sandbox = Sandbox::new();
    let package = pytorch(&sandbox, "2.13.0", true);
    let python = with_pytorch(&sandbox, &package, "True");
    let linked = fake(&sandbox.path("linked"), Some("2.13.0"), false);
    point(&sandbox.workspace, &linked).unwrap();
    let users = choose(&sandbox.workspace, &cache(&sandbox), true, || Some(python.clone())).unwrap();
    assert!(!users.has_cuda());
    fs::write(linked.root().join(INSTALLED), "").unwrap();
    let ours = choose(&sandbox.workspace, &cache(&sandbox), true, || Some(python.clone())).unwrap();
    assert!(ours.has_cuda());
}

#[test]
fn a_link_to_a_damaged_folder_of_ours_is_not_kept() {
    let sandbox = Sandbox::new();
    let linked = fake(&sandbox.path("linked"), Some("2.13.0"), false);
    point(&sandbox.workspace, &linked).unwrap();
    assert!(settled(&sandbox.workspace, false).unwrap().is_some());
    fs::write(linked.root().join(STAMP), "of other wheels, or of libraries of another size\n").unwrap();
    assert!(settled(&sandbox.workspace, false).unwrap().is_none());
    assert_eq!(unusable(&linked).unwrap(), "it is not as it was unpacked");
}

#[test]
fn wheels_become_a_folder_that_notices_damage() {
    let sandbox = Sandbox::new();
    let library = if cfg!(target_os = "macos") { "torch/lib/libtorch_cpu.dylib" } else { "torch/lib/libtorch_cpu.so" };
    let header = "torch/include/torch/csrc/api/include/torch/torch.h";
    let bytes = zip(&[(library, b"machine code"), (header, b""), ("torch/nn/linear.py", b"")]);
    let index = Index::serve(&bytes, 1);
    let (python, cache) = (index.python(&sandbox.path("python")), cache(&sandbox));
    let variant = Variant::fake(Box::leak(Box::new([wheel_of(&bytes)])));

    let found = fetched(&cache, &variant, || Some(python.clone())).unwrap();
    assert_eq!(found.flaw(), None);
    assert!(!found.root().join("nn").exists() && !cache.downloads().join(format!("{FILE}.part")).exists());
    let asked = index.transfers.lock().unwrap().len();
    assert_eq!(cached(&cache, &variant), Some(found.clone()));
    fetched(&cache, &variant, || panic!("python was asked")).unwrap();

    fs::write(found.root().join("lib").join(Path::new(library).file_name().unwrap()), "machine").unwrap();
    assert_eq!(cached(&cache, &variant), None);
    fetched(&cache, &variant, || Some(python.clone())).unwrap();
    assert!(index.transfers.lock().unwrap().len() > asked && cached(&cache, &variant).is_some());
}

#[test]
fn a_stamp_of_other_wheels_is_not_intact() {
    let sandbox = Sandbox::new();
    let libtorch = fake(&sandbox.path("old"), Some("2.13.0"), false);
    assert!(intact(&libtorch));
    fs::write(libtorch.root().join(STAMP), "0000 torch-2.13.0.whl\n").unwrap();
    assert!(!intact(&libtorch));
}
