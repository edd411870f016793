use crate::spaced;
use strait_core::Error;
use tch::{Device, Kind, Tensor};

/// Which scale a change of units has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// One for all coordinates: for coordinates that share a unit, such as pixels or points of a plane.
    Overall,
    /// One for each coordinate: for columns of different units.
    PerCoordinate,
    /// One for each coordinate, of its quartiles: median 0, and quartiles as far apart as those of a normal law of
    /// variance 1. For heavy tails, of which single rows would make a standard deviation.
    Robust,
    /// None, and no shift: the data keep their own units.
    Own,
}

/// Rows taken at a time, so that double-precision statistics of a large array need little memory.
pub(crate) const CHUNK: i64 = 4096;

/// Rows that quartiles are taken over; of more, evenly spaced ones.
const QUARTILES: i64 = 16_384;

/// Sizes between which squares and their sums stay within the range of a double.
const ORDINARY: std::ops::RangeInclusive<f64> = 1e-90..=1e90;

/// The statistics of each coordinate, in double precision on the CPU.
pub(crate) struct Moments {
    pub(crate) mean: Tensor,
    /// Of the coordinate times `factor`, a power of two, so that it neither overflows nor is lost.
    variance: Tensor,
    factor: Tensor,
    /// The median, and the quartiles' distance over 1.349, where they were asked for.
    quartiles: Option<(Tensor, Tensor)>,
    /// Where the coordinate never changes.
    pub(crate) constant: Tensor,
}

impl Moments {
    /// Of each coordinate plus a number uniform on $[0, \text{bin})$ of its own; bins of 0 change nothing.
    pub(crate) fn dequantised(self, bin: &Tensor) -> Result<Self, Error> {
        let varied = bin.f_gt(0.0)?;
        let wide = bin.f_mul(&self.factor)?;
        Ok(Self {
            mean: self.mean.f_add(&(bin * 0.5))?,
            quartiles: match self.quartiles {
                Some((median, spread)) => Some((median.f_add(&(bin * 0.5))?, spread)),
                None => None,
            },
            variance: self.variance.f_add(&(wide.f_square()? / 12.0))?,
            constant: self.constant.f_logical_and(&varied.f_logical_not()?)?,
            ..self
        })
    }

    /// Of images (C, H, W) and their mirror images, left to right, alike. The quartiles are as they were.
    pub(crate) fn mirrored(self) -> Result<Self, Error> {
        let turned = |x: &Tensor| x.f_flip([-1]);
        let (mean, other) = (&self.mean, turned(&self.mean)?);
        // The variance of a mixture of two halves; images are of ordinary size, so that factors are 1.
        let apart = mean.f_sub(&other)?.f_mul(&self.factor)?.f_square()? / 4.0;
        let constant =
            self.constant.f_logical_and(&turned(&self.constant)?)?.f_logical_and(&mean.f_eq_tensor(&other)?)?;
        Ok(Self {
            mean: mean.f_add(&other)? / 2.0,
            variance: (self.variance.f_add(&turned(&self.variance)?)? / 2.0).f_add(&apart)?,
            constant,
            ..self
        })
    }

    /// The square root of the mean variance; 1 where nothing changes.
    pub(crate) fn overall(&self) -> Result<Tensor, Error> {
        let common = self.factor.f_min()?;
        let sd = (&self.variance * (&common / &self.factor).f_square()?).f_mean(Kind::Double)?.f_sqrt()? / common;
        Ok(if self.constant.f_all()?.int64_value(&[]) == 1 { sd.f_ones_like()? } else { sd })
    }

    /// The standard deviation of each coordinate; 1 for one that never changes.
    pub(crate) fn deviations(&self) -> Result<Tensor, Error> {
        Ok((self.variance.f_sqrt()? / &self.factor).f_masked_fill(&self.constant, 1.0)?)
    }

    /// The median of each coordinate and its spread: its standard deviation where a half of the points are equal. Mean and
    /// standard deviation where no quartiles were taken.
    pub(crate) fn robust(&self) -> Result<(Tensor, Tensor), Error> {
        let deviations = self.deviations()?;
        Ok(match &self.quartiles {
            Some((median, spread)) => (median.shallow_clone(), spread.f_where_self(&spread.f_gt(0.0)?, &deviations)?),
            None => (self.mean.shallow_clone(), deviations),
        })
    }
}

