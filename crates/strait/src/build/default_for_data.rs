//! The default for data of one's own: a config from a look at a file, to be trained as it is.

use super::data::of_file;
use crate::ProgramError;
use crate::config::{Config, DataConfig, UnitsConfig, default_for_data};
use std::path::Path;
use strait_data::{Arrays, Scaling, inspect};

/// The config that a file of samples is trained by where nobody chooses one: [`default_for_data`] by the shape and the count of
/// its samples, in the units that a look at its columns proposes.
///
/// # Errors
/// Those of the file.
pub fn own_data(path: &Path) -> Result<Config, ProgramError> {
    let look = inspect(path, &Arrays::default()).map_err(|error| of_file(error, path))?;
    let units = match look.scaling() {
        Scaling::Overall => UnitsConfig::Unit,
        Scaling::PerCoordinate => UnitsConfig::Column,
        Scaling::Robust => UnitsConfig::Robust,
        Scaling::Own => UnitsConfig::Own,
    };
    let image = match look.event[..] {
        [c @ (1 | 3), h, w] => Some([c, h, w]),
        _ => None,
    };
    let data = DataConfig { file: Some(path.to_owned()), image, units: Some(units), ..DataConfig::default() };
    Ok(default_for_data(data, look.event.iter().product(), look.rows))
}
