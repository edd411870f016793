use crate::MetricError;
use crate::parts::parts;
use strait_core::{Error, check_finite};
use tch::{Device, Kind, Tensor};

/// The kernel distance of two sets of features (n, f) and (m, f): the unbiased estimate of the squared maximum mean
/// discrepancy under $k(x, y) = (x \cdot y / f + 1)^3$ (Binkowski et al., arXiv 1801.01401, as KID is stated).
///
/// $$ \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j) -
///    \frac{2}{nm} \sum_{i, j} k(x_i, y_j) $$
///
/// Being unbiased it may fall below zero, and does for two samples of one law about every other time, and for a set
/// against itself.
///
/// ```
/// use tch::Tensor;
/// let x = Tensor::from_slice2(&[[0.0], [1.0]]); // k(0, 1) = 1
/// let y = Tensor::from_slice2(&[[1.0], [1.0]]); // k(1, 1) = 8
/// assert_eq!(strait_metrics::kernel_distance(&x, &y)?, 1.0 + 8.0 - 2.0 * (1.0 + 8.0) / 2.0);
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
///
/// # Errors
/// `Shape` under two points, or where features do not fit; `NonFinite`, also where it overflows.
pub fn kernel_distance(x: &Tensor, y: &Tensor) -> Result<f64, MetricError> {
    let (x, y) = (features(x)?, features(y)?);
    let (n, m, f) = (x.size()[0] as f64, y.size()[0] as f64, x.size()[1]);
    if y.size()[1] != f {
        return Err(Error::Shape { what: "features", expected: format!("(n, {f})"), found: y.size() }.into());
    }
    // With z = c + z', the kernel is (a + p + q + r)^3 of a = |c|^2 / f + 1, p and q = c.z' / f, and r = z'.w' / f. What is of one
    // argument alone cancels in the sums above, and is left out: far from 0 it is larger than what is left by all digits.
    let (centre, x, y) = about_centre(&x, &y)?;
    let size = centre.dot(&centre) / f as f64 + 1.0;
    let kernel = |a: &Tensor, b: &Tensor| -> Result<Tensor, Error> {
        let along = |z: &Tensor| z.f_mv(&centre).map(|along| along / f as f64);
        let (p, q, r) = (along(a)?.unsqueeze(1), along(b)?.unsqueeze(0), a.f_matmul(&b.tr())? / f as f64);
        let sum = &p + &q + &size;
        Ok((&sum + &size) * p * q * 3.0 + (&sum * &sum * 3.0 + (&sum * 3.0 + &r) * &r) * &r)
    };
    let sum = |x: &Tensor| x.sum(Kind::Double).double_value(&[]);
    let between = |x: &Tensor, y: &Tensor, is_one: bool| -> Result<f64, Error> {
        let mut all = 0.0;
        for (first, some) in parts(x, y.size()[0]) {
            let of_part = kernel(&some, y)?;
            if is_one {
                let _ = of_part.f_narrow(1, first, some.size()[0])?.f_fill_diagonal_(0.0, false)?;
            }
            all += sum(&of_part);
        }
        Ok(all)
    };
    let within = |x: &Tensor, n: f64| between(x, x, true).map(|all| all / (n * (n - 1.0)));
    let found = within(&x, n)? + within(&y, m)? - 2.0 * between(&x, &y, false)? / (n * m);
    // Cubes of large features may be more than a double holds, and their difference is then no number.
    check_finite("the kernel distance", &Tensor::from(found), String::new)?;
    Ok(found)
}

/// A point in the middle of both sets, which a far one does not move, and the sets from there.
fn about_centre(x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor, Tensor), Error> {
    let centre = Tensor::f_cat(&[x, y], 0)?.f_median_dim(0, false)?.0;
    let (x, y) = (x.f_sub(&centre)?, y.f_sub(&centre)?);
    Ok((centre, x, y))
}

fn features(x: &Tensor) -> Result<Tensor, Error> {
    let size = x.size();
    if size.len() < 2 || size[0] < 2 {
        return Err(Error::Shape { what: "features", expected: "(n, ...) with n at least 2".into(), found: size });
    }
    check_finite("a feature", x, String::new)?;
    Ok(x.detach().f_flatten(1, -1)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)
}
