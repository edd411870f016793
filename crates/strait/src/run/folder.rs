//! The folder of a run: the paths of its files, and atomic writes.

use crate::ProgramError;
use crate::config::{self, Config};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use tch::Tensor;
use tracing::{debug, warn};

/// Where runs lie, below the current folder.
pub const RUNS: &str = "runs";

/// The tables of a comparison, in its folder, for scripts: a folder with it is no run.
pub const COMPARISON: &str = "comparison.json";

/// The longest name of a run, in bytes: names of its files are made of it.
const LONGEST_NAME: usize = 200;

/// The most runs that a message names.
const SHOWN: usize = 8;

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A new folder `runs/NAME` with its resolved config. Without a name, the first free `STEM-N`.
    ///
    /// # Errors
    /// `Run` where the name is taken or is no plain name; `Io` where it cannot be written.
    pub fn create(name: Option<&str>, stem: &str, config: &Config) -> Result<Self, ProgramError> {
        let root = Path::new(RUNS);
        let path = name.map(Self::below_runs).transpose()?;
        fs::create_dir_all(root).map_err(ProgramError::io(root))?;
        let path = match path {
            Some(path) => {
                fs::create_dir(&path).map_err(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        let problem = "it exists; choose another --name, or go on with --resume".into();
                        ProgramError::Run { path: path.clone(), problem }
                    }
                    _ => ProgramError::io(&path)(error),
                })?;
                path
            }
            None => first_free(root, stem)?,
        };
        let folder = Self { path };
        if let Err(error) = config::write(config).map_err(Into::into).and_then(|text| folder.write("config.toml", text))
        {
            // A folder without a config is no run, and would only stand in the way of the next try.
            let _ = fs::remove_dir(&folder.path);
            return Err(error);
        }
        Ok(folder)
    }

    /// Where a run of this name lies.
    ///
    /// # Errors
    /// `Run` where it is no plain name.
    pub(crate) fn below_runs(name: &str) -> Result<PathBuf, ProgramError> {
        let path = Path::new(RUNS).join(name);
        let plain = !name.contains(|c: char| c == '/' || c == '\\' || c.is_control());
        if name.is_empty() || !plain || name.starts_with(['.', '-']) || name.len() > LONGEST_NAME {
            let problem = format!(
                "a run's name is a plain name of one line without slashes, of at most {LONGEST_NAME} bytes, and begins with no \
                 dot and no dash"
            );
            let shown: String = name.escape_debug().take(80).collect();
            return Err(ProgramError::Argument { argument: format!("--name {shown}"), problem });
        }
        Ok(path)
    }

    /// Where its checkpoints lie.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// A folder that is there.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder of exactly this config; it is created if it does not exist.
    ///
    /// # Errors
    /// `Run` where another config lies there; `Io` where it cannot be written.
    pub fn at(path: &Path, config: &Config) -> Result<Self, ProgramError> {
        let folder = Self::of(path);
        if !folder.is_there() {
            fs::create_dir_all(path).map_err(ProgramError::io(path))?;
            // Of several commands that begin it at once, one says of which settings it is.
            let (file, text) = (path.join("config.toml"), config::write(config)?);
            strait_io::write_new(&file, text.as_bytes()).map_err(ProgramError::io(&file))?;
        }
        if folder.config()? != *config {
            let problem = "it is of other settings; choose another --name".into();
            return Err(ProgramError::Run { path: path.to_owned(), problem });
        }
        Ok(folder)
    }

    /// An existing run, by name or by path.
    ///
    /// # Errors
    /// `Run` where there is none.
    pub fn open(name: &str) -> Result<Self, ProgramError> {
        for path in [Path::new(RUNS).join(name), PathBuf::from(name)] {
            if path.join(COMPARISON).is_file() {
                let problem = "it is a comparison; repeat its command, or name one of its runs, as in NAME/METHOD-SEED";
                return Err(ProgramError::Run { path, problem: problem.into() });
            }
            if path.join("config.toml").is_file() {
                return Ok(Self { path });
            }
        }
        let mut known: Vec<String> = fs::read_dir(RUNS)
            .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        known.sort();
        let known = match known.len() {
            0 => "there are no runs yet".into(),
            n if n > SHOWN => format!("there are {n}, as {}", known[..SHOWN].join(", ")),
            _ => format!("there are: {}", known.join(", ")),
        };
        Err(ProgramError::Run { path: Path::new(RUNS).join(name), problem: format!("there is no such run; {known}") })
    }

    /// Whether it has a config.
    pub fn is_there(&self) -> bool {
        self.path.join("config.toml").is_file()
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned())
    }

    /// Keeps other processes from training in it, until what is returned is dropped or this process dies.
    ///
    /// # Errors
    /// `Run` where another one does; `Io` where the folder cannot be written.
    pub(crate) fn hold(&self) -> Result<File, ProgramError> {
        fs::create_dir_all(&self.path).map_err(ProgramError::io(&self.path))?;
        let path = self.path.join(".lock");
        let file = File::create(&path).map_err(ProgramError::io(&path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let problem = "another process trains it; wait until it ends, or choose another --name".into();
                Err(ProgramError::Run { path: self.path.clone(), problem })
            }
            Err(TryLockError::Error(error)) if error.kind() != std::io::ErrorKind::Unsupported => {
                Err(ProgramError::io(&path)(error))
            }
            _ => Ok(file),
        }
    }

    /// Writes the config of what is trained in it; the folder is made where it is not there.
    ///
    /// # Errors
    /// `Io` where it cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<(), ProgramError> {
        fs::create_dir_all(&self.path).map_err(ProgramError::io(&self.path))?;
        self.write("config.toml", config::write(config)?).map(|_| ())
    }

    /// Its resolved config.
    ///
    /// # Errors
    /// As [`config::load`].
    pub fn config(&self) -> Result<Config, ProgramError> {
        self.config_with(&[])
    }

    /// Its resolved config, with settings laid over it.
    ///
    /// # Errors
    /// As [`config::load`].
    pub fn config_with(&self, sets: &[String]) -> Result<Config, ProgramError> {
        Ok(config::load(&self.path.join("config.toml").to_string_lossy(), sets)?)
    }

    /// Writes a file under a temporary name and renames it.
    ///
    /// # Errors
    /// `Io` names the file; its old content stays.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<PathBuf, ProgramError> {
        let path = self.path.join(name);
        strait_io::write_whole(&path, |to| fs::write(to, bytes)).map_err(ProgramError::io(&path))?;
        Ok(path)
    }

    /// A record that was written as JSON; None where there is no such file.
    ///
    /// # Errors
    /// `Io` names a file that cannot be read, `Damaged` one that holds another record.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ProgramError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                let damaged = |error: serde_json::Error| {
                    let problem = if bytes.is_empty() { "empty".into() } else { format!("line {}", error.line()) };
                    ProgramError::Damaged { path: path.clone(), problem }
                };
                serde_json::from_slice(&bytes).map(Some).map_err(damaged)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ProgramError::io(&path)(error)),
        }
    }

    /// A record that can be computed again: None also where it is damaged.
    pub fn read_cached<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.read_json(name).unwrap_or_else(|error| {
            warn!("{error}");
            None
        })
    }

    /// Keeps a record that can be computed again. If it cannot be written, as in a read-only folder, a warning says so.
    pub fn cache(&self, name: &str, record: &impl Serialize) {
        if let Err(error) = self.write_json(name, record) {
            debug!("not kept: {error}");
        }
    }

    /// Keeps the units of its data as `units.safetensors`, for programs that sample without the data.
    ///
    /// # Errors
    /// `File` where it cannot be written.
    pub fn keep_units(&self, put_back: &[(String, Tensor)]) -> Result<(), ProgramError> {
        Ok(strait_io::tensors::write(&self.path.join("units.safetensors"), put_back)?)
    }

    /// As `write`, a record as JSON.
    ///
    /// # Errors
    /// As `write`.
    pub fn write_json(&self, name: &str, record: &impl Serialize) -> Result<PathBuf, ProgramError> {
        let text = serde_json::to_string_pretty(record);
        self.write(name, text.map_err(|error| ProgramError::io(&self.path.join(name))(error.into()))?)
    }
}

fn first_free(root: &Path, stem: &str) -> Result<PathBuf, ProgramError> {
    let mut number = 1;
    loop {
        let path = root.join(format!("{stem}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(ProgramError::io(&path)(error)),
        }
    }
}
