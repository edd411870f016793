//! What the points of an array come under.

use crate::check_samples::check_samples;
use crate::normalise::move_to;
use crate::{DataError, Splits};
use strait_core::{ConditionKind, Conditions, Error, Split};
use tch::{Device, Kind, Tensor};

/// A class or a vector for each point of each split.
#[derive(Debug)]
pub(crate) struct Condition {
    name: String,
    kind: ConditionKind,
    /// In the order of the points.
    rows: Splits<Tensor>,
}

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

impl Condition {
    /// Of as many rows as each split has points.
    pub(crate) fn new(
        name: &str,
        rows: &Splits<Tensor>,
        counts: &Splits<i64>,
        (kind, device): (Kind, Device),
    ) -> Result<Self, DataError> {
        let refused = |problem: String| DataError::Condition { array: name.to_owned(), problem };
        for split in SPLITS {
            let (found, n) = (rows.get(split).size(), *counts.get(split));
            if found.first() != Some(&n) {
                return Err(refused(not_one_each(&found, n, &format!("{} ", split.name()))));
            }
        }
        let train = &rows.train;
        let of = match (train.is_floating_point(), &train.size()[1..]) {
            (false, []) => ConditionKind::Classes(classes(rows).map_err(refused)?),
            (_, []) => ConditionKind::Vector(1),
            (_, &[k]) if k > 0 => ConditionKind::Vector(k),
            _ => return Err(refused(format!("it is {:?}, and a condition is (n,) or (n, k)", train.size()))),
        };
        let rows = rows.try_map(|split, rows| match of {
            ConditionKind::Classes(_) => Ok(move_to(rows, Kind::Int64, device)?),
            ConditionKind::Vector(k) => {
                let n = *counts.get(split);
                if rows.numel() as i64 != n * k {
                    return Err(refused(format!("it is {:?} for {n} {} points of {k}", rows.size(), split.name())));
                }
                let rows = move_to(&rows.f_view([n, k])?, kind, device)?;
                check_samples(name, &rows, 1)?;
                Ok(rows)
            }
        })?;
        Ok(Self { name: name.to_owned(), kind: of, rows })
    }

    pub(crate) fn kind(&self) -> (&str, ConditionKind) {
        (&self.name, self.kind)
    }

    /// Those of some points of a split.
    pub(crate) fn at(&self, split: Split, rows: &Tensor) -> Result<Conditions, Error> {
        let all = self.rows.get(split);
        Conditions::of(&*self.name, all.f_index_select(0, &rows.f_to_device(all.device())?)?)
    }
}

/// In words, that an array of a shape has not one row for each of n points.
pub(crate) fn not_one_each(shape: &[i64], n: i64, which: &str) -> String {
    match shape.first() {
        Some(rows) => format!("it has {rows} rows for {n} {which}points: it needs one for each"),
        None => format!("it is a single number for {n} {which}points: it needs a row for each"),
    }
}

/// The most classes: a network holds numbers for each.
const CLASSES: i64 = 1 << 16;

/// How many classes the training points have; in words, what label is none of them.
fn classes(rows: &Splits<Tensor>) -> Result<i64, String> {
    let ends = |x: &Tensor| (x.min().int64_value(&[]), x.max().int64_value(&[]));
    let most = ends(&rows.train).1;
    if most >= CLASSES {
        let remedy = "number the classes from 0 on, as numpy.unique(labels, return_inverse=True) does";
        return Err(format!("a train point has label {most}, and there are at most {CLASSES} classes: {remedy}"));
    }
    let classes = most + 1;
    for split in SPLITS {
        let labels = rows.get(split);
        let (least, most) = ends(labels);
        if labels.is_floating_point() || least < 0 || most >= classes {
            let label = if least < 0 { least } else { most };
            return Err(format!(
                "a {} point has label {label}, and those of the training points are 0 to {}",
                split.name(),
                classes - 1
            ));
        }
    }
    Ok(classes)
}
