//! A look at the columns of an array before anything is trained on it: what each holds, what would be refused, and the
//! settings that fit it.

mod column;
mod show;

pub use column::{Column, Finding};

use self::column::{FAR, has_atoms};
use crate::moments::CHUNK;
use crate::normalise::move_to;
use crate::{DataError, Scaling, spaced};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use strait_core::Error;
use strait_io::Element;
use tch::{Device, Kind, Tensor};

/// Rows that quartiles and shares are counted over; of more, evenly spaced ones.
const LOOKED_AT: i64 = 16_384;

/// What an array (n, ...) holds, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Rows of the file, or of the tensor.
    pub rows: i64,
    /// Of how many rows one was looked at: 1 where all were, more for a file that is larger than memory.
    pub every: i64,
    /// The shape of one sample.
    pub event: Vec<i64>,
    /// The type of the numbers in their file.
    pub element: Element,
    /// Each column.
    pub columns: Vec<Column>,
    /// Rows that repeat an earlier one, of those looked at.
    pub repeated_rows: i64,
    /// Why it would be refused, where it would.
    pub refused: Option<String>,
    /// Arrays of the file that more bytes follow, which are not read.
    pub followed: Vec<String>,
}

impl Look {
    /// Looks at an array whose file holds numbers of a type.
    ///
    /// # Errors
    /// `NotABatch` or `TooFewRows` for what is no batch of samples; libtorch's, when memory runs out.
    ///
    /// ```
    /// use strait_data::columns::{Finding, Look};
    /// use strait_data::Scaling;
    /// use strait_io::Element;
    /// use tch::Tensor;
    /// let x = Tensor::from_slice2(&[[1.0, 7.0, 1e5], [2.0, 7.0, -2e5], [4.0, 7.0, 3e5]]);
    /// let look = Look::of(&x, Element::F64)?;
    /// assert_eq!(look.columns[1].findings(look.rows), [Finding::Constant]);
    /// assert!(look.scale_ratio() > 1e5);
    /// assert_eq!(look.scaling(), Scaling::PerCoordinate); // what it proposes
    /// println!("{look}"); // a table
    /// # Ok::<(), strait_data::DataError>(())
    /// ```
    pub fn of(x: &Tensor, element: Element) -> Result<Self, DataError> {
        let shape = x.size();
        if shape.len() < 2 || shape[1..].contains(&0) {
            return Err(DataError::NotABatch { array: "data".into(), shape });
        }
        if shape[0] < 1 {
            return Err(DataError::TooFewRows { array: "data".into(), rows: 0, needed: 1 });
        }
        let flat = x.f_detach()?.f_flatten(1, -1)?;
        let (rows, width) = (shape[0], flat.size()[1]);
        let every = (rows - 1) / LOOKED_AT + 1;
        let mut columns = Vec::with_capacity(width as usize);
        for start in (0..width).step_by(CHUNK as usize) {
            let part = flat.f_narrow(1, start, CHUNK.min(width - start))?;
            columns.extend(look_at(&part, start as usize, every)?);
        }
        for column in &mut columns {
            column.whole &= column.greatest.abs().max(column.least.abs()) < halves_below(element);
        }
        mark_copies(&flat, &mut columns, every)?;
        let repeated_rows = repeated(&flat)?;
        let event = shape[1..].to_vec();
        let mut look = Self { rows, every: 1, event, element, columns, repeated_rows, refused: None, followed: vec![] };
        look.refused = look.check("data", look.scaling()).err().map(|error| error.to_string());
        Ok(look)
    }

    /// Of one row in `every` of a file of so many.
    pub(crate) fn of_some(self, every: i64, rows: i64) -> Self {
        let in_file = |column: Column| Column { farthest: column.farthest * every, ..column };
        Self { rows, every, columns: self.columns.into_iter().map(in_file).collect(), ..self }
    }

