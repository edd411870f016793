//! The default config for a user's own data, from the columns of its file.

use super::data::of_file;
use crate::ProgramError;
use crate::config::{Config, DataConfig, UnitsConfig, default_for_data};
use std::path::Path;
use strait_data::{Arrays, Scaling, inspect};

/// The config for a file of samples where the user names none: [`default_for_data`] for the shape and the number of its
/// samples, in the units that [`inspect`] proposes.
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
