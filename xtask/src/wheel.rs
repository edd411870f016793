//! A pinned wheel: its file name gives the version to ask pip for, and its sha256 checks the file.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::cache::create_folder;
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// One row of a table of wheels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// `NAME-VERSION-PYTHON-ABI-PLATFORM.whl`
    pub(crate) file: &'static str,
    /// Lower-case hex.
    pub(crate) sha256: &'static str,
}

impl Wheel {
    fn part(&self, index: usize) -> &'static str {
        self.file.trim_end_matches(".whl").split('-').nth(index).unwrap_or_default()
    }

    /// The project's name as in the file name.
    pub(crate) fn project(&self) -> &'static str {
        self.part(0)
    }

    /// What a person would ask pip for.
    pub(crate) fn requirement(&self) -> String {
        format!("{}=={}", self.project(), self.part(1))
    }

    /// The options that make pip choose this file on any machine, with any Python.
    pub(crate) fn pip_options(&self) -> [&'static str; 8] {
        let platform = self.part(4).split('.').next().unwrap_or_default();
        let only = "--only-binary=:all:";
        ["--no-deps", only, "--python-version", "3.12", "--implementation", "cp", "--platform", platform]
    }
}

/// Unpacks from the wheel at `path` each member for which `place` gives a path, relative to `folder`.
pub(crate) fn unpack(path: &Path, folder: &Path, place: impl Fn(&str) -> Option<PathBuf>) -> Result<()> {
    let archive = open(path)?;
    let wanted: Vec<_> = archive.members.iter().filter_map(|member| Some((member, place(&member.name)?))).collect();
    let mut progress = Progress::new("unpacking", wanted.iter().map(|(member, _)| member.size).sum());
    let (mut done, mut buffer) = (0, vec![0; 1 << 17]);
    for (member, target) in wanted {
        let target = folder.join(target);
        if let Some(parent) = target.parent() {
            create_folder(parent)?;
        }
        let mut from = archive.read(member).map_err(|error| flaw(path, &error))?;
        let mut out = File::create(&target).map_err(Failure::file("write", &target))?;
        loop {
            let read = from.read(&mut buffer).map_err(|error| flaw(path, &error))?;
            if read == 0 {
                break;
            }
            out.write_all(&buffer[..read]).map_err(Failure::file("write", &target))?;
            done += read as u64;
            progress.at(done);
        }
    }
    Ok(())
}

/// The bytes of one member of the wheel at `path`.
pub(crate) fn read_member(path: &Path, name: &str) -> Result<Vec<u8>> {
    let archive = open(path)?;
    let member = archive.members.iter().find(|member| member.name == name);
    let member = member.ok_or_else(|| flaw(path, &format!("it has no {name}")))?;
    let mut bytes = Vec::new();
    archive.read(member).and_then(|mut from| from.read_to_end(&mut bytes)).map_err(|error| flaw(path, &error))?;
    Ok(bytes)
}

fn open(path: &Path) -> Result<Archive> {
    Archive::open(path).map_err(|error| flaw(path, &error))
}

fn flaw(path: &Path, error: &impl ToString) -> Failure {
    Failure::Wheel { path: path.to_path_buf(), flaw: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_says_what_to_ask_pip_for() {
        let wheel = Wheel { file: "nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_x86_64.whl", sha256: "" };
        assert_eq!(wheel.requirement(), "nvidia_nccl_cu13==2.29.7");
        assert_eq!(wheel.pip_options()[7], "manylinux_2_18_x86_64");
    }

    #[test]
    fn of_several_platform_tags_the_first_is_asked_for() {
        let wheel = Wheel { file: "a-1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", sha256: "" };
        assert_eq!(wheel.pip_options()[7], "manylinux2014_x86_64");
    }
}