    /// The largest standard deviation of a column over the smallest that is not 0; 1 where no column varies.
    pub fn scale_ratio(&self) -> f64 {
        let varying = || self.columns.iter().filter(|column| column.least < column.greatest).map(|column| column.sd);
        let (least, most) = (varying().fold(f64::INFINITY, f64::min), varying().fold(0.0, f64::max));
        if most > 0.0 { most / least } else { 1.0 }
    }

    /// The units that it proposes: those of each column where their scales differ tenfold, and robust ones where single
    /// rows weigh; else one scale for all, so that distances keep their proportions. A sample of two axes or more shares
    /// its unit, as pixels do.
    pub fn scaling(&self) -> Scaling {
        let heavy = |column: &Column| column.spread > 0.0 && column.sd > 3.0 * column.spread;
        if self.columns.iter().any(heavy) && self.event.len() == 1 {
            Scaling::Robust
        } else if self.event.len() == 1 && self.scale_ratio() > 10.0 {
            Scaling::PerCoordinate
        } else {
            Scaling::Overall
        }
    }

    /// Whether all of it is whole numbers: such data have no density until they are dequantised.
    pub fn is_whole(&self) -> bool {
        self.columns.iter().all(|column| column.whole)
    }

    /// Refuses what cannot be trained on in these units, by its column and row.
    ///
    /// # Errors
    /// `OneRow` where a single row makes the scale of a column, `HeavyTail` where its tail does; `Precision` where single precision cannot hold one.
    pub fn check(&self, array: &str, scaling: Scaling) -> Result<(), DataError> {
        for column in &self.columns {
            let (array, index) = (array.to_owned(), column.index);
            if column.merged {
                return Err(DataError::Merged { array, column: index });
            }
            match column.one_row(self.rows / self.every) {
                Some(Finding::OneRow { row, spreads }) => {
                    return Err(DataError::OneRow { array, column: index, row, spreads });
                }
                Some(Finding::HeavyTail { row, spreads, far_rows }) => {
                    let (median, spread) = (column.median, column.spread);
                    return Err(DataError::HeavyTail { array, column: index, row, spreads, far_rows, median, spread });
                }
                _ => {}
            }
        }
        self.check_precision(array, scaling)
    }

    /// Refuses columns that single precision cannot hold in these units.
    pub(crate) fn check_precision(&self, array: &str, scaling: Scaling) -> Result<(), DataError> {
        let overall = (self.columns.iter().map(|c| (c.sd / self.largest_sd()).powi(2)).sum::<f64>()
            / self.columns.len() as f64)
            .sqrt()
            * self.largest_sd();
        for column in self.columns.iter().filter(|column| column.least < column.greatest) {
            let scale = match scaling {
                Scaling::Own => 1.0,
                Scaling::Overall => overall,
                Scaling::PerCoordinate => column.sd,
                Scaling::Robust if column.spread > 0.0 => column.spread,
                Scaling::Robust => column.sd,
            };
            let (sd, offset) = (column.sd / scale, if scaling == Scaling::Own { column.mean.abs() } else { 0.0 });
            let far = (column.greatest / scale).abs().max((column.least / scale).abs());
            let (column, problem) = (
                column.index,
                if sd < SMALLEST || column.sd < f64::MIN_POSITIVE {
                    "too small"
                } else if sd * DIGITS < offset {
                    "too far from 0 for its spread"
                } else if scaling == Scaling::Own && far > LARGEST || sd > LARGEST {
                    "too large"
                } else {
                    continue;
                },
            );
            // No unit mends what even a double holds in part.
            let rescale = matches!(scaling, Scaling::PerCoordinate) || self.columns[column].sd < f64::MIN_POSITIVE;
            let remedy = if rescale { "rescale it" } else { "set data.units = \"column\", or rescale it" };
            return Err(DataError::Precision { array: array.to_owned(), column, problem, remedy });
        }
        Ok(())
    }

    fn largest_sd(&self) -> f64 {
        self.columns.iter().map(|column| column.sd).fold(f64::MIN_POSITIVE, f64::max)
    }
}

