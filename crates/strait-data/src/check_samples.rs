//! What arrays of samples must be.

use crate::moments::CHUNK;
use crate::normalise::move_to;
use crate::{DataError, Normalise, Splits};
use tch::{Device, Kind, Tensor};

/// Refuses arrays that are no parts of one data set.
pub(crate) fn check(arrays: &Splits<Tensor>) -> Result<(), DataError> {
    arrays.try_map(|split, x| check_samples(split.name(), x, 1))?;
    for (second, x) in [("validation", &arrays.validation), ("test", &arrays.test)] {
        check_same_samples(("train", &arrays.train), (second, x))?;
    }
    Ok(())
}

/// Refuses an array that is not (n, ...) with at least `needed` rows of finite numbers.
pub(crate) fn check_samples(array: &str, x: &Tensor, needed: i64) -> Result<(), DataError> {
    let (array, shape) = (array.to_owned(), x.size());
    if shape.len() < 2 || shape[1..].contains(&0) {
        return Err(DataError::NotABatch { array, shape });
    }
    if shape[0] < needed {
        return Err(DataError::TooFewRows { array, rows: shape[0], needed });
    }
    if !x.is_floating_point() {
        return Ok(());
    }
    let finite = x.f_isfinite()?.f_flatten(1, -1)?.f_all_dim(1, false)?;
    let row = finite.f_to_kind(Kind::Int64)?.f_argmin(0, false)?.int64_value(&[]);
    if finite.int64_value(&[row]) == 1 {
        return Ok(());
    }
    let nan = x.f_select(0, row)?.f_isnan()?.f_any()?.int64_value(&[]) == 1;
    Err(DataError::NotFinite { array, row, value: if nan { "NaN" } else { "an infinity" } })
}

/// What is farther than this from the training points, in the data set's units, overflows in single precision when it is
/// squared.
const FARTHEST: f64 = 1e18;

/// Refuses points that the units of the training points put too far away.
pub(crate) fn check_near(x: &Tensor, units: &Normalise) -> Result<(), DataError> {
    let n = x.size()[0];
    for start in (0..n).step_by(CHUNK as usize) {
        let rows = move_to(&x.f_narrow(0, start, CHUNK.min(n - start))?, Kind::Double, Device::Cpu)?;
        let near = units.apply(&rows)?.f_abs()?.f_flatten(1, -1)?.f_amax([1i64].as_slice(), false)?.f_le(FARTHEST)?;
        let row = near.f_to_kind(Kind::Int64)?.f_argmin(0, false)?.int64_value(&[]);
        if near.int64_value(&[row]) == 0 {
            return Err(DataError::TooFar { array: String::new(), row: start + row });
        }
    }
    Ok(())
}

/// Refuses two arrays whose samples differ in shape.
pub(crate) fn check_same_samples(first: (&str, &Tensor), second: (&str, &Tensor)) -> Result<(), DataError> {
    let shape = |x: &Tensor| x.size()[1..].to_vec();
    let (first_shape, second_shape) = (shape(first.1), shape(second.1));
    if first_shape == second_shape {
        return Ok(());
    }
    let (first, second) = (first.0.to_owned(), second.0.to_owned());
    Err(DataError::ShapesDiffer { first, first_shape, second, second_shape })
}
