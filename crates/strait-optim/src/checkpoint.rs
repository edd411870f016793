//! Checkpoints: folders that are either complete or absent, with checksums that show damage.
//!
//! `step-N/` holds, for each level, `LEVEL.safetensors` (its parameters, under stable names),
//! `LEVEL.optimizer.safetensors` (moments and step count), `LEVEL.ema-H.safetensors` (the average of half-life H, for each
//! that is kept), and `state.json`. `SHA256SUMS` covers all of them, in the format of `sha256sum --check`. A checkpoint
//! is written under a temporary name and renamed, so that a kill at any moment leaves the earlier ones untouched.

use crate::{Level, LevelName, OptimError, Position, Trainer};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use strait_core::DRAWS_VERSION;
use strait_io::{IoError, sha256, tensors};
use tch::Tensor;

const SUMS: &str = "SHA256SUMS";
const STATE: &str = "state.json";
/// The tensor that counts an average's steps.
const STEPS: &str = "ema.steps";

/// What `state.json` says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Version of this format.
    pub version: u32,
    /// Where the run stands.
    pub position: Position,
    /// Threads that libtorch computed with: other numbers of threads round differently.
    pub threads: i32,
    /// Training seconds up to here, over all sessions.
    pub wall_seconds: f64,
    /// The iterations of each phase: the end of a run is a place in a longer last phase where those before it are the same.
    #[serde(default, alias = "turns")]
    pub iterations: Vec<u64>,
    /// The draws that it was trained on ([`DRAWS_VERSION`]); those of the first version were not recorded.
    #[serde(default = "first_draws")]
    pub draws: u32,
}

fn first_draws() -> u32 {
    1
}

/// A checkpoint that was passed over, and why.
#[derive(Debug)]
pub struct Refused {
    /// Its folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: OptimError,
}

/// A checkpoint whose files were all found whole.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its folder.
    pub path: PathBuf,
    /// Its state.
    pub state: State,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OptimError + '_ {
    move |source| OptimError::Io { path: path.to_owned(), source }
}

fn damaged(path: &Path, problem: impl Into<String>) -> OptimError {
    OptimError::Checkpoint { path: path.to_owned(), problem: problem.into() }
}

/// Reads the tensors of a safetensors file.
///
/// # Errors
/// `Checkpoint` names a file that is missing or not a safetensors file.
pub fn read_tensors(path: &Path) -> Result<Vec<(String, Tensor)>, OptimError> {
    tensors::read(path).map_err(file_error)
}

fn file_error(error: IoError) -> OptimError {
    match error {
        IoError::System { path, source } => OptimError::Io { path, source },
        IoError::Damaged { path, problem } => OptimError::Checkpoint { path, problem },
        error => OptimError::Checkpoint { path: error.path().to_owned(), problem: error.to_string() },
    }
}

/// A file of a checkpoint, and its tensors by name.
type Named = (String, Vec<(String, Tensor)>);

fn level_files(level: &Level) -> Vec<Named> {
    let name = level.name.name();
    let named = |suffix: &str, tensors: &[Tensor]| -> Vec<(String, Tensor)> {
        level.parameters.names().zip(tensors).map(|(n, t)| (format!("{n}{suffix}"), t.shallow_clone())).collect()
    };
    let mut optimizer = named(".exp_avg", &level.state.exp_avg);
    optimizer.extend(named(".exp_avg_sq", &level.state.exp_avg_sq));
    optimizer.push(("step".into(), level.state.step.shallow_clone()));
    let mut files = vec![
        (format!("{name}.safetensors"), level.parameters.named()),
        (format!("{name}.optimizer.safetensors"), optimizer),
    ];
    for average in &level.averages {
        // Whoever evaluates with an average needs the modules' buffers beside it.
        let mut tensors = named("", average.averages());
        tensors.extend(level.parameters.buffers());
        tensors.push((STEPS.into(), Tensor::from(average.steps() as i64)));
        files.push((average_file(name, average.half_life()), tensors));
    }
    files
}