/// Standard deviations below this are lost beside weights and noise of size 1 in single precision.
const SMALLEST: f64 = 1e-30;
/// What is larger overflows in single precision when it is squared.
const LARGEST: f64 = 1e18;
/// The ratio of offset to spread that leaves three digits of the spread in single precision.
const DIGITS: f64 = 1e4;
/// The same of integers in double precision.
const DOUBLE_DIGITS: f64 = 1e12;

/// Above this every number of a floating type is whole, and being so says nothing.
fn halves_below(element: Element) -> f64 {
    match element {
        Element::F16 => 10f64.exp2(),
        Element::F32 => 23f64.exp2(),
        Element::F64 => 52f64.exp2(),
        _ => f64::INFINITY,
    }
}

/// Columns of (n, width).
fn look_at(x: &Tensor, first: usize, every: i64) -> Result<Vec<Column>, Error> {
    let counted = x;
    let x = move_to(x, Kind::Double, Device::Cpu)?;
    // Of each column: whether double precision holds every integer as it is.
    let exact = match counted.kind() {
        Kind::Int64 => Some(counted.f_eq_tensor(&x.f_to_kind(Kind::Int64)?)?.f_all_dim(0, false)?),
        _ => None,
    };
    let rows = x.size()[0];
    let finite = x.f_isfinite()?;
    let count = |mask: &Tensor| -> Result<Vec<i64>, Error> {
        Ok(Vec::<i64>::try_from(mask.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Int64)?)?)
    };
    let (missing, finites) = (count(&x.f_isnan()?)?, count(&finite)?);
    let whole = count(&x.f_eq_tensor(&x.f_round()?)?.f_logical_and(&finite)?)?;
    let mut columns = vec![];
    for at in 0..x.size()[1] {
        let column = x.f_select(1, at)?;
        let n = finites[at as usize];
        let held = if n == rows { column.shallow_clone() } else { column.f_masked_select(&finite.f_select(1, at)?)? };
        let infinite = rows - n - missing[at as usize];
        let mut found = Column {
            index: first + at as usize,
            missing: missing[at as usize],
            infinite,
            least: f64::NAN,
            greatest: f64::NAN,
            mean: f64::NAN,
            sd: f64::NAN,
            median: f64::NAN,
            spread: f64::NAN,
            commonest: 0.0,
            whole: whole[at as usize] == n,
            distinct: 0,
            copy_of: None,
            farthest: 0,
            atoms: true,
            far_rows: 0,
            merged: false,
        };
        if n > 0 {
            let mut some: Vec<f64> = Vec::try_from(spaced::of(&held, every)?.f_contiguous()?)?;
            some.sort_by(f64::total_cmp);
            (found.least, found.greatest) = (held.f_min()?.double_value(&[]), held.f_max()?.double_value(&[]));
            // In units of the column, so that neither squares nor their sum leave the range of a double.
            let centre = found.least / 2.0 + found.greatest / 2.0;
            let half = found.greatest / 2.0 - found.least / 2.0;
            let unit = if half > 0.0 { half } else { 1.0 };
            let z = held.f_sub_scalar(centre)?.f_div_scalar(unit)?;
            let mean = z.f_mean(Kind::Double)?.double_value(&[]);
            found.mean = centre + unit * mean;
            found.sd = unit * z.f_sub_scalar(mean)?.f_square()?.f_mean(Kind::Double)?.double_value(&[]).sqrt();
            found.median = quantile(&some, 0.5);
            found.spread = quantile(&some, 0.75) / 1.349 - quantile(&some, 0.25) / 1.349;
            (found.distinct, found.commonest) = shares(&some);
            found.atoms = has_atoms(&found, some.len());
            let middle = (found.median - centre) / unit;
            let distance = column.f_sub_scalar(centre)?.f_div_scalar(unit)?.f_sub_scalar(middle)?.f_abs()?;
            let distance = distance.f_nan_to_num(0.0, 0.0, 0.0)?;
            found.farthest = distance.f_argmax(0, false)?.int64_value(&[]);
            found.far_rows = distance.f_gt(FAR * (found.spread / unit))?.f_sum(Kind::Int64)?.int64_value(&[]);
            found.merged = exact.as_ref().is_some_and(|exact| exact.int64_value(&[at]) == 0)
                && found.sd * DOUBLE_DIGITS < found.least.abs().max(found.greatest.abs());
        }
        columns.push(found);
    }
    Ok(columns)
}

