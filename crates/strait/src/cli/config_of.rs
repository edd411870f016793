//! Which config a command means: a preset's, a file's, or the default for data of one's own.

use crate::ProgramError;
use crate::build::own_data;
use crate::config::{Config, ConfigError, lay_over, load};
use std::path::Path;

/// A preset's name or a config's file, with settings laid over it, and `data` in the place of its data. Of data alone, also
/// where their file stands in the place of a name, the default for them.
///
/// # Errors
/// Those of the config and of the file of data.
pub(super) fn config_of(
    name: Option<&str>,
    data: Option<&Path>,
    default: &str,
    sets: &[String],
) -> Result<Config, ProgramError> {
    // Another file that is no config is taken for data too, so that what is said of it is how data are saved.
    let is_data = |name: &&str| match Path::new(name).extension() {
        Some(end) => end == "npz" || end == "npy" || end != "toml" && Path::new(name).is_file(),
        None => false,
    };
    match (name, name.filter(is_data).map(Path::new).or(data)) {
        (Some(name), Some(_)) if is_data(&name) && data.is_some() => {
            let (key, must) =
                (format!("--data beside {name}"), "left out where the data stand in the place of a preset".into());
            Err(ConfigError::Value { key, must }.into())
        }
        (Some(name), Some(data)) if !is_data(&name) => {
            // Laid over first, so that settings may speak of it.
            let key = if data.is_dir() { "folder" } else { "file" };
            let laid = format!("data={{ {key} = {:?} }}", data.display().to_string());
            Ok(load(name, &[&[laid][..], sets].concat())?)
        }
        (_, Some(data)) => {
            let origin = format!("the default for {}", data.display());
            Ok(lay_over(&own_data(data)?, &origin, sets)?)
        }
        (name, None) => Ok(load(name.unwrap_or(default), sets)?),
    }
}

/// What a run of it is called.
pub(super) fn stem(name: Option<&str>, data: Option<&Path>, default: &str) -> String {
    let file = name.map(Path::new).or(data).unwrap_or(Path::new(default));
    file.file_stem().map_or("run".into(), |stem| stem.to_string_lossy().into_owned())
}
