//! The headers of gloo, which libtorch's process groups are compiled against: its library is inside libtorch, and the wheel
//! leaves the headers out.
//!
//! The system's own are taken first; else the pinned package of Debian is fetched and unpacked, for which no root is needed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{Cache, create_folder, install_folder, sha256_of_file};
use crate::failure::{Failure, Result};
use crate::workspace::Workspace;

const VERSION: &str = "0.0~git20220518.5b14351-3";
const FILE: &str = "libgloo-dev_0.0~git20220518.5b14351-3_amd64.deb";
const SHA256: &str = "80529c9fd8af452faf489e686b94bf87075965c40673803810c4f41634b1e299";

/// The features of the workspace that need the headers.
pub(crate) const FEATURE: &str = "strait/distributed,strait-distributed/gloo";

/// Where the headers are, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) folder: PathBuf,
    pub(crate) origin: &'static str,
}

/// Finds or fetches the headers; fetched ones are linked as `.gloo`, which `.cargo/config.toml` names to the build.
pub(crate) fn ensure(workspace: &Workspace, cache: &Cache) -> Result<Headers> {
    if let Some(found) = survey(workspace) {
        return Ok(found);
    }
    let _lock = cache.lock("gloo")?;
    let folder = cache.root().join("gloo").join(VERSION);
    if !has_headers(&folder) {
        fetch(cache, &folder, "apt-get")?;
    }
    let link = workspace.gloo_link();
    if let Err(error) = fs::remove_file(&link)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Failure::file("replace", &link)(error));
    }
    symlink(&folder, &link).map_err(Failure::file("write", &link))?;
    tell!("linked {} to {}", link.display(), folder.display());
    Ok(Headers { folder, origin: "linked as .gloo" })
}

/// The options by which cargo builds what trains among processes; none, with a line that says why, where there are no headers.
pub(crate) fn features(workspace: &Workspace, cache: &Cache) -> Vec<&'static str> {
    match ensure(workspace, cache) {
        Ok(_) => vec!["--features", FEATURE],
        Err(failure) => {
            tell!("note: built without training among processes, whose tests are left out: {failure}");
            vec![]
        }
    }
}

/// What a build would use now. Nothing is fetched or changed.
pub(crate) fn survey(workspace: &Workspace) -> Option<Headers> {
    let own = workspace.users_gloo().map(|folder| Headers { folder: folder.into(), origin: "from GLOO_INCLUDE" });
    let linked = Headers { folder: workspace.gloo_link(), origin: "linked as .gloo" };
    let system =
        ["/usr/include", "/usr/local/include"].map(|folder| Headers { folder: folder.into(), origin: "the system's" });
    own.into_iter().chain([linked]).chain(system).find(|headers| has_headers(&headers.folder))
}

fn has_headers(folder: &Path) -> bool {
    folder.join("gloo/context.h").is_file()
}

/// Fetches the pinned package, checks it, and unpacks its headers.
fn fetch(cache: &Cache, folder: &Path, apt: &str) -> Result<()> {
    let downloads = cache.downloads();
    create_folder(&downloads)?;
    let package = downloads.join(FILE);
    let fail = |reason: String| Failure::Gloo { reason, file: FILE, folder: downloads.clone() };
    if !package.exists() {
        download(cache, &downloads, apt).map_err(fail)?;
    }
    let found = sha256_of_file(&package)?;
    if found != SHA256 {
        return Err(Failure::Checksum { path: package, expected: SHA256.to_owned(), found });
    }
    if let Some(parent) = folder.parent() {
        create_folder(parent)?;
    }
    install_folder(folder, |partial| {
        let whole = partial.join("package");
        run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&whole)).map_err(fail)?;
        let (from, to) = (whole.join("usr/include/gloo"), partial.join("gloo"));
        fs::rename(&from, &to).map_err(Failure::file("read", &from))?;
        fs::remove_dir_all(&whole).map_err(Failure::file("remove", &whole))
    })
}

/// By apt, which knows the user's mirrors; where it has no lists of packages, by lists of xtask's own beside the cache.
fn download(cache: &Cache, to: &Path, apt: &str) -> Result<(), String> {
    let wanted = format!("libgloo-dev={VERSION}");
    let download =
        |options: &[String]| run(Command::new(apt).args(options).args(["download", &wanted]).current_dir(to));
    let Err(first) = download(&[]) else { return Ok(()) };
    let own = cache.root().join("apt");
    let folders = ["lists/partial", "archives/partial"];
    if folders.iter().any(|folder| fs::create_dir_all(own.join(folder)).is_err()) {
        return Err(first);
    }
    let place = |option: &str, folder: &str| ["-o".to_owned(), format!("{option}={}", own.join(folder).display())];
    let options = [place("Dir::State::lists", "lists"), place("Dir::Cache", "archives")].concat();
    let fetched = run(Command::new(apt).args(&options).arg("update")).and_then(|()| download(&options));
    let _ = fs::remove_dir_all(&own);
    fetched.map_err(|_| first)
}

/// A command whose words are kept for the case that it fails: the last line that it says.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start {name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    Err(format!("{name}: {}", said.unwrap_or_else(|| "it failed".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::{Sandbox, script};

    #[test]
    fn a_package_that_cannot_be_had_is_named_with_every_way_to_it() {
        let sandbox = Sandbox::new();
        let (cache, apt) = (Cache::at(sandbox.path("cache")), sandbox.path("apt"));
        script(&apt, "echo 'E: no lists' >&2; exit 100");
        let folder = sandbox.path("cache/gloo");
        let said = fetch(&cache, &folder, apt.to_str().unwrap()).unwrap_err().to_string();
        for words in ["E: no lists", FILE, "libgloo-dev", "GLOO_INCLUDE"] {
            assert!(said.contains(words), "{said}");
        }
        assert!(fetch(&cache, &folder, "no-such-apt").unwrap_err().to_string().contains("cannot start no-such-apt"));
        assert!(!folder.exists());
    }

    #[test]
    fn a_package_that_is_not_the_pinned_one_is_refused() {
        let sandbox = Sandbox::new();
        let (cache, apt) = (Cache::at(sandbox.path("cache")), sandbox.path("apt"));
        script(&apt, &format!("echo other > '{FILE}'"));
        let failure = fetch(&cache, &sandbox.path("cache/gloo"), apt.to_str().unwrap()).unwrap_err();
        assert!(matches!(failure, Failure::Checksum { .. }), "{failure}");
    }

    #[test]
    fn where_apt_has_no_lists_it_is_given_some() {
        let sandbox = Sandbox::new();
        let (cache, apt, log) = (Cache::at(sandbox.path("cache")), sandbox.path("apt"), sandbox.path("log"));
        script(&apt, &format!("echo \"$*\" >> {}\n[ \"$1\" = -o ]", log.display()));
        download(&cache, sandbox.workspace.root(), apt.to_str().unwrap()).unwrap();
        let calls = fs::read_to_string(log).unwrap();
        let verbs: Vec<bool> = calls.lines().map(|line| line.ends_with(" update")).collect();
        assert_eq!(verbs, [false, true, false], "{calls}");
    }

    #[test]
    fn headers_that_the_user_names_come_first() {
        let mut sandbox = Sandbox::new();
        let own = sandbox.path("own");
        fs::create_dir_all(own.join("gloo")).unwrap();
        fs::write(own.join("gloo/context.h"), "").unwrap();
        sandbox.workspace.set_gloo(&own);
        assert_eq!(survey(&sandbox.workspace).unwrap(), Headers { folder: own, origin: "from GLOO_INCLUDE" });
    }
}
