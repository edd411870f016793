//! Conversions between tensors and arrays.

use crate::distances::{Distances, in_units};
use ndarray::Array2;
use strait_core::Error;
use tch::{Device, Kind, Tensor};

/// Points of shape (n, ...) as an (n, d) array in double precision, for the distances of this crate.
///
/// ```
/// use strait_transport::to_array;
/// use tch::{Device, Kind, Tensor};
/// let images = Tensor::zeros([5, 1, 8, 8], (Kind::Float, Device::Cpu));
/// assert_eq!(to_array(&images)?.dim(), (5, 64));
/// # Ok::<(), strait_core::Error>(())
/// ```
///
/// # Errors
/// `Shape` where there is no dimension beside the batch; libtorch's, when memory runs out.
pub fn to_array(points: &Tensor) -> Result<Array2<f64>, Error> {
    matrix(&flatten("points", points)?.f_to_kind(Kind::Double)?)
}

/// (n, ...) as (n, d).
pub(crate) fn flatten(what: &'static str, points: &Tensor) -> Result<Tensor, Error> {
    if points.dim() < 2 {
        return Err(Error::Shape { what, expected: "(n, ...)".into(), found: points.size() });
    }
    Ok(points.f_flatten(1, -1)?)
}

/// A matrix as an array of the same kind.
pub(crate) fn matrix<T: tch::kind::Element + Clone + Default>(tensor: &Tensor) -> Result<Array2<T>, Error> {
    let size = tensor.size();
    let (rows, columns) = (size[0] as usize, size[1] as usize);
    let host = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![T::default(); rows * columns];
    host.f_copy_data(&mut values, rows * columns)?;
    Array2::from_shape_vec((rows, columns), values).map_err(Error::other)
}

/// Row numbers as a tensor beside `like`.
pub(crate) fn rows(rows: impl Iterator<Item = usize>, like: &Tensor) -> Result<Tensor, Error> {
    let rows: Vec<i64> = rows.map(|row| row as i64).collect();
    Ok(Tensor::f_from_slice(&rows)?.f_to_device(like.device())?)
}

/// Squared Euclidean distances (n, m) between two clouds (n, ...) and (m, ...), in double precision on the host:
/// precise also for points far from the origin, and for any number type.
pub(crate) fn squared_distances(x0: &Tensor, x1: &Tensor) -> Result<Array2<f64>, Error> {
    let (x, y) = clouds(x0, x1)?;
    Distances::new(x.view(), y.view(), 1).and_then(|distances| distances.matrix()).map_err(Error::other)
}

/// The same up to a factor, for what only compares them: of points whose squares leave the range of a double too.
pub(crate) fn relative_costs(x0: &Tensor, x1: &Tensor) -> Result<Array2<f64>, Error> {
    let (x, y) = clouds(x0, x1)?;
    let (x, y) = in_units(x.view(), y.view()).map_or((x, y), |(x, y, _)| (x, y));
    Distances::new(x.view(), y.view(), 1).and_then(|distances| distances.matrix()).map_err(Error::other)
}

fn clouds(x0: &Tensor, x1: &Tensor) -> Result<(Array2<f64>, Array2<f64>), Error> {
    let (x, y) = (flatten("x0", x0)?, flatten("x1", x1)?);
    if x0.size()[1..] != x1.size()[1..] {
        return Err(Error::Shape { what: "x1", expected: format!("(n, {:?})", &x0.size()[1..]), found: x1.size() });
    }
    Ok((to_array(&x.f_detach()?)?, to_array(&y.f_detach()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_places() {
        let tensor = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([2, 2, 3]);
        let array = to_array(&tensor).unwrap();
        assert_eq!(array.row(1).to_vec(), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let transposed = tensor.view([2, 6]).transpose(0, 1);
        assert_eq!(matrix::<f32>(&transposed).unwrap().row(1).to_vec(), [1.0, 7.0]);
        assert!(matches!(to_array(&tensor.view([12])), Err(Error::Shape { .. })));
    }

    #[test]
    fn distances_are_those_of_differences_wherever_the_points_lie() {
        tch::manual_seed(0);
        let options = (Kind::Float, Device::Cpu);
        let (x, y) = (Tensor::randn([7, 2, 5], options) + 1000.0, Tensor::randn([9, 2, 5], options) - 100.0);
        let far = Tensor::randn([1, 2, 5], options) * 1e6;
        let (x, y) = (Tensor::cat(&[&x, &far, &y], 0), Tensor::cat(&[&y, &far, &x], 0));
        let squares = squared_distances(&x, &y).unwrap();
        let double = |x: &Tensor| x.to_kind(Kind::Double).view([17, 10]);
        let exact = (double(&x).unsqueeze(1) - double(&y).unsqueeze(0)).square();
        let exact = to_array(&exact.sum_dim_intlist([2i64].as_slice(), false, Kind::Double)).unwrap();
        for (found, exact) in squares.iter().zip(&exact) {
            assert!((found - exact).abs() <= 1e-9 * exact, "{found} for {exact}");
        }
    }
}
