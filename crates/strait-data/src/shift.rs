//! Whether held-out points are of the law of the training points, as what is measured on them supposes.

use crate::normalise::move_to;
use crate::spaced;
use std::fmt;
use strait_core::{Error, Split};
use tch::{Device, Kind, Tensor};

/// Rows of a part that are compared, evenly spaced.
const ROWS: i64 = 2048;
/// Columns that are compared, evenly spaced.
const COLUMNS: i64 = 1024;
/// How often a part of the same law is taken for one of another, at most.
const FALSE_ALARM: f64 = 1e-6;
/// A difference of shares that is worth a word, however many rows prove a smaller one.
const PLAIN: f64 = 0.1;

/// A part whose law is plainly not that of the training points, by the column that differs most.
///
/// Columns are compared by the distance of Kolmogorov and Smirnov, the largest difference of the shares below a value. For
/// n and m points of one law, with ties or without, it exceeds $\lambda \sqrt{(n + m) / (n m)}$ with a probability of at most
/// $2 e^{-2 \lambda^2}$; $\lambda$ is such that all columns together do so in one part of a million.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// The part.
    pub split: Split,
    /// The column, counted from 0.
    pub column: usize,
    /// The largest difference between the shares of training points and of the part's points below a value.
    pub distance: f64,
    /// How many more columns differ as plainly.
    pub others: usize,
}

impl Shift {
    /// Of a part (m, ...) against the training points (n, ...); None where the two may be of one law.
    pub(crate) fn of(split: Split, train: &Tensor, part: &Tensor) -> Result<Option<Self>, Error> {
        let (train, part) = (some_rows(train)?, some_rows(part)?);
        let (n, m) = (train.size()[0], part.size()[0]);
        if n == 0 || m == 0 {
            return Ok(None);
        }
        let width = train.size()[1];
        let columns: Vec<i64> = (0..width).step_by(((width - 1) / COLUMNS + 1) as usize).collect();
        let limit = (limit(columns.len(), FALSE_ALARM) * ((n + m) as f64 / (n * m) as f64).sqrt()).max(PLAIN);
        let mut found: Option<Self> = None;
        for column in columns {
            let distance = distance(&sorted(&train, column)?, &sorted(&part, column)?);
            if distance <= limit {
                continue;
            }
            let others = found.as_ref().map_or(0, |found| found.others + 1);
            match &mut found {
                Some(found) if found.distance >= distance => found.others = others,
                _ => found = Some(Self { split, column: column as usize, distance, others }),
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { split, column, distance, others } = self;
        let more = match others {
            0 => String::new(),
            1 => " and 1 other column".into(),
            n => format!(" and {n} other columns"),
        };
        write!(
            f,
            "column {column} (counted from 0){more} of the {} points is plainly of another law than of the training points: up to \
             {:.0}% more of one than of the other lie below a value; samples are as the training points are",
            split.name(),
            100.0 * distance
        )
    }
}

/// $\lambda$ of so many columns.
fn limit(columns: usize, false_alarm: f64) -> f64 {
    ((2.0 * columns as f64 / false_alarm).ln() / 2.0).sqrt()
}

/// (rows, width), in double precision.
fn some_rows(x: &Tensor) -> Result<Tensor, Error> {
    let every = (x.size()[0] - 1).max(0) / ROWS + 1;
    move_to(&spaced::of(x, every)?.f_flatten(1, -1)?, Kind::Double, Device::Cpu)
}

fn sorted(x: &Tensor, column: i64) -> Result<Vec<f64>, Error> {
    let mut values = Vec::<f64>::try_from(x.f_select(1, column)?.f_contiguous()?)?;
    values.sort_unstable_by(f64::total_cmp);
    Ok(values)
}

/// The largest difference of the shares of two sorted lists at or below a value.
fn distance(x: &[f64], y: &[f64]) -> f64 {
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < x.len() && j < y.len() {
        let value = x[i].min(y[j]);
        i += x[i..].iter().take_while(|&&x| x <= value).count();
        j += y[j..].iter().take_while(|&&y| y <= value).count();
        largest = largest.max((i as f64 / x.len() as f64 - j as f64 / y.len() as f64).abs());
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_core::Seed;

    #[test]
    fn the_distance_is_that_of_the_shares() {
        let shares = |list: &[f64], at: f64| list.iter().filter(|x| **x <= at).count() as f64 / list.len() as f64;
        for (x, y) in [
            (vec![0.0, 1.0, 2.0], vec![0.0, 1.0, 2.0]),
            (vec![0.0, 0.0, 0.0, 1.0], vec![0.0, 1.0]),
            (vec![1.0], vec![2.0, 3.0]),
            (vec![-1.0, 0.5, 0.5, 7.0], vec![0.5, 0.5, 0.5, 6.0, 8.0]),
        ] {
            let all = x.iter().chain(&y);
            let right = all.map(|&at| (shares(&x, at) - shares(&y, at)).abs()).fold(0.0, f64::max);
            assert!((distance(&x, &y) - right).abs() < 1e-15, "{x:?} {y:?}");
        }
    }

    /// Of parts of one law, continuous and with ties, no more than the stated share exceeds the limit.
    #[test]
    fn parts_of_one_law_exceed_the_limit_as_rarely_as_stated() {
        let trials = 4000;
        for (n, m, ties) in [(200, 20, false), (60, 60, false), (200, 20, true), (400, 100, true)] {
            let draws = Seed(4).stream("one law");
            let mut alarms = 0;
            for trial in 0..trials {
                let z = draws.at(trial).normal(&[n + m], Kind::Double, Device::Cpu).unwrap();
                let z = if ties { z.round() } else { z };
                let of = |start, length| sorted(&z.narrow(0, start, length).view([-1, 1]), 0).unwrap();
                let scale = ((n + m) as f64 / (n * m) as f64).sqrt();
                alarms += usize::from(distance(&of(0, n), &of(n, m)) > limit(1, 0.05) * scale);
            }
            // Four standard errors of 5%.
            let most = 0.05 * trials as f64 + 4.0 * (0.05 * 0.95 * trials as f64).sqrt();
            assert!((alarms as f64) < most, "{n} {m} {ties}: {alarms} of {trials}");
            assert!(ties || alarms > trials as usize / 100, "{n} {m}: the limit is as good as never met");
        }
    }
}