/// The file of a level's average.
fn average_file(level: &str, half_life: f64) -> String {
    format!("{level}.ema-{half_life}.safetensors")
}

/// Saves the whole state of a run: [`Snapshot::save`] of what the trainer holds now.
///
/// # Errors
/// As there.
pub fn save(trainer: &Trainer<'_>, dir: &Path, wall_seconds: f64, keep: usize) -> Result<PathBuf, OptimError> {
    Snapshot::of(trainer, wall_seconds).save(dir, keep)
}

/// The whole state of a run at one step. It is `Send`, so that another thread can save it while the next step is computed.
///
/// ```no_run
/// # fn f(trainer: &mut strait_optim::Trainer<'_>) -> Result<(), strait_optim::OptimError> {
/// let before = strait_optim::checkpoint::Snapshot::of(trainer, 0.0).copied()?;
/// let saving = std::thread::spawn(move || before.save("checkpoints".as_ref(), 3));
/// trainer.iterate()?; // changes nothing of what is saved
/// # drop(saving);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Snapshot {
    files: Vec<Named>,
    state: State,
}

impl Snapshot {
    /// Of a trainer, in the tensors that it goes on to change; `wall_seconds` are those of training, over all sessions.
    pub fn of(trainer: &Trainer<'_>, wall_seconds: f64) -> Self {
        let state = State {
            version: 1,
            position: trainer.position(),
            threads: tch::get_num_threads(),
            wall_seconds,
            iterations: trainer.iterations(),
            draws: DRAWS_VERSION,
        };
        Self { files: trainer.system.levels.iter().flat_map(level_files).collect(), state }
    }

    /// The same in tensors of its own.
    ///
    /// # Errors
    /// Those of libtorch, where memory is short.
    pub fn copied(mut self) -> Result<Self, OptimError> {
        for (_, tensor) in self.files.iter_mut().flat_map(|(_, tensors)| tensors) {
            *tensor = tensor.f_detach_copy()?;
        }
        Ok(self)
    }

    /// Its step.
    pub fn step(&self) -> u64 {
        self.state.position.step
    }

    /// Writes it as `DIR/step-N`, and of the checkpoints up to this one removes all but the newest `keep`. Those of later
    /// steps, which a run that went back has left behind, stay and do not count.
    ///
    /// # Errors
    /// `Io` or `Checkpoint` name the file that could not be written (a full disk), or the first tensor that is not finite,
    /// from which nothing could go on; the checkpoints before it stay.
    pub fn save(&self, dir: &Path, keep: usize) -> Result<PathBuf, OptimError> {
        let target = dir.join(format!("step-{}", self.step()));
        let temporary = dir.join(format!(".step-{}.partial", self.step()));
        for (name, tensors) in &self.files {
            check_finite(&target, name, tensors)?;
        }
        remove_leftovers(dir);
        fs::create_dir_all(&temporary).map_err(io_error(&temporary))?;
        let written = self.write(&temporary).and_then(|()| {
            let _ = fs::remove_dir_all(&target); // the same step again, after a resume
            fs::rename(&temporary, &target).map_err(io_error(&target))?;
            File::open(dir).and_then(|d| d.sync_all()).map_err(io_error(dir))
        });
        if let Err(error) = written {
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
        for old in list(dir)?.into_iter().skip_while(|path| *path != target).skip(keep.max(1)) {
            fs::remove_dir_all(&old).map_err(io_error(&old))?;
        }
        Ok(target)
    }

    fn write(&self, folder: &Path) -> Result<(), OptimError> {
        let path = folder.join(STATE);
        let text = serde_json::to_string_pretty(&self.state).map_err(|error| damaged(&path, error.to_string()))?;
        let mut sums = String::new();
        let mut sum = |name: &str| -> Result<(), OptimError> {
            sums.push_str(&format!("{}  {name}\n", sha256(&folder.join(name)).map_err(file_error)?));
            Ok(())
        };
        for (name, tensors) in &self.files {
            tensors::write(&folder.join(name), tensors).map_err(file_error)?;
            sum(name)?;
        }
        write_synced(&path, &text)?;
        sum(STATE)?;
        write_synced(&folder.join(SUMS), &sums)
    }
}

/// Refuses tensors of a file of a checkpoint that are not all finite.
fn check_finite(checkpoint: &Path, file: &str, tensors: &[(String, Tensor)]) -> Result<(), OptimError> {
    for (name, tensor) in tensors {
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            let problem =
                format!("`{name}` in {file} is not finite; go on from one before it with a lower learning rate");
            return Err(damaged(checkpoint, problem));
        }
    }
    Ok(())
}

