use crate::MetricError;
use strait_core::{Error, check_finite};
use tch::{Device, Kind, Tensor};

/// The mean (f,) and the unbiased covariance (f, f) of points (n, ...), flattened, in double precision on the CPU.
///
/// # Errors
/// `Shape` under two points; `NonFinite`.
pub fn moments(x: &Tensor) -> Result<(Tensor, Tensor), MetricError> {
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
    let centred = &x - &mean;
    let covariance = centred.tr().matmul(&centred) / (size[0] - 1) as f64;
    Ok((mean, covariance))
}

/// The Frechet distance, squared, of the Gaussians fitted to two sets of features, (n, f) and (m, f) (Dowson and Landau,
/// 1982; Heusel et al., arXiv 1706.08500, as FID is stated):
///
/// $$ |m_1 - m_2|^2 + \operatorname{tr}\bigl(S_1 + S_2 - 2 (S_1^{1/2} S_2 S_1^{1/2})^{1/2}\bigr) $$
///
/// The roots are those of symmetric matrices, by eigenvalues, so that singular covariances (fewer points than features)
/// are no exception. It knows a law by its first two moments alone, and it is biased upwards, by about
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
/// `Shape` under two points, or where features do not fit; `NonFinite`.
pub fn frechet(x: &Tensor, y: &Tensor) -> Result<f64, MetricError> {
    let ((mean_x, s_x), (mean_y, s_y)) = (moments(x)?, moments(y)?);
    if mean_x.size() != mean_y.size() {
        let expected = format!("(n, {:?})", mean_x.size());
        return Err(Error::Shape { what: "features", expected, found: y.size() }.into());
    }
    let (values, vectors) = s_x.f_linalg_eigh("L").map_err(Error::from)?;
    let root = (&vectors * values.clamp_min(0.0).sqrt().unsqueeze(0)).matmul(&vectors.tr());
    let product = root.matmul(&s_y).matmul(&root);
    // Symmetric but for rounding.
    let (values, _) = ((&product + product.tr()) * 0.5).f_linalg_eigh("L").map_err(Error::from)?;
    let sum = |x: &Tensor| x.sum(Kind::Double).double_value(&[]);
    let covariances = sum(&s_x.trace()) + sum(&s_y.trace()) - 2.0 * sum(&values.clamp_min(0.0).sqrt());
    Ok(sum(&(mean_x - mean_y).square()) + covariances)
}
