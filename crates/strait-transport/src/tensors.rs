//! The one place where tensors become arrays and arrays tensors.

use crate::error::{Cloud, PointsError};
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

/// Squared Euclidean distances (n, m) between two clouds (n, ...) and (m, ...), each moved to its own mean, computed
/// where the tensors live, in their precision but at least single. They are those of the clouds as they lie but for a
/// term of each point alone, so the plans of least cost are the same, and however far apart the clouds are the digits
/// go to what tells points of one cloud from each other.
pub(crate) fn squared_distances(x0: &Tensor, x1: &Tensor) -> Result<Tensor, Error> {
    let (x, y) = (flatten("x0", x0)?, flatten("x1", x1)?);
    if x0.size()[1..] != x1.size()[1..] {
        return Err(Error::Shape { what: "x1", expected: format!("(n, {:?})", &x0.size()[1..]), found: x1.size() });
    }
    let kind = if x.kind() == Kind::Double || y.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let (x, y) = (x.f_detach()?.f_to_kind(kind)?, y.f_detach()?.f_to_kind(kind)?);
    for (cloud, points) in [(Cloud::Source, &x), (Cloud::Target, &y)] {
        let finite = points.f_isfinite()?.f_all_dim(1, false)?;
        if !finite.f_all()?.f_int64_value(&[])?.eq(&1) {
            let row = finite.f_to_kind(Kind::Int64)?.f_argmin(0, false)?.f_int64_value(&[])? as usize;
            return Err(Error::other(PointsError::NonFinite { cloud, row }));
        }
    }
    let centred = |points: &Tensor| points.f_sub(&points.f_mean_dim([0i64].as_slice(), true, kind)?);
    let (x, y) = (centred(&x)?, centred(&y)?);
    let norms = |points: &Tensor| points.f_mul(points)?.f_sum_dim_intlist([1i64].as_slice(), true, kind);
    let product = x.f_matmul(&y.f_transpose(0, 1)?)?;
    Ok(product.f_mul_scalar(-2)?.f_add(&norms(&x)?)?.f_add(&norms(&y)?.f_transpose(0, 1)?)?.f_clamp_min(0)?)
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
    fn distances_agree_with_differences_but_for_a_term_of_each_point() {
        tch::manual_seed(0);
        let options = (Kind::Float, Device::Cpu);
        let (x, y) = (Tensor::randn([7, 2, 5], options) + 100.0, Tensor::randn([9, 2, 5], options) - 100.0);
        let squares = squared_distances(&x, &y).unwrap();
        assert!(squares.max().double_value(&[]) < 100.0, "{squares}");
        let rest = |squares: Tensor| {
            let mean = |axis: i64, of: &Tensor| of.mean_dim([axis].as_slice(), true, Kind::Double);
            let rows = &squares - mean(0, &squares);
            &rows - mean(1, &rows)
        };
        let exact = (x.view([7, 1, 10]).to_kind(Kind::Double) - y.view([1, 9, 10]).to_kind(Kind::Double)).square();
        let exact = exact.sum_dim_intlist([2i64].as_slice(), false, Kind::Double);
        let error = (rest(squares.to_kind(Kind::Double)) - rest(exact)).abs().max();
        assert!(error.double_value(&[]) < 1e-4, "{error:?}");
    }
}
