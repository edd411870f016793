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

#[cfg(test)]
mod tests {
    use super::*;
    use strait_io::{Element, npy};
    use tch::{Device, Kind, Tensor};

    #[test]
    fn a_file_is_trained_in_the_units_that_it_proposes_and_in_its_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let z = |shape: &[i64]| {
            let n: i64 = shape.iter().product();
            (Tensor::arange(n, (Kind::Double, Device::Cpu)) * 0.618).remainder(1.0).view(shape)
        };
        let far = z(&[400, 2]);
        let _ = far.narrow(0, 0, 8).fill_(20.0);
        let wide = z(&[400, 2]) * Tensor::from_slice(&[1.0, 50.0]);
        for (x, units, image) in [
            (z(&[400, 2]), UnitsConfig::Unit, None),
            (wide, UnitsConfig::Column, None),
            (far, UnitsConfig::Robust, None),
            (z(&[40, 1, 6, 5]), UnitsConfig::Unit, Some([1, 6, 5])),
            (z(&[40, 3, 6, 5]), UnitsConfig::Unit, Some([3, 6, 5])),
            (z(&[40, 4, 6, 5]), UnitsConfig::Unit, None),
        ] {
            npy::write(&path, &x, Element::F64).unwrap();
            let config = own_data(&path).unwrap();
            assert_eq!((config.data.units, config.data.image), (Some(units), image), "{:?}", x.size());
            assert_eq!(config.data.file.as_deref(), Some(&*path));
            assert_eq!(config.phase[0].level[0].batch, (x.size()[0] * 7 / 10).min(256));
        }
    }
}
