//! What the points of an array come under.

use crate::check_samples::check_samples;
use crate::columns::{Column, Look};
use crate::normalise::move_to;
use crate::{DataError, LABELS, Scaling, Splits};
use strait_core::{ConditionKind, Conditions, Error, Split};
use strait_io::Element;
use tch::{Device, Kind, Tensor};

/// A class or a vector for each point of each split.
#[derive(Debug)]
pub(crate) struct Condition {
    name: String,
    kind: ConditionKind,
    /// In the order of the points.
    rows: Splits<Tensor>,
    /// Classes that no training point has.
    pub(crate) without_points: Vec<i64>,
    /// What is worth knowing of it, in words.
    pub(crate) remarks: Vec<String>,
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
        let (mut without_points, mut remarks) = (vec![], vec![]);
        if let ConditionKind::Classes(classes) = of {
            without_points = classes_without_points(train, classes)?;
            if let Some(class) = without_points.first() {
                let count = without_points.len();
                remarks.push(format!(
                    "condition `{name}`: {count} of the classes 0 to {} have no training points, such as {class}: samples of \
                     them mean nothing",
                    classes - 1
                ));
            }
        }
        let column = matches!(of, ConditionKind::Vector(1));
        if name == LABELS && column && is_whole(train)? {
            remarks.push(format!(
                "condition `{name}` holds whole numbers {}, which are taken as a number and not as classes: for classes save it \
                 with .astype(\"int64\").ravel()",
                if train.is_floating_point() { "as floating-point ones" } else { "of shape (n, 1)" }
            ));
        }
        let native = train;
        let rows = rows.try_map(|split, rows| match of {
            ConditionKind::Classes(_) => Ok(move_to(rows, Kind::Int64, device)?),
            ConditionKind::Vector(k) => {
                let n = *counts.get(split);
                if rows.numel() as i64 != n * k {
                    return Err(refused(format!("it is {:?} for {n} {} points of {k}", rows.size(), split.name())));
                }
                let rows = move_to(&rows.f_reshape([n, k])?, kind, device)?;
                check_samples(name, &rows, 1)?;
                Ok(rows)
            }
        })?;
        if let ConditionKind::Vector(k) = of {
            let look = Look::of(&native.f_reshape([-1, k])?, Element::F64)?;
            check_numbers(&look).map_err(refused)?;
            remarks.extend(unusual(name, &look));
        }
        Ok(Self { name: name.to_owned(), kind: of, rows, without_points, remarks })
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

/// Whether all of it are whole numbers.
fn is_whole(x: &Tensor) -> Result<bool, Error> {
    Ok(x.f_eq_tensor(&x.f_round()?)?.f_all()?.f_int64_value(&[])? == 1)
}

/// Refuses numbers that the network would not see: in single precision all of a column would be one.
fn check_numbers(look: &Look) -> Result<(), String> {
    match look.check_precision("", Scaling::Own) {
        Err(DataError::Precision { column, problem, .. }) => {
            let Column { mean, sd, .. } = &look.columns[column];
            Err(format!(
                "column {column} (counted from 0) is {problem} for single precision: save (x {:+.6e}) / {sd:.3e} in its \
                 place, and give `sample` such numbers",
                -mean
            ))
        }
        _ => Ok(()),
    }
}

/// Sizes that a network has no trouble with.
const USUAL: f64 = 30.0;

/// In words, a column that is far from 0 or of another scale than 1, as a network sees it as it is.
fn unusual(name: &str, look: &Look) -> Option<String> {
    let far = |column: &&Column| {
        column.least < column.greatest && (column.mean.abs().max(column.sd) > USUAL || column.sd < 1.0 / USUAL)
    };
    let Column { index, mean, sd, .. } = look.columns.iter().find(far)?;
    Some(format!(
        "condition `{name}`: column {index} (counted from 0) lies around {mean:.3e} with a spread of {sd:.2e}, and networks learn \
         numbers around 0 with a spread of 1 best: save (x {:+.6e}) / {sd:.3e} in its place, and give `sample` such numbers",
        -mean
    ))
}

/// The classes that none of some labels is.
fn classes_without_points(labels: &Tensor, classes: i64) -> Result<Vec<i64>, Error> {
    let counts = move_to(labels, Kind::Int64, Device::Cpu)?.f_bincount(None::<&Tensor>, classes)?;
    Ok(Vec::try_from(counts.f_eq(0)?.f_nonzero()?.f_view([-1])?)?)
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

/// How other labels become such numbers.
const NUMBER: &str = "number the classes from 0 on, as numpy.unique(labels, return_inverse=True) does";

/// How many classes the training points have; in words, what label is none of them.
fn classes(rows: &Splits<Tensor>) -> Result<i64, String> {
    let ends = |x: &Tensor| (x.min().int64_value(&[]), x.max().int64_value(&[]));
    let most = ends(&rows.train).1;
    if most >= CLASSES {
        return Err(format!("a train point has label {most}, and there are at most {CLASSES} classes: {NUMBER}"));
    }
    let classes = most + 1;
    for split in SPLITS {
        let labels = rows.get(split);
        let (least, most) = ends(labels);
        let point = split.name();
        if least < 0 {
            return Err(format!("a {point} point has label {least}, and labels are whole numbers from 0 on: {NUMBER}"));
        }
        if labels.is_floating_point() || most >= classes {
            return Err(format!(
                "a {point} point has label {most}, and those of the training points are 0 to {}",
                classes - 1
            ));
        }
    }
    Ok(classes)
}
