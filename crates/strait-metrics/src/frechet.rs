use crate::MetricError;
use strait_core::{Error, check_finite};
use tch::{Device, Kind, Tensor};

/// The mean (f,) and the unbiased covariance (f, f) of points (n, ...), flattened, in double precision on the CPU.
///
/// # Errors
/// `Shape` under two points; `NonFinite`.
pub fn moments(x: &Tensor) -> Result<(Tensor, Tensor), MetricError> {
    let (mean, factor) = factors(x)?;
    Ok((mean, factor.tr().matmul(&factor)))
}

/// The mean (f,), and the centred points over $\sqrt{n - 1}$, (n, f): a factor A of the covariance $A^T A$.
fn factors(x: &Tensor) -> Result<(Tensor, Tensor), MetricError> {
    let size = x.size();
    if size.len() < 2 || size[0] < 2 {
        return Err(
            Error::Shape { what: "features", expected: "(n, ...) with n at least 2".into(), found: size }.into()
        );
    }
    check_finite("a feature", x, String::new)?;
    // The kind is changed on the CPU: not every device knows double precision.
    let x = x.detach().flatten(1, -1).to_device(Device::Cpu).to_kind(Kind::Double);
    let mean = x.mean_dim([0i64].as_slice(), false, Kind::Double);
    let centred = (&x - &mean) / ((size[0] - 1) as f64).sqrt();
    Ok((mean, centred))
}

/// The Frechet distance, squared, of the Gaussians fitted to two sets of features, (n, f) and (m, f) (Dowson and Landau,
/// 1982; Heusel et al., arXiv 1706.08500, as FID is stated):
///
/// $$ |m_1 - m_2|^2 + \operatorname{tr}\bigl(S_1 + S_2 - 2 (S_1^{1/2} S_2 S_1^{1/2})^{1/2}\bigr) $$
///
/// With factors of the covariances, $S_1 = A^T A$ and $S_2 = B^T B$, the second term is the least $\|A - W B\|^2$ over rotations
/// W, and $W = U V^T$ of the singular vectors of $A B^T$ attains it: a sum of squares, so that it is never negative, is
/// zero for equal sets, and loses no digits where the sets are close or the covariances singular (fewer points than
/// features). It knows a law by its first two moments alone, and it is biased upwards, by about
/// $\operatorname{tr} S_1 (1/n + 1/m)$ for the means and more for the covariances: compare only at the same counts.
///
/// ```
/// use tch::{Device, Kind, Tensor};
/// let x = Tensor::randn([50, 3], (Kind::Double, Device::Cpu));
/// let moved = &x + Tensor::from_slice(&[0.0, 3.0, 4.0]);
/// assert!((strait_metrics::frechet(&x, &moved)? - 25.0).abs() < 1e-6); // |m1 - m2|^2 alone
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
///
/// # Errors
/// `Shape` under two points, or where features do not fit; `NonFinite`, also where it overflows.
pub fn frechet(x: &Tensor, y: &Tensor) -> Result<f64, MetricError> {
    let ((mean_x, a), (mean_y, b)) = (factors(x)?, factors(y)?);
    if mean_x.size() != mean_y.size() {
        let expected = format!("(n, {:?})", mean_x.size());
        return Err(Error::Shape { what: "features", expected, found: y.size() }.into());
    }
    let (a, b) = (square(&a)?, square(&b)?);
    // To as many rows: rows of zeros change no covariance.
    let rows = a.size()[0].max(b.size()[0]);
    let padded = |factor: &Tensor| factor.f_constant_pad_nd([0, 0, 0, rows - factor.size()[0]]).map_err(Error::from);
    let (a, b) = (padded(&a)?, padded(&b)?);
    let (u, _, v) = a.f_matmul(&b.tr()).and_then(|product| product.f_svd(true, true)).map_err(Error::from)?;
    let rest = &a - u.matmul(&v.tr()).matmul(&b);
    let sum = |x: &Tensor| x.square().sum(Kind::Double).double_value(&[]);
    let found = sum(&(mean_x - mean_y)) + sum(&rest);
    check_finite("the Frechet distance", &Tensor::from(found), String::new)?;
    Ok(found)
}

/// A factor of the same covariance with no more rows than columns.
fn square(factor: &Tensor) -> Result<Tensor, Error> {
    let size = factor.size();
    Ok(if size[0] > size[1] { Tensor::f_linalg_qr(factor, "r")?.1 } else { factor.shallow_clone() })
}
