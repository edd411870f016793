//! Whether samples fill the data's support, and whether they are copies of training points.

use crate::MetricError;
use crate::parts::parts;
use strait_core::{Error, check_finite};
use tch::{Device, Kind, Tensor};

/// Density and coverage (Naeem et al., arXiv 2002.09797), precision and recall.
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
    /// The share of samples that lie in a neighbourhood of a real point (Kynkaanniemi et al., arXiv 1904.06991).
    pub precision: f64,
    /// The share of real points that lie in a neighbourhood of a sample, each reaching to its k-th nearest other sample; to
    /// the farthest where there are no more than k.
    pub recall: f64,
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
    let unit = unit(&[&real, &samples])?;
    let (real, samples) = (real / unit, samples / unit);
    let (n, m) = (real.size()[0], samples.size()[0]);
    if k < 1 || k >= n {
        let must = "at least 1 and below the number of real points";
        return Err(Error::Setting { what: "the neighbours of a coverage", value: k as f64, must }.into());
    }
    check_fit(&real, &samples)?;
    let per_row = |x: &Tensor| x.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    let sum = |x: &Tensor| x.sum(Kind::Double).double_value(&[]);
    // A point is its own nearest.
    let reach = |(_, some): (i64, Tensor)| Ok(distances_between(&some, &samples)?.kthvalue((k + 1).min(m), 1, false).0);
    let reach =
        Tensor::f_cat(&parts(&samples, m).map(reach).collect::<Result<Vec<_>, Error>>()?, 0).map_err(Error::from)?;
    let (mut density, mut covered, mut recalled) = (0.0, 0.0, 0.0);
    let mut is_inside = Tensor::f_zeros([m], (Kind::Bool, Device::Cpu)).map_err(Error::from)?;
    for (_, some) in parts(&real, n.max(m)) {
        let between = distances_between(&some, &real)?;
        let (radii, _) = between.kthvalue(k + 1, 1, true);
        let (others, copies) = (per_row(&between.le_tensor(&radii)) - 1.0, per_row(&between.eq(0.0)));
        let across = distances_between(&some, &samples)?;
        let inside = across.le_tensor(&radii);
        let held = per_row(&inside) - per_row(&across.eq(0.0)) / copies;
        density += sum(&(held / others));
        covered += sum(&inside.any_dim(1, false));
        recalled += sum(&across.le_tensor(&reach).any_dim(1, false));
        is_inside = is_inside.logical_or(&inside.any_dim(0, false));
    }
    Ok(Coverage {
        density: density / m as f64,
        coverage: covered / n as f64,
        precision: sum(&is_inside) / m as f64,
        recall: recalled / n as f64,
    })
}

/// The Euclidean distance of each point (n, ...) to the nearest of others (m, ...), (n,), in double precision.
///
/// # Errors
/// `Shape` where the two do not fit, or there are no others; `NonFinite`.
pub fn nearest(points: &Tensor, others: &Tensor) -> Result<Tensor, MetricError> {
    Ok(nearest_rows(points, others)?.0)
}

/// Others whose products with points are held at a time.
const CHUNK: i64 = 4096;
/// Points whose products are.
const ROWS: i64 = 1024;