/// Between the two sorted values that enclose it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, rest) = (sorted[at as usize], at.fract());
    let above = sorted[(at as usize + 1).min(sorted.len() - 1)];
    if rest == 0.0 { below } else { below + rest * (above - below) }
}

/// How many distinct values sorted ones have, and the share of the most frequent.
fn shares(sorted: &[f64]) -> (usize, f64) {
    let (mut distinct, mut run, mut longest) = (0, 0, 0);
    for (at, value) in sorted.iter().enumerate() {
        let new = at == 0 || *value != sorted[at - 1];
        (distinct, run) = if new { (distinct + 1, 1) } else { (distinct, run + 1) };
        longest = longest.max(run);
    }
    (distinct, f64::from(longest) / sorted.len() as f64)
}

fn hash_of(values: &[f64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // -0 and 0 are one number.
    values.iter().for_each(|value| (value + 0.0).to_bits().hash(&mut hasher));
    hasher.finish()
}

fn same(flat: &Tensor, one: usize, other: usize) -> Result<bool, Error> {
    Ok(flat.f_select(1, one as i64)?.f_equal(&flat.f_select(1, other as i64)?)?)
}

fn mark_copies(flat: &Tensor, columns: &mut [Column], every: i64) -> Result<(), Error> {
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for column in columns.iter_mut().filter(|column| column.least < column.greatest) {
        let at = column.index;
        let read = |at: usize| -> Result<Vec<f64>, Error> {
            let some = spaced::of(&flat.f_select(1, at as i64)?, every)?;
            Ok(Vec::try_from(move_to(&some, Kind::Double, Device::Cpu)?.f_contiguous()?)?)
        };
        let values = read(at)?;
        match seen.get(&hash_of(&values)) {
            // What agrees in some rows is compared in all.
            Some(&of) if read(of)? == values && same(flat, of, at)? => column.copy_of = Some(of),
            Some(_) => {}
            None => drop(seen.insert(hash_of(&values), at)),
        }
    }
    Ok(())
}

/// Rows that repeat an earlier one, of all. Rows that are equal have equal weighted sums, so that few of many have to be read.
fn repeated(flat: &Tensor) -> Result<i64, Error> {
    let (n, width) = (flat.size()[0], flat.size()[1]);
    let weights: Vec<f64> = (1..=width).map(|at| (at as f64 * 0.618_033_988_749_895).fract() + 0.5).collect();
    let weights = Tensor::f_from_slice(&weights)?;
    let parts = || (0..n).step_by(CHUNK as usize).map(|start| (start, CHUNK.min(n - start)));
    let read = |(start, n): (i64, i64)| -> Result<Tensor, Error> {
        Ok(move_to(&flat.f_narrow(0, start, n)?, Kind::Double, Device::Cpu)?.f_contiguous()?)
    };
    let mut sums: Vec<u64> = Vec::with_capacity(n as usize);
    for part in parts() {
        let of = (read(part)? * &weights).f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double)?;
        // -0 and 0 are one number.
        sums.extend(Vec::<f64>::try_from(of)?.into_iter().map(|sum| (sum + 0.0).to_bits()));
    }
    let mut sorted = sums.clone();
    sorted.sort_unstable();
    let shared: HashSet<u64> = sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    let (mut seen, mut repeated) = (HashSet::new(), 0);
    for (start, count) in parts().filter(|_| !shared.is_empty()) {
        let values: Vec<f64> = Vec::try_from(read((start, count))?.f_view([-1])?)?;
        let rows = values.chunks(width as usize).zip(&sums[start as usize..]).filter(|(_, sum)| shared.contains(sum));
        repeated += rows.filter(|(row, _)| !seen.insert(hash_of(row))).count() as i64;
    }
    Ok(repeated)
}
