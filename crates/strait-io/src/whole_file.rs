//! Atomic writes: whenever the program is killed, a file is either complete or as it was before.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Puts what `write` writes in the place of the file at `path`: it is given a file of its own beside it, which takes the
/// name only when all is on disk. Several that do so at once, processes or threads, leave what one of them wrote. Where `path`
/// is a symbolic link it stays one, and the file that it leads to is written, whether that is there yet or not.
///
/// # Errors
/// Those of `write` and the system's; the file is then as it was.
///
/// ```
/// use std::fs;
/// let path = std::env::temp_dir().join(format!("strait-{}.txt", std::process::id()));
/// strait_io::write_whole(&path, |to| fs::write(to, "all of it"))?;
/// assert_eq!(fs::read_to_string(&path)?, "all of it");
/// # fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_whole<E: From<io::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    put(path, write, E::from)
}

/// As [`write_whole`], where no file stands at `path` yet: of several processes that do so at once, one writes. Returns whether
/// this one did; a file that is there stays.
///
/// # Errors
/// The system's.
///
/// ```
/// use std::fs;
/// let path = std::env::temp_dir().join(format!("strait-new-{}.txt", std::process::id()));
/// assert!(strait_io::write_new(&path, b"the first")?);
/// assert!(!strait_io::write_new(&path, b"the second")?);
/// assert_eq!(fs::read_to_string(&path)?, "the first");
/// # fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let temporary = temporary(path);
    let placed = fs::write(&temporary, bytes).and_then(|()| {
        flush(&temporary)?;
        match fs::hard_link(&temporary, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links.
            Err(_) if !path.exists() => fs::copy(&temporary, path).map(|_| true),
            Err(error) => Err(error),
        }
    });
    let _ = fs::remove_file(&temporary);
    placed
}

/// As [`write_whole`], with another way from the system's errors.
pub(crate) fn put<E>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
    error: impl FnOnce(io::Error) -> E,
) -> Result<(), E> {
    let path = match followed(path) {
        Ok(path) => path,
        Err(refused) => return Err(error(refused)),
    };
    let temporary = temporary(&path);
    let written = write(&temporary).and_then(|()| settle(&temporary, &path).map_err(error));
    if written.is_err() {
        // What was half written only takes room; that it cannot be removed adds nothing to say.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Links that lead on are followed so far, as systems do.
const MOST_LINKS: usize = 40;

/// Where links at `path` lead. A rename would put the file in the place of the link.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Ok(path);
        }
        let to = fs::read_link(&path)?;
        // Relative to the folder of the link; an absolute one takes the place of all.
        path = path.parent().unwrap_or(Path::new("")).join(to);
    }
    Err(io::Error::other("links lead in a circle"))
}

/// A name beside `path` that no other process or thread has. Processes of several machines in one folder may have one number, so
/// that each has a random one too. What killed processes left in the folder is removed, once by each process.
fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static OWN: LazyLock<u32> = LazyLock::new(|| RandomState::new().hash_one(process::id()) as u32);
    remove_leftovers(path.parent().unwrap_or(Path::new("")));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (count, id) = (COUNT.fetch_add(1, Ordering::Relaxed), process::id());
    path.with_file_name(format!(".{name}.{:08x}{:08x}-{id}-{count}.partial", MACHINE.unwrap_or(0), *OWN))
}

/// Which numbers of processes mean the same: those of one start of a machine, in one space of numbers. None where the system does
/// not say.
static MACHINE: LazyLock<Option<u32>> = LazyLock::new(|| {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    let mut hasher = DefaultHasher::new();
    (boot, space).hash(&mut hasher);
    Some(hasher.finish() as u32)
});

