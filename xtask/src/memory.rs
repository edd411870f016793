//! The place where tests keep their files: in memory, for on a disk they wait a hundred times for a file to be kept.

use std::path::Path;
use std::process::Command;

const FOLDER: &str = "/dev/shm";

/// KiB that must be free.
const NEEDED: u64 = 1 << 20;

/// Succeeds in a folder with so many KiB to spare, of which programs can be run.
const SCRIPT: &str = r#"
set -e
[ "$(df -P -k . | tail -n 1 | awk '{ print $4 }')" -gt "$0" ]
file=$(mktemp ./strait-XXXXXX)
trap 'rm -f "$file"' EXIT
printf '#!/bin/sh\n' > "$file"
chmod +x "$file"
"$file"
"#;

/// The variable that says so, where the system has such a place.
pub(crate) fn for_tests() -> Option<(&'static str, &'static str)> {
    fits(Path::new(FOLDER), NEEDED).then_some(("TMPDIR", FOLDER))
}

fn fits(folder: &Path, needed: u64) -> bool {
    let output = Command::new("sh").args(["-c", SCRIPT, &needed.to_string()]).current_dir(folder).output();
    output.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_space_is_taken_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert!(fits(folder.path(), 1));
        assert!(!fits(folder.path(), 1 << 50), "a place of an exabyte");
        assert!(!fits(&folder.path().join("nowhere"), 1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