/// What a killed process had begun: one trains in a folder at a time.
fn remove_leftovers(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(".step-") && name.ends_with(".partial")) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn write_synced(path: &Path, text: &str) -> Result<(), OptimError> {
    fs::write(path, text).map_err(io_error(path))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error(path))
}

/// The checkpoints of a folder, newest first; an empty list where the folder is not there.
///
/// # Errors
/// `Io` where the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>, OptimError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(io_error(dir)(error)),
    };
    let mut found = vec![];
    for entry in entries {
        let path = entry.map_err(io_error(dir))?.path();
        let step =
            path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix("step-")).map(str::parse::<u64>);
        if let Some(Ok(step)) = step {
            found.push((step, path));
        }
    }
    found.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Opens a checkpoint and checks every file of it.
///
/// # Errors
/// `Checkpoint` names the folder and the file that is missing, truncated or altered.
pub fn open(path: &Path) -> Result<Checkpoint, OptimError> {
    let sums_path = path.join(SUMS);
    let sums = fs::read_to_string(&sums_path).map_err(|error| damaged(path, format!("{SUMS}: {error}")))?;
    let mut seen_state = false;
    for line in sums.lines() {
        let (sum, name) =
            line.split_once("  ").ok_or_else(|| damaged(path, format!("{SUMS} is not a list of sums")))?;
        let file = path.join(name);
        if !file.is_file() {
            return Err(damaged(path, format!("{name} is missing")));
        }
        if sha256(&file).map_err(file_error)? != sum {
            return Err(damaged(path, format!("{name} was truncated or altered (its SHA-256 differs)")));
        }
        seen_state |= name == STATE;
    }
    if !seen_state {
        return Err(damaged(path, format!("{SUMS} does not list {STATE}")));
    }
    let text = fs::read_to_string(path.join(STATE)).map_err(io_error(path))?;
    let state: State = serde_json::from_str(&text).map_err(|error| damaged(path, format!("{STATE}: {error}")))?;
    if state.version != 1 {
        return Err(damaged(path, format!("its format is version {}, this program reads version 1", state.version)));
    }
    Ok(Checkpoint { path: path.to_owned(), state })
}

/// The newest checkpoint that is whole and finite, with those that were passed over.
///
/// # Errors
/// `Io` where the folder cannot be read.
pub fn newest(dir: &Path) -> Result<(Option<Checkpoint>, Vec<Refused>), OptimError> {
    let mut refused = vec![];
    for path in list(dir)? {
        match open(&path).and_then(|checkpoint| finite(&path).map(|()| checkpoint)) {
            Ok(checkpoint) => return Ok((Some(checkpoint), refused)),
            Err(error) => refused.push(Refused { path, error }),
        }
    }
    Ok((None, refused))
}

/// Refuses a checkpoint with a tensor that is not finite, as an earlier program could write.
fn finite(checkpoint: &Path) -> Result<(), OptimError> {
    for entry in fs::read_dir(checkpoint).map_err(io_error(checkpoint))? {
        let path = entry.map_err(io_error(checkpoint))?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            check_finite(checkpoint, &name, &read_tensors(&path)?)?;
        }
    }
    Ok(())
}

