//! The per-user cache: one folder, one lock for each entry, and folders that are complete or absent.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// Where fetched things live between runs and between clones.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// Held while one process changes a thing; the next waits.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Cache {
    /// `$XDG_CACHE_HOME/strait`, else `~/Library/Caches/strait` on macOS and `~/.cache/strait` elsewhere.
    pub(crate) fn of_user() -> Result<Cache> {
        Cache::choose(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"), cfg!(target_os = "macos"))
    }

    fn choose(xdg: Option<OsString>, home: Option<OsString>, macos: bool) -> Result<Cache> {
        let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute(xdg)
            .or_else(|| absolute(home).map(|home| home.join(if macos { "Library/Caches" } else { ".cache" })))
            .ok_or(Failure::NoHome)?;
        Ok(Cache::at(folder.join("strait")))
    }

    pub(crate) fn at(root: PathBuf) -> Cache {
        Cache { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Wheels on their way in: `NAME.whl` placed by hand, `NAME.whl.part` fetched.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// Unpacked libtorch folders.
    pub(crate) fn libtorch(&self) -> PathBuf {
        self.root.join("libtorch")
    }

    /// Data sets, unless STRAIT_DATA names another folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Waits for the lock of `name`; it is released on drop, and by the system if the process dies.
    pub(crate) fn lock(&self, name: &str) -> Result<Lock> {
        create_folder(&self.root)?;
        let path = self.root.join(format!("{name}.lock"));
        let file = File::create(&path).map_err(Failure::file("write", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tell!("waiting for another xtask that is preparing {name}");
                file.lock().map_err(Failure::file("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(Failure::file("lock", &path)(error)),
        }
        Ok(Lock { _file: file })
    }
}

/// Fills a folder beside `target` and renames it into place, so that `target` is whole or absent.
///
/// The caller holds the lock: what a killed process left under the temporary name is swept away.
pub(crate) fn install_folder(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let partial = target.with_file_name(format!(".partial-{name}"));
    remove_folder(&partial)?;
    create_folder(&partial)?;
    fill(&partial).inspect_err(|_| drop(fs::remove_dir_all(&partial)))?;
    remove_folder(target)?;
    fs::rename(&partial, target).map_err(Failure::file("rename into", target))
}

/// Writes a file under a temporary name and renames it into place.
pub(crate) fn install_file(target: &Path, contents: &[u8]) -> Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let partial = target.with_file_name(format!(".partial-{name}-{}", std::process::id()));
    if let Some(folder) = target.parent() {
        create_folder(folder)?;
    }
    fs::write(&partial, contents).map_err(Failure::file("write", &partial))?;
    fs::rename(&partial, target).map_err(Failure::file("rename into", target))
}

/// Creates a folder and its parents.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Failure::file("create", path))
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The sha256 of a file, in lower-case hex.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Failure::file("read", path))?;
    let length = file.metadata().map_err(Failure::file("read", path))?.len();
    let mut progress = Progress::new("checking", length);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let read = file.read(&mut buffer).map_err(Failure::file("read", path))?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        done += read as u64;
        progress.at(done);
    }
}

/// The sha256 of bytes, in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_the_environment() {
        let choose = |xdg: &str, home: &str, macos| {
            let cache = Cache::choose(Some(xdg.into()), Some(home.into()), macos);
            cache.map(|cache| cache.root().display().to_string()).ok()
        };
        assert_eq!(choose("/xdg", "/home/me", false).as_deref(), Some("/xdg/strait"));
        assert_eq!(choose("", "/home/me", false).as_deref(), Some("/home/me/.cache/strait"));
        assert_eq!(choose("relative", "/home/me", true).as_deref(), Some("/home/me/Library/Caches/strait"));
        assert_eq!(choose("", "", false), None);
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("thing");
        let fail = |partial: &Path| {
            fs::write(partial.join("half"), "").unwrap();
            Err(Failure::NoHome)
        };
        assert!(install_folder(&target, fail).is_err());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
        // What a killed process left, and an older version, give way.
        fs::create_dir_all(scratch.path().join(".partial-thing/rest")).unwrap();
        fs::create_dir_all(target.join("old")).unwrap();
        install_folder(&target, |partial| install_file(&partial.join("new"), b"x")).unwrap();
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named_with_a_remedy() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        let said = create_folder(&file.join("below")).unwrap_err().to_string();
        assert!(said.starts_with(&format!("cannot create {}", file.display())), "{said}");
        let full = Failure::file("write", &file)(std::io::ErrorKind::StorageFull.into()).to_string();
        assert!(full.ends_with("free some disk space and run again, or set XDG_CACHE_HOME to a larger disk"), "{full}");
    }

    #[test]
    fn sums_are_those_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("abc"), "abc").unwrap();
        assert_eq!(sha256_of_file(&scratch.path().join("abc")).unwrap(), abc);
    }
}