fn remove_leftovers(folder: &Path) {
    static SEEN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    if !SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish()) {
        return;
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(writer).is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The number of the process, here, that a temporary file is of.
fn writer(name: &str) -> Option<&str> {
    let (_, last) = name.strip_prefix('.')?.strip_suffix(".partial")?.rsplit_once('.')?;
    let (whose, rest) = last.split_once('-')?;
    let machine = u32::from_str_radix(whose.get(..8).filter(|_| whose.len() == 16)?, 16).ok()?;
    let id = rest.split_once('-')?.0;
    (Some(machine) == *MACHINE && id.parse::<u32>().is_ok()).then_some(id)
}

fn settle(temporary: &Path, path: &Path) -> io::Result<()> {
    flush(temporary)?;
    fs::rename(temporary, path)
}

fn flush(path: &Path) -> io::Result<()> {
    // A file that is open for reading only cannot be flushed everywhere.
    OpenOptions::new().append(true).open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// An empty folder, which goes with what is in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("strait-io-{name}-{}", process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn names(&self) -> Vec<String> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_fails_leaves_the_file_as_it_was_and_nothing_beside_it() {
        let folder = Folder::new("fails");
        let path = folder.0.join("a.txt");
        write_whole(&path, |to| fs::write(to, "before")).unwrap();
        let half = |to: &Path| fs::write(to, "ha").and(Err(io::Error::other("the disk is full")));
        assert_eq!(write_whole(&path, half).unwrap_err().to_string(), "the disk is full");
        let nothing = |_: &Path| Ok::<_, io::Error>(());
        assert_eq!(write_whole(&path, nothing).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(folder.names(), ["a.txt"]);
        let nowhere = folder.0.join("none").join("a.txt");
        assert_eq!(write_whole(&nowhere, |to| fs::write(to, "")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_what_it_leads_to_is_written() {
        use std::os::unix::fs::symlink;
        let folder = Folder::new("links");
        fs::create_dir(folder.0.join("below")).unwrap();
        let (file, next, link) = (folder.0.join("below/a.txt"), folder.0.join("next.txt"), folder.0.join("link.txt"));
        symlink("below/a.txt", &next).unwrap();
        symlink(&next, &link).unwrap();
        // The file is not there at first.
        for text in ["first", "second"] {
            write_whole(&link, |to| fs::write(to, text)).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert!(
                fs::symlink_metadata(&link).unwrap().is_symlink() && fs::symlink_metadata(&next).unwrap().is_symlink()
            );
        }
        assert_eq!(fs::read_dir(folder.0.join("below")).unwrap().count(), 1);
        let (one, other) = (folder.0.join("one"), folder.0.join("other"));
        symlink(&other, &one).unwrap();
        symlink(&one, &other).unwrap();
        let error = write_whole(&one, |to| fs::write(to, "")).unwrap_err();
        assert_eq!(error.to_string(), "links lead in a circle");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_killed_processes_left_is_removed() {
        let folder = Folder::new("killed");
        let mut gone = process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let (gone, own, here) = (gone.id(), process::id(), MACHINE.unwrap());
        let elsewhere = here ^ 1;
        let left = |machine: u32, id: u32| format!(".a.txt.{machine:08x}00000007-{id}-0.partial");
        let names = [left(here, gone), left(here, own), left(elsewhere, gone), ".a.txt.0-0.partial".into()];
        names.iter().for_each(|name| fs::write(folder.0.join(name), "ha").unwrap());
        write_whole(&folder.0.join("b.txt"), |to| fs::write(to, "b")).unwrap();
        let mut found = folder.names();
        found.sort();
        let mut kept = [&names[1..], &["b.txt".to_owned()]].concat();
        kept.sort();
        assert_eq!(found, kept);
    }

    #[test]
    fn of_several_at_once_one_is_left_whole() {
        let folder = Folder::new("race");
        let path = folder.0.join("a.txt");
        let whole = |letter: &str| letter.repeat(10_000);
        thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        write_whole(path, |to| fs::write(to, whole(letter))).unwrap();
                    }
                });
            }
        });
        let found = fs::read_to_string(&path).unwrap();
        assert_eq!(found, whole(&found[..1]));
        assert_eq!(folder.names(), ["a.txt"]);
    }

    #[test]
    fn of_several_that_begin_a_file_at_once_one_does() {
        let folder = Folder::new("new");
        for round in 0..20 {
            let path = folder.0.join(format!("{round}.txt"));
            let begun = thread::scope(|scope| {
                let begin = |text: &'static str| {
                    let path = &path;
                    scope.spawn(move || (text, write_new(path, text.as_bytes()).unwrap()))
                };
                ["a", "b", "c", "d"].map(begin).map(|thread| thread.join().unwrap())
            });
            let begun: Vec<&str> = begun.iter().filter(|(_, first)| *first).map(|(text, _)| *text).collect();
            assert_eq!(begun, [fs::read_to_string(&path).unwrap()]);
        }
        assert_eq!(folder.names().len(), 20);
    }
}