impl Checkpoint {
    /// Puts a trainer where this checkpoint was taken.
    ///
    /// # Errors
    /// `OtherPhases` where that is no place in the trainer's phases, and nothing is changed then; `Checkpoint` or
    /// `Parameter` name the tensor that is missing, has another shape or is unknown: a checkpoint of another model.
    pub fn restore(&self, trainer: &mut Trainer<'_>) -> Result<(), OptimError> {
        let State { position, draws, .. } = self.state;
        if draws != DRAWS_VERSION {
            let problem = format!(
                "it was trained on the random numbers of version {draws}, and this program draws those of version \
                 {DRAWS_VERSION}: go on with the program that began it, or begin anew"
            );
            return Err(damaged(&self.path, problem));
        }
        let Some(place) = trainer.place(position, &self.state.iterations) else {
            return Err(OptimError::OtherPhases { path: self.path.clone(), position });
        };
        for level in &mut trainer.system.levels {
            self.restore_level(level)?;
        }
        trainer.set_position(place);
        Ok(())
    }

    /// A level's last parameters, by name.
    ///
    /// # Errors
    /// As `read_tensors`.
    pub fn parameters(&self, level: LevelName) -> Result<Vec<(String, Tensor)>, OptimError> {
        read_tensors(&self.path.join(format!("{}.safetensors", level.name())))
    }

    /// The moving average of a half-life of a level's parameters, by name.
    ///
    /// # Errors
    /// As `read_tensors`, where none of this half-life was kept.
    pub fn average(&self, level: LevelName, half_life: f64) -> Result<Vec<(String, Tensor)>, OptimError> {
        let tensors = read_tensors(&self.path.join(average_file(level.name(), half_life)))?;
        Ok(tensors.into_iter().filter(|(name, _)| name != STEPS).collect())
    }

    fn restore_level(&self, level: &mut Level) -> Result<(), OptimError> {
        let name = level.name.name();
        level.parameters.assign(&self.parameters(level.name)?)?;
        let path = self.path.join(format!("{name}.optimizer.safetensors"));
        let tensors = read_tensors(&path)?;
        copy_named(&path, &tensors, level.parameters.names(), ".exp_avg", &level.state.exp_avg)?;
        copy_named(&path, &tensors, level.parameters.names(), ".exp_avg_sq", &level.state.exp_avg_sq)?;
        copy_named(&path, &tensors, ["step"].into_iter(), "", std::slice::from_ref(&level.state.step))?;
        for average in &mut level.averages {
            let path = self.path.join(average_file(name, average.half_life()));
            let tensors = read_tensors(&path)?;
            copy_named(&path, &tensors, level.parameters.names(), "", average.averages())?;
            let steps = find(&path, &tensors, STEPS)?.int64_value(&[]);
            average.set_steps(steps as u64);
        }
        Ok(())
    }
}

fn find<'t>(path: &Path, tensors: &'t [(String, Tensor)], name: &str) -> Result<&'t Tensor, OptimError> {
    let found = tensors.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor);
    found.ok_or_else(|| damaged(path, format!("tensor `{name}` is missing")))
}

fn copy_named<'n>(
    path: &Path,
    tensors: &[(String, Tensor)],
    names: impl Iterator<Item = &'n str>,
    suffix: &str,
    targets: &[Tensor],
) -> Result<(), OptimError> {
    for (name, target) in names.zip(targets) {
        let name = format!("{name}{suffix}");
        let value = find(path, tensors, &name)?;
        if value.size() != target.size() {
            let problem = format!("tensor `{name}` has shape {:?}, expected {:?}", value.size(), target.size());
            return Err(damaged(path, problem));
        }
        tch::no_grad(|| target.shallow_clone().f_copy_(value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_older_names_is_read() {
        let position = |word: &str| format!(r#"{{"step":7,"phase":1,"{word}":2,"batches":21}}"#);
        let read = |word: &str| {
            let position = position(word);
            let text = format!(
                r#"{{"version":1,"position":{position},"threads":1,"wall_seconds":2.5,"{word}s":[5,9],"draws":2}}"#
            );
            serde_json::from_str::<State>(&text).unwrap()
        };
        let state = read("turn");
        assert_eq!(state, read("iteration"));
        assert_eq!((state.position.iteration, state.iterations), (2, vec![5, 9]));
    }
}