/// Of (n, ...) in memory.
pub(crate) fn moments(x: &Tensor, scaling: Scaling) -> Result<Moments, Error> {
    let size = x.size();
    if size.len() < 2 || x.numel() == 0 {
        return Err(Error::Shape { what: "x", expected: "(n, ...) with at least one point".into(), found: size });
    }
    moments_of(size[0], scaling, &|start, n| Ok(x.f_narrow(0, start, n)?.f_detach()?.f_to_device(Device::Cpu)?))
}

/// Of n rows that are had some at a time, in two passes.
pub(crate) fn moments_of(
    n: i64,
    scaling: Scaling,
    rows: &dyn Fn(i64, i64) -> Result<Tensor, Error>,
) -> Result<Moments, Error> {
    let part =
        |start: i64| -> Result<Tensor, Error> { Ok(rows(start, CHUNK.min(n - start))?.f_to_kind(Kind::Double)?) };
    let parts = || (0..n).step_by(CHUNK as usize);
    let first = part(0)?;
    let axis: &[i64] = &[0];
    let (mut least, mut greatest) = (first.f_amin(axis, false)?, first.f_amax(axis, false)?);
    let mut wanted = spaced::rows((n - 1) / QUARTILES + 1, n).peekable();
    let mut some = vec![];
    for start in parts() {
        let x = part(start)?;
        least = least.f_minimum(&x.f_amin(axis, false)?)?;
        greatest = greatest.f_maximum(&x.f_amax(axis, false)?)?;
        let here: Vec<i64> =
            std::iter::from_fn(|| wanted.next_if(|row| *row < start + CHUNK)).map(|row| row - start).collect();
        if scaling == Scaling::Robust && !here.is_empty() {
            some.push(x.f_index_select(0, &Tensor::f_from_slice(&here)?)?);
        }
    }
    let constant = least.f_eq_tensor(&greatest)?;
    // A constant has no part in a common scale, however large it is.
    let size = least.f_abs()?.f_maximum(&greatest.f_abs()?)?.f_masked_fill(&constant, 0.0)?;
    let factor = factors(&size)?;
    let sum = |term: &dyn Fn(Tensor) -> Result<Tensor, Error>| -> Result<Tensor, Error> {
        let mut total = Tensor::f_zeros_like(&least)?;
        for start in parts() {
            total += term(part(start)?.f_mul(&factor)?)?.f_sum_dim_intlist(axis, false, Kind::Double)?;
        }
        Ok(total)
    };
    let mean = sum(&Ok)? / n as f64;
    let variance = sum(&|rows| Ok(rows.f_sub(&mean)?.f_square()?))? / n as f64;
    let quartiles = if some.is_empty() { None } else { Some(quartiles(&Tensor::f_cat(&some, 0)?)?) };
    Ok(Moments {
        mean: least.f_where_self(&constant, &(mean / &factor))?,
        variance: variance.f_masked_fill(&constant, 0.0)?,
        quartiles,
        factor,
        constant,
    })
}

/// 1 for coordinates of ordinary size, else the power of two that makes their greatest number about 1.
fn factors(size: &Tensor) -> Result<Tensor, Error> {
    let factor =
        |size: f64| if size == 0.0 || ORDINARY.contains(&size) { 1.0 } else { size.log2().floor().exp2().recip() };
    let flat = Vec::<f64>::try_from(size.f_contiguous()?.f_view([-1])?)?;
    let factors: Vec<f64> = flat.into_iter().map(factor).collect();
    Ok(Tensor::f_from_slice(&factors)?.f_view(&size.size()[..])?)
}

/// Median and quartiles' distance over 1.349 of each coordinate.
fn quartiles(x: &Tensor) -> Result<(Tensor, Tensor), Error> {
    let (sorted, _) = x.f_sort(0, false)?;
    let last = (x.size()[0] - 1) as f64;
    let at = |share: f64| -> Result<Tensor, Error> {
        let (below, rest) = ((share * last).floor(), (share * last).fract());
        let low = sorted.f_select(0, below as i64)?;
        let high = sorted.f_select(0, ((below + 1.0).min(last)) as i64)?;
        // Halves, for the difference of the two may be more than a double holds.
        Ok(&low * (1.0 - rest) + &high * rest)
    };
    Ok((at(0.5)?, at(0.75)? / 1.349 - at(0.25)? / 1.349))
}