/// The distances of [`nearest`], and which of the others each is to, (n,) of 64-bit integers; of several as near, the first.
/// Which is nearest is told by $|y|^2 - 2 x \cdot y$, a product of matrices, where its rounding leaves no doubt, and else by
/// differences, as how far it is.
///
/// ```
/// use tch::Tensor;
/// let points = Tensor::from_slice2(&[[0.0, 3.0], [5.0, 5.0]]);
/// let others = Tensor::from_slice2(&[[9.0, 9.0], [5.0, 5.0], [4.0, 0.0]]);
/// let (distances, rows) = strait_metrics::nearest_rows(&points, &others)?;
/// assert_eq!((distances, rows), (Tensor::from_slice(&[5.0, 0.0]), Tensor::from_slice(&[2i64, 1])));
/// # Ok::<(), strait_metrics::MetricError>(())
/// ```
///
/// # Errors
/// As [`nearest`].
pub fn nearest_rows(points: &Tensor, others: &Tensor) -> Result<(Tensor, Tensor), MetricError> {
    let x = flat(points)?;
    let (n, m) = (x.size()[0], others.size().first().copied().unwrap_or(0));
    check_fit(&x, others)?;
    let unit = unit(&[&x, others])?;
    let x = x / unit;
    let centre = if n > 0 { x.f_median_dim(0, true).map_err(Error::from)?.0 } else { Tensor::from(0.0) };
    let mut rows = Tensor::f_zeros([n], (Kind::Int64, Device::Cpu)).map_err(Error::from)?;
    let mut distances = Tensor::f_full([n], f64::INFINITY, (Kind::Double, Device::Cpu)).map_err(Error::from)?;
    for start in (0..m).step_by(CHUNK as usize) {
        let y = flat(&others.narrow(0, start, CHUNK.min(m - start)))? / unit;
        let some = |first: i64| nearest_of(&x.narrow(0, first, ROWS.min(n - first)), &y, &centre);
        let parts = (0..n).step_by(ROWS as usize).map(some).collect::<Result<Vec<_>, _>>()?;
        let (found, at): (Vec<Tensor>, Vec<Tensor>) = parts.into_iter().unzip();
        if found.is_empty() {
            break;
        }
        let (found, at) = (Tensor::cat(&found, 0), Tensor::cat(&at, 0));
        let nearer = found.lt_tensor(&distances);
        distances = found.where_self(&nearer, &distances);
        rows = (at + start).where_self(&nearer, &rows);
    }
    Ok((distances * unit, rows))
}

/// Of each of x (n, d) the distance to the nearest of y (m, d), and its row. The middle of most points as the origin of the
/// products, wherever a few of them are, keeps their rounding small.
fn nearest_of(x: &Tensor, y: &Tensor, centre: &Tensor) -> Result<(Tensor, Tensor), Error> {
    let squares = |x: &Tensor| x.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
    let (centred_x, centred_y) = (x - centre, y - centre);
    let (of_x, of_y) = (squares(&centred_x), squares(&centred_y).tr());
    let scores = &of_y - centred_x.f_matmul(&centred_y.tr())? * 2.0;
    // What rounding may have added to or taken from a score, with some to spare.
    let lost = (of_x + &of_y) * (f64::EPSILON * (x.size()[1] + 8) as f64);
    let (least, at) = (&scores + &lost).min_dim(1, true);
    let doubtful = (scores - lost).f_le_tensor(&least)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Int64)?.gt(1);
    let at = at.squeeze_dim(1);
    let places = doubtful.nonzero().view([-1]);
    if places.numel() > 0 {
        let exact = distances_between(&x.index_select(0, &places), y)?.min_dim(1, false).1;
        let _ = at.shallow_clone().f_index_copy_(0, &places, &exact)?;
    }
    let apart = (x - y.index_select(0, &at)).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double).sqrt();
    Ok((apart, at))
}

/// Sizes of coordinates between which squares of differences, and sums of those, stay within the range of a double.
const ORDINARY: std::ops::RangeInclusive<f64> = 1e-130..=1e130;

/// What large coordinates are divided to: near the upper end of `ORDINARY`, so that the squares of coordinates many orders
/// below the largest are not lost.
const LARGEST: f64 = 430.0;

/// A power of two that makes the largest coordinate of ordinary size, where it is not; else 1.
fn unit(sets: &[&Tensor]) -> Result<f64, Error> {
    let mut largest = 0.0f64;
    for set in sets.iter().filter(|set| set.numel() > 0) {
        let largest_of = |x: Tensor| x.f_to_kind(Kind::Double)?.f_double_value(&[]);
        largest = largest.max(largest_of(set.f_max()?)?.abs()).max(largest_of(set.f_min()?)?.abs());
    }
    let ordinary = largest == 0.0 || !largest.is_finite() || ORDINARY.contains(&largest);
    Ok(if ordinary { 1.0 } else { (largest.log2().floor() - LARGEST).max(-1022.0).exp2() })
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
    check_fit(x, y)?;
    let by_differences = 2;
    Ok(Tensor::f_cdist(x, y, 2.0, by_differences)?)
}

/// Refuses points (m, ...) that are none, or of another number of coordinates than x (n, d).
fn check_fit(x: &Tensor, y: &Tensor) -> Result<(), Error> {
    let (d, size) = (x.size()[1], y.size());
    if size.len() > 1 && size[0] > 0 && size[1..].iter().product::<i64>() == d {
        return Ok(());
    }
    let expected = format!("(m, {d}) with m at least 1");
    Err(Error::Shape { what: "points", expected, found: size })
}
