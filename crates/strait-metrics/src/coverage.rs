//! Whether samples fill the data's support, and whether they are copies of training points.

use crate::MetricError;
use strait_core::{Error, check_finite};
use tch::{Device, Kind, Tensor};

/// Density and coverage (Naeem et al., arXiv 2002.09797).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// $\frac1M \sum_i n_i / k_i$: how many neighbourhoods of real points a sample lies in, about 1 for the real law, more
    /// where samples keep to its middle. $k_i$ is how many other real points $B_i$ holds, k where no two are as far, and
    /// $n_i$ how many samples, without those that lie on the centre (a share of them, where several real points do): the
    /// real points themselves have density 1, whatever their ties are.
    pub density: f64,
    /// $\frac1N \sum_{i=1}^{N} [ \exists j: x_j \in B_i ]$: the share of real points whose neighbourhood holds a
    /// sample, at most 1.
    pub coverage: f64,
}

/// Density and coverage of real points (N, ...) by samples (M, ...), flattened. $B_i$ is the ball around real point i
/// that reaches to its k-th nearest other real point.
///
/// ```
/// use tch::Tensor;
/// let real = Tensor::from_slice(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0]).view([6, 1]);
/// let one_mode = Tensor::from_slice(&[0.9, 1.1, 1.0, 1.2]).view([4, 1]);
/// let found = strait_metrics::coverage(&real, &one_mode, 1)?;
/// assert_eq!(found.coverage, 0.5);
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
///
/// # Errors
/// `Setting` where k is not between 1 and N - 1; `Shape` where the two do not fit, or there is no sample; `NonFinite`.
pub fn coverage(real: &Tensor, samples: &Tensor, k: i64) -> Result<Coverage, MetricError> {
    let (real, samples) = (flat(real)?, flat(samples)?);
    let (n, m) = (real.size()[0], samples.size()[0]);
    if k < 1 || k >= n {
        let must = "at least 1 and below the number of real points";
        return Err(Error::Setting { what: "the neighbours of a coverage", value: k as f64, must }.into());
    }
    // A point is its own nearest.
    let between = distances_between(&real, &real)?;
    let (radii, _) = between.kthvalue(k + 1, 1, true);
    let per_row = |x: &Tensor| x.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    let (others, copies) = (per_row(&between.le_tensor(&radii)) - 1.0, per_row(&between.eq(0.0)));
    let across = distances_between(&real, &samples)?;
    let inside = across.le_tensor(&radii);
    let held = per_row(&inside) - per_row(&across.eq(0.0)) / copies;
    let sum = |x: &Tensor| x.sum(Kind::Double).double_value(&[]);
    Ok(Coverage { density: sum(&(held / others)) / m as f64, coverage: sum(&inside.any_dim(1, false)) / n as f64 })
}

/// The Euclidean distance of each point (n, ...) to the nearest of others (m, ...), (n,), in double precision.
///
/// # Errors
/// `Shape` where the two do not fit, or there are no others; `NonFinite`.
pub fn nearest(points: &Tensor, others: &Tensor) -> Result<Tensor, MetricError> {
    Ok(distances_between(&flat(points)?, &flat(others)?)?.amin([1i64].as_slice(), false))
}

/// (n, d) in double precision.
fn flat(x: &Tensor) -> Result<Tensor, Error> {
    if x.dim() < 2 {
        return Err(Error::Shape { what: "points", expected: "(n, ...)".into(), found: x.size() });
    }
    check_finite("a point", x, String::new)?;
    Ok(x.detach().f_flatten(1, -1)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)
}

/// (n, m) between (n, d) and (m, d), from differences: a point that lies on another is at distance 0.
fn distances_between(x: &Tensor, y: &Tensor) -> Result<Tensor, Error> {
    let d = x.size()[1];
    if y.size()[0] < 1 || y.size()[1] != d {
        let expected = format!("(m, {d}) with m at least 1");
        return Err(Error::Shape { what: "points", expected, found: y.size() });
    }
    let by_differences = 2;
    Ok(Tensor::f_cdist(x, y, 2.0, by_differences)?)
}
