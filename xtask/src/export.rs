//! A run as a file of another format, by the Python package beside the crates.

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::python_environment::{Needs, PythonEnvironment};
use crate::workspace::{Workspace, exit_code};

/// `cargo xtask export RUN --onnx [FILE]`
pub(crate) fn command(words: &[String]) -> Result<i32> {
    let (run, file) = asked(words)?;
    let workspace = Workspace::of_cargo();
    let environment = PythonEnvironment::with(&Cache::of_user()?, Needs { what: "a run as ONNX", ..Needs::ONNX })?;
    let mut python = environment.python(&[workspace.root().join("crates/strait-io/python")]);
    python.args(["-m", "strait.export"]).args([&run, &file]);
    let status = python.status().map_err(|error| Failure::Start { program: "python3".into(), error })?;
    Ok(exit_code(status))
}

/// The run's folder, by path or by its name in `runs/`, and the file; `RUN.onnx` where none is named.
fn asked(words: &[String]) -> Result<(PathBuf, PathBuf)> {
    let usage = Failure::Usage { usage: "export RUN --onnx [FILE]" };
    let (run, file) = match words {
        [run, flag] if flag == "--onnx" => (run, None),
        [run, flag, file] if flag == "--onnx" => (run, Some(file)),
        _ => return Err(usage),
    };
    if run.starts_with('-') {
        return Err(usage);
    }
    let named = Path::new("runs").join(run);
    let folder = if Path::new(run).is_dir() || !named.is_dir() { run.into() } else { named };
    let stem = folder.file_name().map_or_else(|| run.into(), |name| name.to_string_lossy().into_owned());
    Ok((folder, file.map_or_else(|| format!("{stem}.onnx").into(), PathBuf::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_run_and_a_file_are_asked_for() {
        let path = |text: &str| PathBuf::from(text);
        assert_eq!(asked(&words("a --onnx")).unwrap(), (path("a"), path("a.onnx")));
        assert_eq!(asked(&words("runs/a --onnx b.onnx")).unwrap(), (path("runs/a"), path("b.onnx")));
        assert_eq!(asked(&words("some/where --onnx")).unwrap(), (path("some/where"), path("where.onnx")));
        for refused in ["", "a", "--onnx a", "a --torch", "a --onnx b c"] {
            let failure = asked(&words(refused)).unwrap_err();
            assert_eq!(failure.to_string(), "usage: cargo xtask export RUN --onnx [FILE]", "{refused}");
        }
    }
}
