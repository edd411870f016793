use crate::DataError;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use strait_io::IoError;

/// The folder that data sets are looked for in: `$STRAIT_DATA`, else `strait/data` in the user's cache, which is
/// `$XDG_CACHE_HOME`, else `~/Library/Caches` on macOS and `~/.cache` elsewhere.
///
/// # Errors
/// `NoFolder` where none of these variables is set.
///
/// ```no_run
/// println!("{}", strait_data::data_dir()?.display());
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub fn data_dir() -> Result<PathBuf, DataError> {
    choose(|name| env::var_os(name), cfg!(target_os = "macos"))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>, macos: bool) -> Result<PathBuf, DataError> {
    if let Some(folder) = variable("STRAIT_DATA").filter(|value| !value.is_empty()) {
        return Ok(folder.into());
    }
    // The XDG rule: a relative path is as good as none.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = if macos { "Library/Caches" } else { ".cache" };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(caches)));
    Ok(cache.ok_or(DataError::NoFolder)?.join("strait").join("data"))
}

/// A file of the data set `name`, to be read.
pub(crate) fn open(name: &str, path: &Path) -> Result<BufReader<File>, DataError> {
    match strait_io::open(path) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(IoError::System { source, .. }) if source.kind() != ErrorKind::NotFound => {
            Err(DataError::Io { path: path.to_owned(), source })
        }
        Err(_) => Err(DataError::Missing { name: name.to_owned(), path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_set() {
        let check = |set: &[(&str, &str)], macos, expected: Option<&str>| {
            let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
            assert_eq!(choose(variable, macos).ok(), expected.map(PathBuf::from), "{set:?}");
        };
        let all = [("STRAIT_DATA", "here"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        check(&all, false, Some("here"));
        check(&all[1..], false, Some("/xdg/strait/data"));
        check(&all[1..], true, Some("/xdg/strait/data"));
        check(&all[2..], false, Some("/home/me/.cache/strait/data"));
        check(&all[2..], true, Some("/home/me/Library/Caches/strait/data"));
        check(
            &[("STRAIT_DATA", ""), ("XDG_CACHE_HOME", "relative"), all[2]],
            false,
            Some("/home/me/.cache/strait/data"),
        );
        check(&[("HOME", "")], false, None);
        assert!(choose(|_| None, false).unwrap_err().to_string().contains("STRAIT_DATA"));
    }
}
